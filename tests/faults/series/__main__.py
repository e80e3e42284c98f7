"""The command line: `python -m tests.faults.series --help`."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from config.embedded import start_valkey
from tests.faults.own_cluster import OwnCluster


def main(arguments: Sequence[str] | None = None) -> int:
    """Play one series; 0 when not a cent was lost or paid twice."""
    chosen = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cadre-series-")))
        home.chmod(0o711)  # PostgreSQL runs as nobody when root runs this
        valkey = start_valkey(home)
        stack.callback(valkey.stop)
        for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "SECRET_KEY"):
            os.environ.pop(name, None)
        os.environ |= {
            "CADRE_MODE": "development",
            "CADRE_HOME": str(home),
            "REDIS_URL": valkey.url,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "SANDBOX_PROVIDER_LATENCY": str(chosen.latency),
            "HASTY": "payments.send_payouts payments.track_payouts",
        }
        cluster = OwnCluster(home)
        stack.callback(cluster.stop)
        os.environ |= {"DATABASE_URL": cluster.server.app_url, "DATABASE_OWNER_URL": cluster.server.owner_url}
        from tests.faults.series import play  # the settings read the environment

        return play.series(cluster, home, chosen, stack)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.series", description="Kill everything that moves money, and count it."
    )
    parser.add_argument("--payouts", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--unknown", type=int, default=500, help="payouts whose provider gives no answer")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="chooses victims and faults")
    parser.add_argument("--latency", type=float, default=0.1, help="seconds the provider takes for each payout")
    parser.add_argument("--minutes", type=float, default=15, help="after which the series has failed")
    parser.add_argument("--write", action="store_true", help="write the tally into docs/faults.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
