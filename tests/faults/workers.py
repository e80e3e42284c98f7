"""Real Celery workers and beats as processes of their own, against the tests' database and broker; they can be killed."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar
from urllib.parse import quote

from django.db import connection

from config.embedded.processes import spawn

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = int(os.environ.get("FAULTS_PATIENCE", "120"))  # seconds; a busy machine starts workers slowly
NO_ENV: Final[Mapping[str, str]] = MappingProxyType({})
P = TypeVar("P", bound="Process")


class Process:
    """A process with its own session, so that it and its children can be killed at once."""

    def __init__(self, *command: str, env: Mapping[str, str]) -> None:
        with Path(os.environ.get("FAULTS_LOG", os.devnull)).open("ab") as log:
            self._process = spawn(
                [sys.executable, "-m", "celery", *command],
                log=log,
                env={**os.environ, "DATABASE_URL": database_url(), **env},
                death_signal=signal.SIGKILL,
                cwd=ROOT,
            )

    def kill(self) -> None:
        """kill -9 to it and all its children at once, wherever they are."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @property
    def children(self) -> list[int]:
        """Its child processes now."""
        listing = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(pid) for pid in listing.read_text().split()] if listing.exists() else []

    @property
    def is_running(self) -> bool:
        """Whether it lives."""
        return self._process.poll() is None


class Worker(Process):
    """One worker with two pool processes. ``app`` is the Celery application it serves."""

    def __init__(self, app: str = "config", *, pool: int = 2, env: Mapping[str, str] = NO_ENV) -> None:
        quiet = ("--without-mingle", "--without-gossip", "-l", "WARNING")
        super().__init__("-A", app, "worker", "-Q", "payments,default", "-c", str(pool), *quiet, env=env)

    def kill_a_child(self) -> bool:
        """kill -9 to one pool process only; False when there is none yet."""
        children = self.children
        if not children:
            return False
        os.kill(children[0], signal.SIGKILL)
        return True


class Beat(Process):
    """One scheduler, with its memory in ``folder``."""

    def __init__(self, folder: Path, app: str = "config", *, env: Mapping[str, str] = NO_ENV) -> None:
        memory = ("-s", str(folder / "schedule"), "--pidfile", str(folder / "pid"))
        super().__init__("-A", app, "beat", "-l", "WARNING", *memory, env=env)


@contextmanager
def worker(app: str = "config", *, pool: int = 2, env: Mapping[str, str] = NO_ENV) -> Iterator[Worker]:
    """A worker that is gone afterwards."""
    with running(Worker(app, pool=pool, env=env)) as started:
        yield started


@contextmanager
def running(process: P) -> Iterator[P]:
    """A process that is gone afterwards."""
    try:
        yield process
    finally:
        if process.is_running:
            process.kill()


def wait_until(holds: Callable[[], bool], *, meanwhile: Callable[[], object] = lambda: None, what: str = "") -> None:
    """Look every quarter of a second, and do something in between, until something holds."""
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, f"still not: {what}"
        meanwhile()
        time.sleep(0.25)


def database_url() -> str:
    """The tests' database, as the application's role."""
    where = connection.settings_dict
    password = f":{quote(where['PASSWORD'], safe='')}" if where["PASSWORD"] else ""
    host = quote(where["HOST"], safe="")
    port = f":{where['PORT']}" if where["PORT"] else ""
    return f"postgres://{where['USER']}{password}@{host}{port}/{where['NAME']}"
