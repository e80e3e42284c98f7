"""Stripe Connect: the expert has an account of his own at Stripe, and is paid when the money leaves it for his bank.

A payout of ours is two movements there, found again by our attempt's key:

1. a **transfer** from the platform's balance to the expert's account, under the key itself and with it as
   ``transfer_group``: this is what `submit` asks for, and what makes an order accepted;
2. a **payout** of that account to the expert's bank, under ``<key>-payout``: `lookup` makes it once the transfer stands.

Paid is what Stripe calls a paid payout. A payout that is refused or fails, at once or days later, is taken back: the
transfer is reversed, and only then is the order failed, since until then the money lies where only that order may use it.

Stripe cannot bar a key, but a key once used for another kind of request is good for nothing else: `cancel` spends it on a
token that means nothing. Stripe forgets keys after a day or more, transfers never: what it lists is the proof.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final

import stripe
import structlog
from django.conf import settings

from payments.providers import stripe_client
from payments.providers.port import (
    Answer,
    Capability,
    InvalidSignature,
    Movement,
    OnboardingLink,
    Order,
    Payee,
    PayeeStanding,
    ProviderEvent,
    Settled,
    Standing,
    Verdict,
)
from payments.providers.stripe_client import client, code_of, unavailable
from payments.providers.stripe_movements import KEY, Payouts, Thing, advance, key_of

PAGE: Final = 100
_NOTHING: Final[Any] = {"pii": {"id_number": "000000000"}}
_MANUAL: Final = "manual"
_ABOUT_ACCOUNTS: Final = ("account.", "capability.")
_ABOUT_MONEY: Final = ("transfer.", "payout.")
log = structlog.get_logger(__name__)


class StripeConnectProvider:
    """See the module."""

    name: ClassVar[str] = "stripe_connect"
    method_types: ClassVar[frozenset[str]] = frozenset({"stripe_account"})
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.EVENTS, Capability.ACCOUNTS})
    key_window: ClassVar[dt.timedelta] = dt.timedelta(hours=24)
    quiet: ClassVar[dt.timedelta] = dt.timedelta(minutes=15)
    asked_together: ClassVar[int] = 1

    def takes(self, currency: str) -> bool:
        """Those whose amounts mean there what they mean here."""
        return currency not in stripe_client.COUNTED_OTHERWISE

    def submit(self, orders: Sequence[Order], *, now: dt.datetime) -> list[Answer]:
        """Ask for the transfers."""
        return [_transfer(order) for order in orders]

    def lookup(self, keys: Iterable[str], *, now: dt.datetime) -> dict[str, Movement]:
        """What became of the transfers, after the next step of each was taken."""
        found = ((key, _find(key)) for key in keys)
        return {key: advance(transfer, now=now) for key, transfer in found if transfer is not None}

    def cancel(self, key: str, *, now: dt.datetime) -> Movement:
        """Spend the key, unless it has moved money already."""
        if transfer := _find(key):
            return advance(transfer, now=now)
        try:
            client().v1.tokens.create(_NOTHING, {"idempotency_key": key})
        except stripe.IdempotencyError:
            pass  # it was used for a transfer that failed: what Stripe answers to it from now on is that failure
        except stripe.StripeError as error:
            raise unavailable(error) from error
        if transfer := _find(key):
            return advance(transfer, now=now)
        return Movement(key, Standing.CANCELLED, "", 0, "", code="cancelled")

    def settlements(self, *, since: dt.datetime, now: dt.datetime, after: str = "") -> list[Settled]:
        """Transfers since then, the newest first, by the platform's balance transactions, with what Stripe took for each.

        The list tells of transfers alone: whether the bank was paid is asked of the expert's account. Transfers that were
        made by hand have no key: reconciliation finds them in the balance.
        """
        payouts = Payouts(since=int(since.timestamp()))
        return [
            Settled(
                line["id"],
                key_of(line["source"]),
                partial(advance, line["source"], now=now, fee_minor=line["fee"], payouts=payouts),
            )
            for line in _balance_lines(since, after)
        ]

    def parse_event(self, raw: bytes, headers: Mapping[str, str], *, now: dt.datetime) -> list[ProviderEvent]:
        """One event, signed by one of the endpoint's secrets within the last five minutes of real time."""
        _verify(raw, headers.get("Stripe-Signature") or headers.get("stripe-signature"))
        try:
            event = json.loads(raw)
            return [_event(event)]
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidSignature(f"Signed, but no event of Stripe's: {error!r}") from None

    def open_account(self, payee: Payee) -> str:
        """An Express account whose balance moves only when we say so."""
        params: Any = {
            "type": "express",
            "country": payee.country,
            "email": payee.email,
            "business_type": "individual",
            "default_currency": payee.currency.lower(),
            "capabilities": {"transfers": {"requested": True}},
            "settings": {"payouts": {"schedule": {"interval": _MANUAL}}},
            "metadata": {"cadre_payee": payee.reference},
        }
        try:
            return client().v1.accounts.create(params, {"idempotency_key": f"{payee.reference}-account"}).id
        except stripe.StripeError as error:
            raise stripe_client.about_account(error) from error

    def onboarding_link(self, account: str, *, return_url: str, refresh_url: str) -> OnboardingLink:
        """Stripe's own pages, where the expert says who he is and where his bank account is."""
        params: Any = {
            "account": account,
            "type": "account_onboarding",
            "return_url": return_url,
            "refresh_url": refresh_url,
            "collect": "eventually_due",
        }
        try:
            link = client().v1.account_links.create(params)
        except stripe.StripeError as error:
            raise stripe_client.about_account(error) from error
        return OnboardingLink(link.url, dt.datetime.fromtimestamp(link.expires_at, dt.UTC))

    def payee_standing(self, account: str) -> PayeeStanding:
        """Ready when Stripe pays out, takes transfers, and does neither by itself."""
        try:
            found = client().v1.accounts.retrieve(account).to_dict()
        except stripe.StripeError as error:
            if stripe_client.is_gone(error):
                return PayeeStanding(account, is_ready=False, code=code_of(error), is_closed=True)
            raise unavailable(error) from error
        requirements = found.get("requirements") or {}
        due = [*(requirements.get("past_due") or []), *(requirements.get("currently_due") or [])]
        takes = (found.get("capabilities") or {}).get("transfers") == "active"
        is_manual = found["settings"]["payouts"]["schedule"]["interval"] == _MANUAL
        code = requirements.get("disabled_reason") or ("" if is_manual else "payouts_not_manual")
        return PayeeStanding(
            account,
            is_ready=bool(found["payouts_enabled"]) and takes and is_manual,
            due=tuple(dict.fromkeys(due)),
            code=str(code),
        )


