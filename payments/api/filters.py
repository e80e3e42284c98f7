"""Query parameters that lists of money share."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from core.api.fields import CurrencyField
from core.api.filters import CreatedFilters
from payments import timekeeping


def _exists(week: str) -> None:
    """Raise ValidationError for week 53 of a year with 52; what is no week at all is told by its form."""
    number = week.rpartition("-W")[2]
    try:
        timekeeping.week_bounds(week, "UTC")
    except (ValueError, OverflowError):
        if number.isdecimal() and len(week) == 8:
            raise serializers.ValidationError(_("That year has no such week."), code="no_such_week") from None


class WeekField(serializers.RegexField):
    """An ISO week that there is."""

    default_error_messages = {"invalid": _('A week is written "2026-W47", by ISO 8601.')}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(r"^\d{4}-W\d{2}$", **kwargs)
        self.validators.append(_exists)


class MoneyFilters(CreatedFilters):
    """When it was made, and in which currency."""

    currency = CurrencyField(required=False)


class ExchangedFilters(CreatedFilters):
    """When it was made, and from which currency into which."""

    sell = CurrencyField(required=False, source="quote__sell")
    buy = CurrencyField(required=False, source="quote__buy")
