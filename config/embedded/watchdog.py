"""A process that signals its wards when the parent is gone, for systems whose kernel does not (macOS).

The parent holds the writing end of a pipe. When it dies, by any cause, the pipe ends and the watchdog acts.
Run as a script it needs nothing but the standard library.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import IO


class Watchdog:
    """The parent's handle: starts the watchdog with the first ward."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def watch(self, pid: int, death_signal: signal.Signals) -> None:
        """Have `pid` signalled when this process dies."""
        self._tell(f"watch {pid} {int(death_signal)}")

    def forget(self, pid: int) -> None:
        """The ward has ended; its number may soon belong to a stranger."""
        self._tell(f"forget {pid} 0")

    def _tell(self, line: str) -> None:
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603  # this very file
                [sys.executable, __file__], stdin=subprocess.PIPE, text=True, start_new_session=True
            )
        if self._process.stdin:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()


def keep_watch(orders: IO[str]) -> None:
    """Read orders until the parent is gone, then signal every ward that is left, the latest started first."""
    wards: dict[int, int] = {}
    for line in orders:
        verb, pid, death_signal = line.split()
        if verb == "watch":
            wards[int(pid)] = int(death_signal)
        else:
            wards.pop(int(pid), None)
    for ward, number in reversed(wards.items()):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(ward, number)


if __name__ == "__main__":
    keep_watch(sys.stdin)
