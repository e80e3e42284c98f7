"""django-hordak beside us: its own process and database in the same cluster, told what to do over a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import psycopg
from psycopg import sql

NAME = "bench_hordak"
PYTHON = Path(os.environ.get("BENCH_PYTHON", ".venv-bench/bin/python"))


@dataclass(frozen=True, slots=True)
class Hordak:
    """The child and its pipes."""

    said: IO[str]
    heard: IO[str]

    def do(self, way: str, count: int) -> None:
        """``rows`` or ``bulk``, so many entries of three legs; returns when they are committed."""
        self.said.write(f"{way} {count}\n")
        self.said.flush()
        if self.heard.readline() != "ok\n":
            raise RuntimeError("django-hordak did not finish: see above.")


@contextmanager
def running() -> Iterator[Hordak | None]:
    """A child that is ready, or None where its virtual environment was not installed (`make bench` does)."""
    if not PYTHON.exists():
        print(f"{PYTHON} is not there: django-hordak is left out.", file=sys.stderr)
        yield None
        return
    owner = os.environ["DATABASE_OWNER_URL"]
    with psycopg.connect(owner, autocommit=True) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(NAME)))
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
        told = {
            "BENCH_NAME": NAME,
            "BENCH_HOST": server.info.host,
            "BENCH_PORT": str(server.info.port),
            "BENCH_USER": server.info.user,
            "BENCH_PASSWORD": server.info.password,
        }
    child = subprocess.Popen(  # noqa: S603  # our own module, under the interpreter that make installed
        [str(PYTHON), "-m", "bench.hordak_side"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **told},
    )
    try:
        side = Hordak(cast(IO[str], child.stdin), cast(IO[str], child.stdout))
        if side.heard.readline() != "ready\n":
            raise RuntimeError("django-hordak did not start: see above.")
        yield side
    finally:
        side.said.close()
        child.wait(timeout=60)
