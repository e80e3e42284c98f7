"""Everything that may die while money is sent, and its replacement."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import redis

from tests.faults.commit_proxy import reconnect
from tests.faults.own_cluster import OwnCluster
from tests.faults.workers import Beat, Worker

_APP: Final = "tests.faults.hasty"
_WORKERS: Final = 2
_CHANCES: Final = {
    "pool child": 55,
    "worker with its children": 25,
    "beat": 8,
    "PostgreSQL (immediate restart)": 7,
    "Valkey (FLUSHALL)": 5,
}
"""Victim → how often of a hundred times."""


class Victims:
    """Two workers with two pool children each, a beat, the database and the broker."""

    def __init__(self, cluster: OwnCluster, home: Path, chance: random.Random) -> None:
        self._cluster, self._home, self._chance = cluster, home, chance
        self._workers = [self._new_worker() for _ in range(_WORKERS)]
        self._beat = self._new_beat()

    def kill_one(self) -> str:
        """Kill somebody at random; who it was."""
        ways: dict[str, Callable[[], None]] = {
            "pool child": self._kill_a_child,
            "worker with its children": self._kill_a_worker,
            "beat": self._kill_beat,
            "PostgreSQL (immediate restart)": self._crash,
            "Valkey (FLUSHALL)": self._flush,
        }
        (victim,) = self._chance.choices(list(_CHANCES), list(_CHANCES.values()))
        if victim == "pool child" and not any(worker.children for worker in self._workers):
            victim = "worker with its children"
        ways[victim]()
        return victim

    def replace_the_dead(self) -> None:
        """What systemd or compose does."""
        self._workers = [worker if worker.is_running else self._new_worker() for worker in self._workers]
        if not self._beat.is_running:
            self._beat = self._new_beat()

    def end(self) -> None:
        """Nobody is left."""
        for process in (*self._workers, self._beat):
            if process.is_running:
                process.kill()

    def _kill_a_child(self) -> None:
        children = [pid for worker in self._workers for pid in worker.children]
        with suppress(ProcessLookupError):
            os.kill(self._chance.choice(children), signal.SIGKILL)

    def _kill_a_worker(self) -> None:
        alive = [worker for worker in self._workers if worker.is_running]
        self._chance.choice(alive).kill()

    def _kill_beat(self) -> None:
        self._beat.kill()

    def _crash(self) -> None:
        self._cluster.crash()
        reconnect()

    def _flush(self) -> None:
        with redis.Redis.from_url(os.environ["REDIS_URL"]) as broker:
            broker.flushall()

    def _new_worker(self) -> Worker:
        return Worker(_APP)

    def _new_beat(self) -> Beat:
        for name in ("pid", "schedule"):
            for left in self._home.glob(f"{name}*"):
                left.unlink()
        return Beat(self._home, _APP)