def _transfer(order: Order) -> Answer:
    if order.currency in stripe_client.COUNTED_OTHERWISE:
        return Answer(order.key, Verdict.REJECTED, code="currency_not_served")
    params: Any = {
        "amount": order.amount_minor,
        "currency": order.currency.lower(),
        "destination": order.details["account"],
        "transfer_group": order.key,
        "metadata": {KEY: order.key, "cadre_payout": order.reference, "cadre_request": order.request_hash},
    }
    try:
        made = client().v1.transfers.create(params, {"idempotency_key": order.key})
    except stripe.StripeError as error:
        return stripe_client.answer_of(order.key, error)
    return Answer(order.key, Verdict.ACCEPTED, movement_id=made.id)


def _find(key: str) -> Thing | None:
    """The transfer of a key. Raises ProviderUnavailable."""
    try:
        listed = client().v1.transfers.list({"transfer_group": key, "limit": PAGE})
    except stripe.StripeError as error:
        raise unavailable(error) from error
    mine: list[Thing] = [transfer.to_dict() for transfer in listed.data]
    mine = [transfer for transfer in mine if key_of(transfer) == key]
    if len(mine) > 1:
        log.error("stripe_moved_twice", key=key, transfers=[transfer["id"] for transfer in mine])
    return mine[-1] if mine else None  # newest first: the first one made is the one we know


def _balance_lines(since: dt.datetime, after: str) -> list[Thing]:
    """A page of the platform's balance about transfers, each line with its transfer. Raises ProviderUnavailable."""
    params: Any = {
        "type": "transfer",
        "created": {"gte": int(since.timestamp())},
        "limit": PAGE,
        "expand": ["data.source"],
    } | ({"starting_after": after} if after else {})
    try:
        return [line.to_dict() for line in client().v1.balance_transactions.list(params).data]
    except stripe.StripeError as error:
        raise unavailable(error) from error


def _verify(raw: bytes, header: str | None) -> None:
    """Raises InvalidSignature unless one of the secrets signed these bytes lately."""
    reason = "STRIPE_WEBHOOK_SECRETS is not set."
    for secret in settings.STRIPE_WEBHOOK_SECRETS:
        try:
            stripe.WebhookSignature.verify_header(raw, header, secret, stripe.Webhook.DEFAULT_TOLERANCE)
        except stripe.SignatureVerificationError as error:
            reason = error.user_message or "SignatureVerificationError"
        except UnicodeDecodeError:
            reason = "The body is not UTF-8."
        else:
            return
    raise InvalidSignature(reason)


def _event(event: Mapping[str, Any]) -> ProviderEvent:
    """An event as a hint: what to ask about. Money that carries no key of ours is named by its own id, which nobody
    here knows, so that a person looks at it."""
    kind, about = str(event["type"]), event["data"]["object"]
    if bool(event.get("livemode")) is not stripe_client.is_live():
        log.warning("stripe_event_of_other_mode", event_id=event["id"], kind=kind)
        return ProviderEvent(event["id"], kind)  # live endpoints of platforms hear of test accounts too
    if kind.startswith(_ABOUT_MONEY):
        return ProviderEvent(event["id"], kind, keys=(key_of(about) or about["id"],))
    if kind.startswith(_ABOUT_ACCOUNTS):
        return ProviderEvent(
            event["id"], kind, account=str(event.get("account") or about.get("account") or about["id"])
        )
    return ProviderEvent(event["id"], kind)
