"""Swap the log-in role of the one database connection: the owner migrates, the application works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection


@contextmanager
def as_owner() -> Iterator[None]:
    """Reconnect as the owner of the schema for the time of the block.

    A second database alias would be simpler and wrong: the history context hooks into the default alias only, and
    tests would make two databases.
    """
    former = {name: connection.settings_dict[name] for name in ("USER", "PASSWORD", "OPTIONS")}
    options = {name: value for name, value in former["OPTIONS"].items() if name != "pool"}
    _reconnect({**settings.DATABASE_OWNER, "OPTIONS": options})
    try:
        yield
    finally:
        _reconnect(former)


def _reconnect(login: dict[str, object]) -> None:
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # only the PostgreSQL wrapper has it, and we have no other
    connection.settings_dict.update(login)
