"""Query parameters that lists of money share."""

from __future__ import annotations

from core.api.fields import CurrencyField
from core.api.filters import CreatedFilters


class MoneyFilters(CreatedFilters):
    """When it was made, and in which currency."""

    currency = CurrencyField(required=False)


class ExchangedFilters(CreatedFilters):
    """When it was made, and from which currency into which."""

    sell = CurrencyField(required=False, source="quote__sell")
    buy = CurrencyField(required=False, source="quote__buy")
