"""Real Celery workers as processes of their own, against the tests' database and broker; they can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


class Worker:
    """One worker with two pool processes."""

    def __init__(self, **environment: str) -> None:
        command = [sys.executable, "-m", "celery", "-A", "config", "worker", "-Q", "payments,default", "-c", "2"]
        self._process = subprocess.Popen(
            [*command, "--without-mingle", "--without-gossip", "-l", "WARNING"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": _database_url(), **environment},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """kill -9 to the worker and its pool at once, wherever they are."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def kill_a_child(self) -> bool:
        """kill -9 to one pool process only; False when there is none yet."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        if not children:
            return False
        os.kill(int(children[0]), signal.SIGKILL)
        return True

    @property
    def is_running(self) -> bool:
        """Whether the worker lives."""
        return self._process.poll() is None


@contextmanager
def worker(**environment: str) -> Iterator[Worker]:
    """A worker that is gone afterwards."""
    started = Worker(**environment)
    try:
        yield started
    finally:
        if started.is_running:
            started.kill()


def _database_url() -> str:
    """The tests' database, as the application's role."""
    where = connection.settings_dict
    password = f":{quote(where['PASSWORD'], safe='')}" if where["PASSWORD"] else ""
    host = quote(where["HOST"], safe="")
    port = f":{where['PORT']}" if where["PORT"] else ""
    return f"postgres://{where['USER']}{password}@{host}{port}/{where['NAME']}"
