"""Finding the one thing that a path or a body names."""

from __future__ import annotations

import re
from typing import Final, TypeVar

from django.db.models import Model, QuerySet

from core.problems import NotFound

M = TypeVar("M", bound=Model)

# Checked before any query: a text that cannot be an id has no business in the database.
_PUBLIC_ID: Final = re.compile(r"[a-z]{2,8}_[0-9a-z]{26}", re.ASCII)


def get_or_404(queryset: QuerySet[M], public_id: str, *, field: str = "public_id") -> M:
    """The one row of an already gated queryset with this public id.

    Raises NotFound with the same words for an id that does not exist and for one that belongs to somebody else.
    """
    if not _PUBLIC_ID.fullmatch(public_id):
        raise NotFound
    found = queryset.filter(**{field: public_id}).first()
    if found is None:
        raise NotFound
    return found
