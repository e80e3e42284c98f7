"""The two movements of a payout at Stripe, and the step that comes next.

Everything is read from Stripe's own books, so whoever died between two steps leaves nothing behind that the next look
does not find.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import stripe
import structlog

from payments.providers.port import Movement, Standing
from payments.providers.stripe_client import client, code_of, is_refusal

KEY: Final = "cadre_key"
"""The metadata by which our attempt's key is found on everything that belongs to it."""
PAGE: Final = 100
_WAITING: Final = frozenset({"balance_insufficient", "payouts_limit_exceeded"})
"""Refusals of a payout that pass: the transfer is not available yet, or the account's daily limit is reached."""
log = structlog.get_logger(__name__)


Thing = Mapping[str, Any]
"""One of Stripe's objects, as plain values."""


def key_of(thing: Thing) -> str:
    """The key of our attempt that a transfer or payout belongs to; "" when it is none of ours."""
    return str((thing.get("metadata") or {}).get(KEY, ""))


class Payouts:
    """Payouts of experts' accounts, each account read once: what was paid out since a timestamp, at least."""

    def __init__(self, *, since: int) -> None:
        self._since = since
        self._read: dict[str, list[Thing]] = {}

    def of(self, account: str) -> list[Thing]:
        """Newest first. Raises StripeError."""
        if account not in self._read:
            params: Any = {"created": {"gte": self._since}, "limit": PAGE}
            listed = client().v1.payouts.list(params, {"stripe_account": account})
            self._read[account] = [payout.to_dict() for payout in listed.auto_paging_iter()]
        return self._read[account]


def advance(transfer: Thing, *, now: dt.datetime, fee_minor: int = 0, payouts: Payouts | None = None) -> Movement:
    """Take the next step, if there is one, and say where the order stands.

    When the step cannot be taken now the order stays accepted, and the next look tries again.
    """
    payouts = payouts or Payouts(since=transfer["created"])
    standing, code = Standing.ACCEPTED, ""
    try:
        standing, code = _failed(transfer) if transfer["reversed"] else _pay_out(transfer, payouts, now)
    except stripe.StripeError as error:
        log.warning("stripe_step_waits", key=key_of(transfer), code=code_of(error), request_id=error.request_id)
    return Movement(
        key=key_of(transfer),
        standing=standing,
        movement_id=transfer["id"],
        amount_minor=transfer["amount"],
        currency=transfer["currency"].upper(),
        code=code,
        fee_minor=fee_minor,
    )


def _pay_out(transfer: Thing, payouts: Payouts, now: dt.datetime) -> tuple[Standing, str]:
    """Where the payout to the bank stands; it is asked for when it was not yet."""
    mine = [payout for payout in payouts.of(transfer["destination"]) if key_of(payout) == key_of(transfer)]
    if not mine:
        try:
            mine = [_ask_for_payout(transfer)]
        except stripe.StripeError as error:
            if not is_refusal(error) or code_of(error) in _WAITING:
                raise
            return _take_back(transfer, code_of(error), now)
    payout = mine[0]
    if payout["status"] in {"failed", "canceled"}:
        return _take_back(transfer, payout["failure_code"] or payout["status"], now)
    return (Standing.PAID if payout["status"] == "paid" else Standing.IN_TRANSIT), ""


def _ask_for_payout(transfer: Thing) -> Thing:
    params: Any = {
        "amount": transfer["amount"],
        "currency": transfer["currency"],
        "metadata": {**transfer["metadata"], "cadre_transfer": transfer["id"]},
    }
    options: Any = {"idempotency_key": f"{key_of(transfer)}-payout", "stripe_account": transfer["destination"]}
    return client().v1.payouts.create(params, options).to_dict()


def _take_back(transfer: Thing, code: str, now: dt.datetime) -> tuple[Standing, str]:
    """Reverse the transfer. Raises StripeError while that is not possible: the order must not fail before.

    Stripe reverses a transfer as a whole once, whatever the key; the hour in the key lets a refusal, which is remembered
    under its key for a day, be tried again.
    """
    params: Any = {"amount": transfer["amount"], "metadata": {KEY: key_of(transfer), "cadre_code": code}}
    options: Any = {"idempotency_key": f"{key_of(transfer)}-reversal-{now:%Y%m%d%H}"}
    client().v1.transfers.reversals.create(transfer["id"], params, options)
    return Standing.FAILED, code


def _failed(transfer: Thing) -> tuple[Standing, str]:
    reversals = (transfer.get("reversals") or {}).get("data") or []
    code = (reversals[0].get("metadata") or {}).get("cadre_code", "") if reversals else ""
    return Standing.FAILED, code or "reversed"
