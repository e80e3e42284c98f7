"""Query parameters that several lists share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework import serializers

from core.api.fields import InstantField

M = TypeVar("M", bound=Model)


class CreatedFilters(serializers.Serializer[None]):
    """When the thing was made."""

    created_after = InstantField(required=False)
    created_before = InstantField(required=False)


def narrowed(rows: QuerySet[M], query: Mapping[str, Any], **paths: str) -> QuerySet[M]:
    """``rows`` with the given parameters applied; ``paths`` says which look-up each one means."""
    known = {"created_after": "created_at__gte", "created_before": "created_at__lt", **paths}
    return rows.filter(**{known[name]: value for name, value in query.items() if name in known})
