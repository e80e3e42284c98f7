"""A TCP proxy in front of PostgreSQL that can swallow the reply to a COMMIT: done there, and nobody here knows it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from django.db import connection

_COMMIT: Final = b"COMMIT\x00"


class CommitProxy:
    """Listens on ``port``; every connection is passed on until a reply to COMMIT is to be dropped."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.dropped = 0
        self._to_drop = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def drop_next(self, times: int = 1) -> None:
        """Swallow the replies of so many COMMITs from now on, and cut their connections."""
        with self._lock:
            self._to_drop = times

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                server = socket.create_connection(self._server)
                cut = threading.Event()
                threading.Thread(target=self._up, args=(client, server, cut), daemon=True).start()
                threading.Thread(target=self._down, args=(client, server, cut), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                if _COMMIT in data and self._takes_one():
                    cut.set()
                server.sendall(data)
        self._end(client, server)

    def _down(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65_536):
                if cut.is_set():  # PostgreSQL answered, so it has committed
                    self.dropped += 1
                    break
                client.sendall(data)
        self._end(client, server)

    def _takes_one(self) -> bool:
        with self._lock:
            self._to_drop -= 1
            return self._to_drop >= 0

    @staticmethod
    def _end(*ends: socket.socket) -> None:
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def between() -> Iterator[CommitProxy]:
    """A proxy between us and the database for the time of the block."""
    where = connection.settings_dict
    former = {name: where[name] for name in ("HOST", "PORT")}
    proxy = CommitProxy((former["HOST"] or "127.0.0.1", int(former["PORT"] or 5432)))
    reconnect(HOST="127.0.0.1", PORT=proxy.port)
    try:
        yield proxy
    finally:
        reconnect(**former)
        proxy.close()


def reconnect(**where: object) -> None:
    """Leave every connection and connect anew, to another place where one is given."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # only the PostgreSQL wrapper has it, and we have no other
    connection.settings_dict.update(where)
