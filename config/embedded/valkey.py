"""One Valkey server on the loopback address, empty at every start: the database is the truth, Celery only wakes up."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import redis

from config.embedded.binaries import find_valkey
from config.embedded.processes import ServerFailed, free_port, spawn, stop, tail, wait_until


@dataclass(frozen=True)
class ValkeyServer:
    """A running server; `url` carries its password."""

    url: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Stop it within five seconds."""
        stop(self.process, by=signal.SIGTERM, grace=5)


def start_valkey(home: Path) -> ValkeyServer:
    """Start Valkey with its log in `home`. Raises ServerMissing or ServerFailed."""
    home.mkdir(parents=True, exist_ok=True)
    binary, log = find_valkey(), home / "valkey.log"
    for _ in range(3):  # between choosing a port and listening on it, somebody else may take it
        server = _start(binary, home, log)
        if wait_until(partial(_answers, server.url), server.process, seconds=10):
            return server
        server.stop()
    raise ServerFailed(f"Valkey did not start. The end of {log}:\n{tail(log)}")


def _start(binary: Path, home: Path, log: Path) -> ValkeyServer:
    port, password = free_port(), secrets.token_urlsafe(24)
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "requirepass": password,
        "dir": f'"{home.resolve()}"',
        "save": '""',
        "appendonly": "no",
        "daemonize": "no",
    }
    # By standard input: a password on the command line would be visible to every user of the machine.
    text = "".join(f"{name} {value}\n" for name, value in settings.items())
    with log.open("ab") as output:
        process = spawn([binary, "-"], log=output, env=os.environ, death_signal=signal.SIGTERM, stdin=text.encode())
    return ValkeyServer(f"redis://:{password}@127.0.0.1:{port}/0", process)


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
