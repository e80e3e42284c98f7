"""Child processes that never outlive their parent.

Every child gets its own session, so that Ctrl-C in a terminal reaches the parent alone and the parent decides the order
in which things stop. On Linux the kernel signals a child whose parent died, however it died; elsewhere a small
watchdog process does (see watchdog.py).
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from config.embedded.watchdog import Watchdog

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_watchdog = None if sys.platform == "linux" else Watchdog()


class ServerFailed(RuntimeError):
    """A server did not start or did not stop; the message holds the end of its log."""


@dataclass(frozen=True)
class Account:
    """The system user a server runs as, where it must not be the present one."""

    uid: int
    gid: int

    @classmethod
    def nobody(cls) -> Account:
        """The account without rights that every Unix has."""
        entry = pwd.getpwnam("nobody")
        return cls(entry.pw_uid, entry.pw_gid)

    def can_reach(self, path: Path) -> bool:
        """Whether this account may walk down to `path`, judged by the folders' permission bits."""
        return all(self._may_enter(folder) for folder in [*path.resolve().parents, path.resolve()])

    def _may_enter(self, path: Path) -> bool:
        status = path.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & 0o100)
        return bool(status.st_mode & (0o010 if status.st_gid == self.gid else 0o001))


def spawn(
    command: Sequence[str | Path],
    *,
    log: IO[bytes] | None,
    env: Mapping[str, str],
    death_signal: signal.Signals,
    account: Account | None = None,
    stdin: bytes | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child that gets `death_signal` when this process dies, even by kill -9.

    log      where its output goes; None: to our own
    account  the system user it runs as; None: ours
    stdin    what it reads; None: nothing
    Call it from the main thread: Linux sends the signal when the *thread* that started the child ends.
    """
    process = subprocess.Popen(  # noqa: S603  # our own command lines, never a shell
        command,
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT if log else None,
        env=dict(env),
        cwd=cwd,
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        preexec_fn=_tether(death_signal),  # noqa: PLW1509  # one C call, and we start children before any thread
    )
    if stdin is not None and process.stdin:
        process.stdin.write(stdin)
        process.stdin.close()
    if _watchdog:
        _watchdog.watch(process.pid, death_signal)
    return process


def _tether(death_signal: signal.Signals) -> Callable[[], None] | None:
    return partial(_ask_kernel, os.getpid(), death_signal) if _libc else None


def _ask_kernel(parent: int, death_signal: signal.Signals) -> None:
    """Runs in the child, after its user has changed: that change would clear the request."""
    if _libc:
        _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
    if os.getppid() != parent:  # the parent died before the kernel was asked
        os.kill(os.getpid(), signal.SIGKILL)


def stop(process: subprocess.Popen[bytes], *, by: signal.Signals, grace: float) -> None:
    """Signal the child, wait up to `grace` seconds, then kill its whole session."""
    if process.poll() is None:
        process.send_signal(by)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=grace)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # what the child left behind in its session
    process.wait()
    if _watchdog:
        _watchdog.forget(process.pid)


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], *, seconds: float) -> bool:
    """Poll until `ready()`; False when the process ended or the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if ready():
            return True
        time.sleep(0.05)
    return False


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def command_of(pid: int) -> str:
    """The command line of a running process, or "" when there is none."""
    if Path("/proc/self/cmdline").exists():
        with suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return ""
    listing = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607  # a number and a standard tool
    return listing.stdout.strip()


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:])
