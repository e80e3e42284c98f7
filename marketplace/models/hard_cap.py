"""The most an hour may cost, kept by PostgreSQL: a table of currencies as a CHECK."""

from __future__ import annotations

import operator
from functools import reduce

from django.db import models
from django.db.models import Q

from marketplace.rates import HARD_CAPS


def at_most_the_hard_cap(amount: str, *, name: str) -> models.CheckConstraint:
    """Refuse a row whose ``amount`` (minor units an hour) is over the cap of its ``currency``, or whose currency has none."""
    caps = (Q(currency=currency, **{f"{amount}__lte": cap}) for currency, cap in HARD_CAPS.items())
    return models.CheckConstraint(condition=reduce(operator.or_, caps), name=name)
