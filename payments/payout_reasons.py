"""Why a payout waits, failed or came back, in words for its expert, with what he can do.

Codes of our own say what we found; the others are the providers': ISO 20022 reasons of banks, and Stripe's.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.problems import Remedy

METHOD_CHANGED: Final = "method_changed"
BLOCKED: Final = "blocked"
UNBLOCKED: Final = "unblocked"
DETAILS_UNREADABLE: Final = "details_unreadable"
REQUEST_CHANGED: Final = "request_changed"
NOT_ARRIVED: Final = "not_arrived"

_METHODS: Final = "/api/v1/expert/payout-methods"
_NUMBER = gettext_lazy("The bank does not know this account number.")
_CLOSED = gettext_lazy("The account is closed.")
_BARRED = gettext_lazy("The bank does not let money into this account.")
_NAME = gettext_lazy("The name on the account is another one.")
_BANK = gettext_lazy("The bank is not known by this identifier.")
_LOOKED_UP = gettext_lazy("Whether it was executed is being looked up.")
_NOT_EXECUTED = gettext_lazy("It was not executed.")
_LIMIT = gettext_lazy("A limit on our side was reached.")
_UNNAMED = gettext_lazy("The bank gave no reason.")
_LAW = gettext_lazy("The bank asks for details that its rules require.")

_TEXTS: Final[Mapping[str, Promise]] = MappingProxyType(
    {
        METHOD_CHANGED: gettext_lazy("Its payout method is not in use any more."),
        BLOCKED: gettext_lazy("Your payouts are blocked by a decision."),
        UNBLOCKED: gettext_lazy("The decision that blocked your payouts holds no longer."),
        DETAILS_UNREADABLE: gettext_lazy("The details of its payout method cannot be read."),
        REQUEST_CHANGED: gettext_lazy("What would be sent differs from what was asked of the provider before."),
        NOT_ARRIVED: gettext_lazy("It was traced, and did not arrive."),
        "balance_insufficient": gettext_lazy(
            "Our own account at the provider is too low for now; nothing is wrong with yours."
        ),
        "no_answer": _LOOKED_UP,
        "lease_expired": _LOOKED_UP,
        "server_error": _LOOKED_UP,
        "key_mismatch": _LOOKED_UP,
        "handing_over": _LOOKED_UP,
        "not_handed_over": _LOOKED_UP,
        "not_executed": _NOT_EXECUTED,
        "cancelled": _NOT_EXECUTED,
        "AC01": _NUMBER,
        "AC04": _CLOSED,
        "AC06": _BARRED,
        "AG01": _BARRED,
        "AM02": _LIMIT,
        "AM21": _LIMIT,
        "BE01": _NAME,
        "BE04": _LAW,
        "BE05": _LAW,
        "MS02": _UNNAMED,
        "MS03": _UNNAMED,
        "RC01": _BANK,
        "RR01": _LAW,
        "RR02": _LAW,
        "RR03": _LAW,
        "RR04": _LAW,
        "account_closed": _CLOSED,
        "no_account": _NUMBER,
        "invalid_account_number": _NUMBER,
        "incorrect_account_holder_name": _NAME,
        "bank_account_restricted": _BARRED,
        "bank_ownership_changed": _BARRED,
        "debit_not_authorized": _BARRED,
        "could_not_process": _UNNAMED,
        "declined": _UNNAMED,
        "insufficient_capabilities_for_transfer": gettext_lazy("The provider asks for more before it pays to you."),
        "invalid_currency": gettext_lazy("The account does not take this currency."),
    }
)

# What is not for the expert to mend.
_NOT_HIS: Final = frozenset({"AM02", "AM21", "balance_insufficient", "not_executed", "cancelled"})


def text_of(code: str) -> str:
    """A reason in words, in the language that is active; "" for no reason, and a provider's own word as it is."""
    if not code:
        return ""
    known = _TEXTS.get(code)
    return str(known) if known is not None else _("The provider's reason is %(code)s.") % {"code": code}


def named(code: str) -> str:
    """A reason in words with the code that a bank can be asked about: "The account is closed. (AC04)"."""
    if not code:
        return ""
    return _("%(reason)s (%(code)s)") % {"reason": text_of(code), "code": code} if code in _TEXTS else text_of(code)


def advice_of(code: str) -> str:
    """What an expert whose payout failed or came back does about it."""
    if code in _NOT_HIS:
        return _("Nothing is wrong with your account.")
    return _("Please check your payout method.")


def remedy_of(code: str) -> Remedy:
    """What an expert whose payout waits can do about it."""
    if code == BLOCKED:
        return Remedy(_("Read the decision and appeal."), "/api/v1/expert/decisions")
    if code in {METHOD_CHANGED, DETAILS_UNREADABLE}:
        return Remedy(_("Add your payout method again: the next pay run pays what was not sent."), _METHODS)
    return Remedy(
        _("Nothing to do: finance looks into it. You can contest it with an appeal."), "/api/v1/expert/appeals"
    )
