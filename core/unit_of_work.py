"""One edge call, one unit of work: transaction, tenant scope and history context are one thing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pghistory
from django.db import connection, transaction

from core import scope
from core.principal import Principal


@contextmanager
def unit_of_work(principal: Principal, *, reason: str = "") -> Iterator[None]:
    """Open a transaction in which ``principal`` acts: for jobs, commands and scripts (HTTP edges have their own).

    The history context is entered first: the other way round the rows would keep the former actor.
    """
    details = {"actor": principal.label} | ({"reason": reason} if reason else {})
    nested = connection.in_atomic_block
    with pghistory.context(**details), transaction.atomic():
        if nested:
            with scope.restored():
                scope.bind(principal)
                yield
        else:
            scope.bind(principal)
            yield
