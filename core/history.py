"""Every change of a domain row leaves a history row: what, old, new, who, when, why.

``@history.tracked()`` gives a model its append-only event table, filled by guarded triggers, so that bulk updates, SQL
and the admin are seen as well as ``save()``. The actor and the reason come from the unit of work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import pghistory
from django.db import models

from core import guards

M = TypeVar("M", bound=models.Model)


def tracked(*, exclude: Sequence[str] = ()) -> Callable[[type[M]], type[M]]:
    """Track every insert, update and delete of a model, except in the fields ``exclude`` (secrets, counters)."""

    def decorate(model: type[M]) -> type[M]:
        track = pghistory.track(
            guards.Inserted(),
            guards.Updated(),
            guards.Deleted(),
            exclude=list(exclude) or None,
            meta={"triggers": [guards.Refuse(name="append_only")]},
        )
        decorated: type[M] = track(model)
        return decorated

    return decorate
