"""Filters of the desk's lists by week, month and day that ask the calendar, and never the table, what there is to choose.

Django's own drill-down begins with the first and the last date of the whole table, and a filter by week with all its
weeks: on a journal both read every row for every page.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core import clock
from core.confirming import Text

MONTHS, WEEKS = 24, 26
"""So many the filters offer; an address may name any other."""
_DAY = dt.timedelta(days=1)
_PERIOD = re.compile(r"(\d{4})-(?:W(\d\d)|(\d\d)(?:-(\d\d))?)", re.ASCII)


def span_of(text: str) -> tuple[dt.date, dt.date]:
    """First day, and first day after: of "2026-11", "2026-11-16" or "2026-W47". Raises ValueError, OverflowError."""
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise ValueError("No month, day or week.")
    year, week, month, day = (None if part is None else int(part) for part in match.groups())
    if week is not None:
        monday = dt.date.fromisocalendar(year or 0, week, 1)
        return monday, monday + 7 * _DAY
    first = dt.date(year or 0, month or 0, day or 1)
    return first, first + _DAY if day is not None else _next_month(first)


def _next_month(first: dt.date) -> dt.date:
    return (first + 31 * _DAY).replace(day=1)


def _week(day: dt.date) -> str:
    year, week, _weekday = day.isocalendar()
    return f"{year:04}-W{week:02}"


class PeriodFilter(admin.SimpleListFilter):
    """A month, then a day of it; or a week. ``field`` holds days, or instants that are read as UTC."""

    field: ClassVar[str]
    by_week: ClassVar[bool] = False

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The latest first, and the days of the month that is chosen."""
        today = clock.now().date()
        if self.by_week:
            weeks = [_week(today - n * 7 * _DAY) for n in range(WEEKS)]
            return [(week, week) for week in weeks]
        newest = today.year * 12 + today.month - 1
        months = [f"{n // 12:04}-{n % 12 + 1:02}" for n in range(newest, newest - MONTHS, -1)]
        return [choice for month in months for choice in ((month, month), *self._days(month))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """The rows of the period, found by two bounds, as an index wants it."""
        chosen = self.value()
        if not chosen:
            return queryset
        try:
            first, after = span_of(chosen)
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(str(error)) from error
        return queryset.filter(**self.bounds(queryset.model, first, after))

    def bounds(self, model: type[models.Model], first: dt.date, after: dt.date) -> dict[str, Any]:
        """What to filter by."""
        if not _holds_instants(model, self.field):
            return {f"{self.field}__gte": first, f"{self.field}__lt": after}
        start, end = (dt.datetime.combine(day, dt.time(), dt.UTC) for day in (first, after))
        return {f"{self.field}__gte": start, f"{self.field}__lt": end}

    def _days(self, month: str) -> list[tuple[str, str]]:
        if not (self.value() or "").startswith(month):
            return []
        first, after = span_of(month)
        days = [first + n * _DAY for n in range((after - first).days)]
        return [(f"{day}", f"– {day}") for day in days]


def _holds_instants(model: type[models.Model], path: str) -> bool:
    """Whether the field at the end of a path holds instants rather than days."""
    options, field = model._meta, None
    for name in path.split("__"):
        field = options.get_field(name)
        options = field.related_model._meta if isinstance(field.related_model, type) else options
    if field is None:
        raise FieldDoesNotExist(path)
    return isinstance(field, models.DateTimeField)


def periods(field: str, title: Text, *, name: str = "period", by_week: bool = False) -> type[PeriodFilter]:
    """A filter for ``list_filter`` over a field: by month and day, or by week. ``name`` is its parameter in addresses."""
    return type(
        "PeriodOf" + field.title().replace("_", ""),
        (PeriodFilter,),
        {"field": field, "title": title, "parameter_name": name, "by_week": by_week},
    )


class WeekFilter(PeriodFilter):
    """A week that is kept by its name, such as 2026-W47."""

    title = _("week")
    parameter_name = "week"
    field = "iso_week"
    by_week = True

    def bounds(self, model: type[models.Model], first: dt.date, after: dt.date) -> dict[str, Any]:
        """By its name."""
        return {self.field: _week(first)}
