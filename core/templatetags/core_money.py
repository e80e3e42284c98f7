"""One way to show money in a page."""

from __future__ import annotations

from babel.numbers import format_currency
from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, to_locale

from core.money import Money

register = template.Library()


def money_text(value: Money) -> str:
    """The amount in the reader's language, as plain text."""
    return str(format_currency(value.decimal, value.currency, locale=to_locale(get_language() or "en")))


@register.simple_tag
def money(value: Money | None) -> SafeString | str:
    """The amount in the reader's language, never reordered by the right-to-left text around it."""
    if value is None:
        return "–"
    return format_html('<bdi dir="ltr">{}</bdi>', money_text(value))
