"""What a page that asks tells about a row: the columns of its list, each with its heading, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.contrib.admin.utils import display_for_field, display_for_value, label_for_field, lookup_field
from django.db import models
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from core.row_words import NOTHING, worded

Fact = tuple[str, str]
EMPTY: Final = frozenset({"", NOTHING})


def facts_of(model_admin: Any, request: HttpRequest, row: models.Model, *, but: Sequence[str] = ()) -> list[Fact]:
    """Headings and values of the list's columns, and of ``asked_with``, without the empty ones.

    What stands in ``but`` has been said already, and is left out where it comes first.
    """
    more = worded(model_admin.model, model_admin.asked_with)
    columns = dict.fromkeys([*model_admin.get_list_display(request), *more])
    said = list(but)
    told = []
    for heading, value in _told(model_admin, columns, row):
        if value in said:
            said.remove(value)
        elif value not in EMPTY:
            told.append((heading, value))
    return told


def _told(model_admin: Any, columns: Any, row: models.Model) -> Iterator[Fact]:
    for column in columns:
        # A column without a heading is a link to another page.
        if heading := str(label_for_field(column, model_admin.model, model_admin)):
            yield str(capfirst(heading)), _value(model_admin, column, row)


def _value(model_admin: Any, column: Any, row: models.Model) -> str:
    field, attribute, value = lookup_field(column, row, model_admin)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if field is None:
        return str(display_for_value(value, getattr(attribute, "empty_value_display", NOTHING)))
    return str(display_for_field(value, field, NOTHING))
