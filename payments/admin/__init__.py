"""Hours and money on the operators' desk: queues to work off; everything that was settled only to look at."""

from __future__ import annotations

from payments.admin import (
    adjustments,
    bank,
    bank_messages,
    books,
    credit,
    dashboard,
    disputes,
    exchange,
    floors,
    funding,
    hours,
    invoices,
    pay_calendar,
    pay_runs,
    payees,
    payouts,
    promises,
    providers,
    reconciliation,
    tax,
)

__all__ = [
    "adjustments",
    "bank",
    "bank_messages",
    "books",
    "credit",
    "dashboard",
    "disputes",
    "exchange",
    "floors",
    "funding",
    "hours",
    "invoices",
    "pay_calendar",
    "pay_runs",
    "payees",
    "payouts",
    "promises",
    "providers",
    "reconciliation",
    "tax",
]
