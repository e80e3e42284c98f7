"""The processes of an instance: web, workers and beat, started in order, revived when they die, stopped in order."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from config.embedded.processes import ServerFailed, spawn, stop, tail, wait_until
from config.supervisor.instance import ROOT, Instance

_BIN = Path(sys.executable).parent
_LONG_LOG = 10 * 1024 * 1024
_REVIVALS, _PER_SECONDS = 5, 60.0


@dataclass(frozen=True)
class Role:
    """How one process is started and stopped.

    grace         seconds it may take to finish what it is doing
    death_signal  what the kernel sends when the supervisor is killed; a worker that is looking for its broker ignores
                  anything softer than SIGKILL, and its pool ends with the pipe between them
    """

    name: str
    command: tuple[str | Path, ...]
    grace: float
    death_signal: signal.Signals


@dataclass
class Member:
    """A role and the process that plays it now."""

    role: Role
    process: subprocess.Popen[bytes]
    log: Path
    revivals: deque[float] = field(default_factory=lambda: deque(maxlen=_REVIVALS))


def roles(instance: Instance) -> list[Role]:
    """Web, the two workers and beat, in the order in which they are started and stopped."""
    celery = (_BIN / "celery", "-A", "config.celery", "--quiet")
    worker = (*celery, "worker", "--without-gossip", "--without-mingle", "--loglevel", "INFO")
    schedule = instance.home / "celerybeat-schedule"
    web = (
        *(_BIN / "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(instance.port)),
        *("--workers", "1", "--blocking-threads", "6", "--workers-kill-timeout", "5", "config.wsgi:application"),
    )
    return [
        Role("web", web, 10, signal.SIGTERM),
        Role("worker", (*worker, "-Q", "default", "-n", "default@%h", "-c", "2"), 40, signal.SIGKILL),
        # Money has a queue and a process of its own: a flood of other jobs must not delay a payout.
        Role("payments-worker", (*worker, "-Q", "payments", "-n", "payments@%h", "-c", "1"), 40, signal.SIGKILL),
        Role("beat", (*celery, "beat", "--loglevel", "INFO", "-s", schedule), 10, signal.SIGTERM),
    ]


class Crew:
    """All running processes of one instance."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._members: list[Member] = []
        instance.resources.callback(self.stop)

    def start(self) -> None:
        """Start everybody and wait until the site answers. Raises ServerFailed."""
        for role in roles(self._instance):
            log = self._instance.logs / f"{role.name}.log"
            self._members.append(Member(role, self._spawn(role, log), log))
        web = self._members[0]
        if not wait_until(self._is_ready, web.process, seconds=60):
            raise ServerFailed(f"The site did not answer. The end of {web.log}:\n{tail(web.log)}")

    def revive(self) -> list[str]:
        """Start again who died since the last look; return their names. Raises ServerFailed when it happens too often."""
        dead = [member for member in self._members if member.process.poll() is not None]
        for member in dead:
            now = time.monotonic()
            if len(member.revivals) == _REVIVALS and now - member.revivals[0] < _PER_SECONDS:
                raise ServerFailed(f"{member.role.name} keeps dying. The end of {member.log}:\n{tail(member.log)}")
            member.revivals.append(now)
            stop(member.process, by=signal.SIGKILL, grace=0)  # its children, if any are left in its session
            member.process = self._spawn(member.role, member.log)
        return [member.role.name for member in dead]

    def stop(self) -> None:
        """Stop web, workers and beat: everyone is asked at once, and waited for in this order."""
        for member in self._members:
            if member.process.poll() is None:
                member.process.send_signal(signal.SIGTERM)
        for member in self._members:
            deadline = time.monotonic() + member.role.grace
            while member.process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            stop(member.process, by=signal.SIGKILL, grace=0)
        self._members.clear()

    def tails(self) -> str:
        """The end of every log, for when the story fails."""
        return "\n\n".join(f"== {member.log} ==\n{tail(member.log, lines=5)}" for member in self._members)

    def _spawn(self, role: Role, log: Path) -> subprocess.Popen[bytes]:
        if log.exists() and log.stat().st_size > _LONG_LOG:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            return spawn(role.command, log=output, env=self._instance.env, death_signal=role.death_signal, cwd=ROOT)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._instance.base_url}/readyz", timeout=2) as answer:  # noqa: S310  # our own loopback address
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
