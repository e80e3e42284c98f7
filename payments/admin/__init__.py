"""Hours and money on the operators' desk: queues to work off; everything that was settled only to look at."""

from __future__ import annotations

from payments.admin import (
    adjustments,
    books,
    credit,
    dashboard,
    exchange,
    floors,
    funding,
    hours,
    invoices,
    pay_runs,
    payees,
    payouts,
    providers,
    tax,
)

__all__ = [
    "adjustments",
    "books",
    "credit",
    "dashboard",
    "exchange",
    "floors",
    "funding",
    "hours",
    "invoices",
    "pay_runs",
    "payees",
    "payouts",
    "providers",
    "tax",
]
