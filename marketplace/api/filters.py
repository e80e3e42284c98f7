"""How query parameters narrow a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)

_SHARED: Final = {name: name for name in ("created_at__gte", "created_at__lt")}
"""What `CreatedFilters` validates to."""


def narrowed(rows: QuerySet[M], query: Mapping[str, Any], **paths: str) -> QuerySet[M]:
    """``rows`` with the given parameters applied; ``paths`` says which look-up each one means."""
    known = {**_SHARED, **paths}
    return rows.filter(**{known[name]: value for name, value in query.items() if name in known})
