"""The supervisor under kill -9: nothing is left behind, and the data is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded.processes import command_of, free_port
from config.supervisor.instance import ROOT


class Running:
    """`python -m config.supervisor run` in a folder whose story counts as played."""

    def __init__(self, home: Path) -> None:
        (home / "demo-story").write_text("played")
        self.output = home / "terminal"
        self.port = free_port()
        outside = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "SECRET_KEY")
        env = {name: value for name, value in os.environ.items() if name not in outside}
        with self.output.open("wb") as terminal:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.supervisor", "run"],
                cwd=ROOT,
                env=env | {"CADRE_HOME": str(home), "PORT": str(self.port)},
                stdout=terminal,
                stderr=terminal,
            )
        self.wait_for("Cadre is ready")
        self.descendants = list(_descendants(self.process.pid))

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + 180
        while text not in self.output.read_text():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.1)

    def survivors(self, *, seconds: float) -> list[str]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(map(command_of, self.descendants)):
            time.sleep(0.1)
        return [command for pid in self.descendants if (command := command_of(pid))]


def _descendants(pid: int) -> Iterator[int]:
    listing = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        child, parent = map(int, line.split())
        if parent == pid:
            yield child
            yield from _descendants(child)


@pytest.mark.faults
@pytest.mark.slow
def test_kill_9_leaves_nothing_behind_and_a_restart_keeps_the_data(home: Path) -> None:
    first = Running(home)
    assert {name.split()[0].rsplit("/", 1)[-1] for name in map(command_of, first.descendants)} >= {"postgres:"}
    passwords = (home / "postgres" / "passwords.json").read_text()
    first.process.kill()
    first.process.wait()
    assert first.survivors(seconds=20) == []

    second = Running(home)
    assert (home / "postgres" / "passwords.json").read_text() == passwords
    workers = [pid for pid in second.descendants if "payments@" in command_of(pid)]
    os.kill(workers[0], signal.SIGKILL)
    second.wait_for("payments-worker died and was started again")
    second.descendants = list(_descendants(second.process.pid))
    second.process.terminate()
    assert second.process.wait(timeout=60) == 0
    assert second.survivors(seconds=1) == []
