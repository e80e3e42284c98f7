"""Run the counterpart of Stripe for development:

    python -m tests.stripe_fake --port 12111 --spec spec3.json --shapes fixtures3.json \
        --webhook http://127.0.0.1:8000/api/v1/providers/stripe_connect/events

and start Cadre with STRIPE_API_BASE=http://127.0.0.1:12111 STRIPE_API_KEY=sk_test_1 STRIPE_WEBHOOK_SECRETS=whsec_test
PAYOUT_RAILS=stripe_account:*:*=stripe_connect. Spec and shapes are `openapi/spec3.json` and `openapi/fixtures3.json` of
github.com/stripe/openapi. Opening an onboarding link finishes it; banks take what is under way every few seconds.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import suppress
from pathlib import Path

from tests.stripe_fake.books import Thing
from tests.stripe_fake.server import serving

MILLION = 100_000_000


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=12111)
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--shapes", type=Path, required=True)
    parser.add_argument("--webhook", default="")
    parser.add_argument("--secret", default="whsec_test")
    parser.add_argument("--settles-every", type=float, default=5.0, help="seconds between two rounds of the banks")
    given = parser.parse_args()
    spec, shapes = (json.loads(path.read_text(encoding="utf-8")) for path in (given.spec, given.shapes))
    with serving(spec=spec, shapes=shapes.get("resources", shapes), port=given.port) as fake:
        fake.secret, fake.webhook_url = given.secret, given.webhook
        for currency in ("usd", "eur", "gbp"):
            fake.books.balances["", currency] = MILLION
        waiting: list[Thing] = []
        if given.webhook:
            fake.books.heard = waiting.append
        while True:
            time.sleep(given.settles_every)
            fake.books.settle()
            while waiting:
                fake.deliver(waiting.pop(0))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
