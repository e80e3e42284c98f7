"""Query parameters that lists of every floor share."""

from __future__ import annotations

from rest_framework import serializers

from core.api.fields import InstantField


class CreatedFilters(serializers.Serializer[None]):
    """When the thing was made; what is validated is what a QuerySet filters by."""

    created_after = InstantField(required=False, source="created_at__gte", help_text="Made then or later.")
    created_before = InstantField(required=False, source="created_at__lt", help_text="Made earlier than then.")
