"""How we speak with Stripe: one client, its time limits, and what its refusals prove.

The client retries nothing by itself: what may be repeated, and under which key, is our own decision.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import stripe
import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from payments.providers.port import Answer, ProviderUnavailable, Refused, Verdict

API_VERSION: Final = "2023-08-16"
"""Stripe serves every version for good; ours is the one whose published description all our requests are tested with."""

COUNTED_OTHERWISE: Final = frozenset({"BHD", "HUF", "ISK", "JOD", "KWD", "MGA", "OMR", "TND", "TWD", "UGX"})
"""Currencies whose amounts Stripe counts in other units or steps than ISO 4217 (https://docs.stripe.com/currencies,
zero-decimal and special cases): an amount of ours would be a hundredth of itself there, or refused."""

CONNECT_SECONDS: Final = 5.0
_GONE: Final = frozenset({"account_invalid", "resource_missing"})
log = structlog.get_logger(__name__)


class _Requests(stripe.RequestsClient):
    """Stripe's own, which takes the end of a worker's time for a broken connection, and would let it work on."""

    def request(self, *args: Any, **options: Any) -> Any:
        """Raises SoftTimeLimitExceeded as such."""
        try:
            return super().request(*args, **options)
        except stripe.APIConnectionError as error:
            if isinstance(error.__cause__, SoftTimeLimitExceeded):
                raise error.__cause__ from None
            raise


def client() -> stripe.StripeClient:
    """The client for the configured key and address. Raises ProviderUnavailable when no key is configured."""
    if not settings.STRIPE_API_KEY:
        raise ProviderUnavailable("STRIPE_API_KEY is not set.")
    return _client(settings.STRIPE_API_KEY, settings.STRIPE_API_BASE, settings.STRIPE_TIMEOUT_SECONDS)


def is_live() -> bool:
    """Whether the key moves real money: Stripe's test mode has accounts, events and keys of its own."""
    return settings.STRIPE_API_KEY.startswith(("sk_live_", "rk_live_"))


@lru_cache(maxsize=4)
def _client(key: str, base: str, seconds: float) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": base},
        max_network_retries=0,
        http_client=_Requests(timeout=(CONNECT_SECONDS, seconds)),
    )


def code_of(error: stripe.StripeError) -> str:
    """Stripe's word for what went wrong: the code, or the kind of error."""
    body = error.json_body if isinstance(error.json_body, dict) else {}
    told = body.get("error")
    found = told.get("code") or told.get("type") if isinstance(told, dict) else ""
    return str(error.code or found or type(error).__name__)


def answer_of(key: str, error: stripe.StripeError) -> Answer:
    """What an error proves about an order: refused, not now, or nothing at all."""
    code, detail = code_of(error), error.user_message or ""
    if isinstance(error, stripe.IdempotencyError):
        log.error("stripe_key_mismatch", key=key, request_id=error.request_id)
        return Answer(key, Verdict.UNKNOWN, code="key_mismatch", detail="The key was used for another request.")
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        log.error("stripe_refuses_us", key=key, code=code, request_id=error.request_id)
        return Answer(key, Verdict.LATER, code=code, detail=detail)
    if isinstance(error, stripe.RateLimitError) or error.http_status == 409:
        return Answer(key, Verdict.LATER, code=code, detail=detail)
    if isinstance(error, stripe.CardError | stripe.InvalidRequestError):
        return Answer(key, Verdict.REJECTED, code=code, detail=detail)
    return Answer(key, Verdict.UNKNOWN, code=code, detail=detail)  # 5xx, silence: it may have been executed


def is_refusal(error: stripe.StripeError) -> bool:
    """Whether it is proven that the request was not executed and never will be as it stands."""
    return isinstance(error, stripe.CardError | stripe.InvalidRequestError)


def is_gone(error: stripe.StripeError) -> bool:
    """Whether the account does not exist any more, or not for us."""
    return isinstance(error, stripe.InvalidRequestError | stripe.PermissionError) and code_of(error) in _GONE


def about_account(error: stripe.StripeError) -> Refused | ProviderUnavailable:
    """An error about a payee's account as the port's."""
    return Refused(code_of(error)) if is_refusal(error) else unavailable(error)


def unavailable(error: stripe.StripeError) -> ProviderUnavailable:
    """The error as one that changed nothing."""
    return ProviderUnavailable(f"{code_of(error)}: {error.user_message or ''}")
