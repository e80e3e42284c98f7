"""State machines as tables: which status may follow which, checked in one place.

A model declares `Status` (TextChoices) and beside it the table, as a class attribute or in the same module:

    TRANSITIONS: ClassVar[Transitions] = {Status.DRAFT: {Status.SENT}, Status.SENT: {Status.PAID}, Status.PAID: set()}

For a second state field `review`, the table is called `REVIEW_TRANSITIONS`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TypeAlias, cast

from django.db import models
from django.utils.translation import gettext as _

from core.problems import InvalidTransition

Transitions: TypeAlias = Mapping[str, AbstractSet[str]]

__all__ = [
    "InvalidTransition",
    "Transitions",
    "allowed",
    "can_move",
    "move",
    "table_of",
]


def table_of(model: type[models.Model], *, field: str = "status") -> Transitions:
    """The transition table that `model` declares for `field`."""
    name = "TRANSITIONS" if field == "status" else f"{field.upper()}_TRANSITIONS"
    table = getattr(model, name, None)
    if table is None:
        table = getattr(sys.modules[model.__module__], name, None)
    if table is None:
        raise LookupError(f"{model.__qualname__} declares no {name}")
    return cast(Transitions, table)


def allowed(obj: models.Model, *, field: str = "status") -> list[str]:
    """The states that can follow the object's current one, sorted; empty for a final state."""
    current: str = getattr(obj, field)
    return sorted(str(state) for state in table_of(type(obj), field=field).get(current, ()))


def can_move(obj: models.Model, to: str, *, field: str = "status") -> bool:
    """Whether the table has an arrow from the object's current state to `to`."""
    return str(to) in allowed(obj, field=field)


def move(obj: models.Model, to: str, *, field: str = "status") -> None:
    """Assign the new state if the table has the arrow, else raise InvalidTransition. Does not save."""
    following = allowed(obj, field=field)
    current: str = getattr(obj, field)
    if str(to) not in following:
        detail = _("This %(noun)s is %(current)s and cannot become %(to)s.") % {
            "noun": obj._meta.verbose_name,
            "current": str(current),
            "to": str(to),
        }
        raise InvalidTransition(detail, current_state=str(current), allowed_transitions=following)
    setattr(obj, field, to)
