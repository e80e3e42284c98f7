"""The README's tour, run as printed by bash against an instance that `make run`'s supervisor serves."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.embedded.processes import free_port
from config.supervisor.instance import ROOT

START_SECONDS, TOUR_SECONDS, STOP_SECONDS = 90, 90, 60
SERVERS = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "BASE_URL")
END = "\x1e"  # printed after each block, so that the outputs can be told apart
FENCE = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("curl") is None or shutil.which("bash") is None, reason="the tour needs curl and bash"
    ),
]


@dataclass(frozen=True)
class Block:
    """Commands, and what the README says they print; `…` stands for anything, None for a promise of nothing."""

    commands: str
    printed: str | None

    def agrees(self, output: str) -> bool:
        """Whether the output is what was promised."""
        if self.printed is None:
            return True
        pattern = ".*".join(re.escape(part) for part in self.printed.strip().split("…"))
        return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None


def tour() -> list[Block]:
    """The blocks of the tour, each `sh` with the `text` that follows it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("\n## A tour in five minutes\n")[1].split("\n## ")[0]
    fences = FENCE.findall(section)
    following = [*fences[1:], ("", "")]
    return [
        Block(body, after if kind == "text" else None)
        for (name, body), (kind, after) in zip(fences, following, strict=True)
        if name == "sh"
    ]


@pytest.fixture
def home() -> Iterator[Path]:
    """CADRE_HOME of an instance that serves, without the story: the tour needs none of it."""
    with tempfile.TemporaryDirectory(prefix="cadre-readme-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(0o711)  # PostgreSQL runs as nobody where the tests run as root
        (home / "demo-story").write_text("played")  # it takes longer than this test may
        port = free_port()
        environment = {name: value for name, value in os.environ.items() if name not in SERVERS}
        environment |= {"CADRE_HOME": folder, "PORT": str(port), "CADRE_MODE": "development"}
        with (home / "supervisor.log").open("wb") as log:
            command = [sys.executable, "-m", "config.supervisor", "run"]
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            wait_until_ready(process, home / "supervisor.log")
            yield home
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)


def wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the supervisor says so; fail with its words when it does not."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if "Cadre is ready" in log.read_text():
            return
        time.sleep(0.2)
    pytest.fail(f"The instance did not start:\n{log.read_text()}")


def test_the_tour_works_as_printed(home: Path, tmp_path: Path) -> None:
    blocks = tour()
    script = "set -euo pipefail\n" + "".join(f"{block.commands}printf '\\036'\n" for block in blocks)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "CADRE_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=TOUR_SECONDS,
        check=False,
    )
    outputs = done.stdout.split(END)
    assert done.returncode == 0, f"Block {len(outputs)} failed:\n{outputs[-1]}\n{done.stderr}"
    assert [
        (block.commands, output) for block, output in zip(blocks, outputs[:-1], strict=True) if not block.agrees(output)
    ] == []
    assert (home / "demo-credentials.json").stat().st_mode & 0o077 == 0


def test_the_tour_can_be_pasted_into_zsh() -> None:
    """At its prompt zsh knows no comments."""
    assert [block.commands for block in tour() if re.search(r"(^|\s)#\s", block.commands)] == []


def test_the_tour_promises_what_it_prints() -> None:
    promised = [block for block in tour() if block.printed is not None]
    assert len(promised) >= 10
    assert not Block("", "settled").agrees("pending")
    assert Block("", "pex_…\nTrue").agrees("pex_abc\nTrue\n")
