"""How the desk writes what a row keeps as bare numbers: amounts with their currency, times as people write them.

A model's field of minor units, seconds, basis points or a period of time becomes a column of the same name, so every list
and page says it alike; and one whose name is no word that people use gets a heading that is. Others stay what they are.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache
from typing import Any, Final

from django.contrib import admin
from django.contrib.postgres.fields import DateTimeRangeField
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from core.durations import format_clock
from core.money import Money

NOTHING: Final = "–"
MINUTE: Final = "%Y-%m-%d %H:%M"
TIME: Final = _("time")
HEADINGS: Final = {
    "public_id": _("ID"),
    "source_id": _("caused by"),
    "seq": _("no."),
    "iso_week": _("week"),
    "local_day": _("day"),
    "line_count": _("people"),
    "pays_on": _("payday"),
    "masked": _("account"),
    "masked_tax_id": _("tax number"),
    "vat_id": _("VAT id"),
    "vat_confirmed_at": _("VAT id confirmed"),
    "end_to_end_id": _("order"),
    "idem_key": _("key at the provider"),
    "sha256": _("SHA-256"),
}
"""What fields are called whose names are for programs."""
RELATIONS: Final = {"tenant": _("lab")}


def worded(model: type[models.Model], names: Iterable[Any]) -> list[Any]:
    """The same names, with a column for each field that is a bare number."""
    return [_column(model, name) if isinstance(name, str) else name for name in names]


def listed(model: type[models.Model], names: Iterable[Any]) -> list[Any]:
    """As ``worded``, for the columns of a list: of a page's fields, relations stay links."""
    return [_called(name) if name in RELATIONS else name for name in worded(model, names)]


def signed_clock(seconds: int) -> str:
    """`6:40`, `-0:10`."""
    return f"{'-' if seconds < 0 else ''}{format_clock(abs(seconds))}"


@cache  # Django compares what a page shows with what may not be edited: it must be the same column
def _column(model: type[models.Model], name: str) -> Any:
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return name
    write = _writer(field)
    if write is None:
        return _called(name) if name in HEADINGS else name

    @admin.display(description=lazy(_label, str)(field), ordering=name, empty_value=NOTHING)
    def column(row: models.Model) -> str:
        value = getattr(row, name)
        return NOTHING if value is None else write(row, value)

    # By its name a page finds the help of the field, which is no help where it tells the unit that is gone.
    is_about_the_unit = any(
        unit in str(getattr(field, "help_text", "")).lower() for unit in ("minor unit", "basis point")
    )
    column.__name__ = f"{name}_in_words" if is_about_the_unit else name
    return column


@cache
def _called(name: str) -> Any:
    """The same value under a heading of its own."""

    @admin.display(description=HEADINGS.get(name) or RELATIONS[name], ordering=name, empty_value=NOTHING)
    def column(row: models.Model) -> Any:
        return getattr(row, name)

    column.__name__ = name
    return column


def _writer(field: Any) -> Callable[[Any, Any], str] | None:
    if isinstance(field, DateTimeRangeField):
        return _period
    if isinstance(field, models.IntegerField):
        return next((write for ending, write in _ENDINGS.items() if field.name.endswith(ending)), None)
    return None


def _label(field: Any) -> str:
    """Without the unit, which stands with the figure now."""
    label = str(field.verbose_name)
    for unit in (" minor", " seconds", " bp", " (bp)", " (s)"):
        label = label.removesuffix(unit)
    return str(TIME) if label == "seconds" else label


def _money(row: Any, minor: int) -> str:
    currency = getattr(row, "currency", "") or getattr(getattr(row, "run", None), "currency", "")
    return str(Money(minor, currency)) if currency else str(minor)


def _share(_row: Any, basis_points: int) -> str:
    return f"{Decimal(basis_points) / 100:f} %"


def _period(_row: Any, period: Any) -> str:
    ends = [f"{end.astimezone(dt.UTC):{MINUTE}} UTC" if end else "…" for end in (period.lower, period.upper)]
    return " – ".join(ends)


_ENDINGS: Final[dict[str, Callable[[Any, Any], str]]] = {
    "_minor": _money,
    "seconds": lambda _row, seconds: signed_clock(seconds),
    "_bp": _share,
}
