"""Where money goes: which details each kind of payout method needs, their check digits, and what is shown of them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", re.ASCII)
_ROUTING = re.compile(r"[0-9]{9}", re.ASCII)
_ACCOUNT = re.compile(r"[0-9]{4,17}", re.ASCII)
_SANDBOX = re.compile(r"[A-Za-z0-9-]{4,40}", re.ASCII)

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "iban": ("iban",),
    "us_bank": ("routing_number", "account_number"),
    "stripe_account": (),
    "sandbox": ("account",),
}
"""The members that each type of method needs, all of them and no others.

An account at a provider needs none: the provider opens it and vouches for it.
"""


class BadDetails(ValueError):
    """A member of the details breaks a rule; ``member`` names it, ``code`` the rule."""

    def __init__(self, member: str, code: str, rule: str) -> None:
        super().__init__(rule)
        self.member = member
        self.code = code


def normalise(method_type: str, details: Mapping[str, str]) -> dict[str, str]:
    """The details without spaces and in upper case where case means nothing. Raises BadDetails."""
    wanted = FIELDS[method_type]
    for name in details:
        if name not in wanted:
            raise BadDetails(name, "unknown_field", f"A {method_type} method has no such detail.")
    for name in wanted:
        if not details.get(name, "").strip():
            raise BadDetails(name, "required", "This detail is needed.")
    if method_type == "iban":
        return {"iban": _iban(details["iban"])}
    if method_type == "us_bank":
        return {
            "routing_number": _routing(details["routing_number"]),
            "account_number": _matching(_ACCOUNT, details["account_number"], "account_number", "4 to 17 digits"),
        }
    if method_type == "stripe_account":
        return {}
    return {"account": _matching(_SANDBOX, details["account"], "account", "4 to 40 letters, digits and hyphens")}


def masked(method_type: str, details: Mapping[str, str]) -> str:
    """What is shown of an account: its kind and its last four characters."""
    if not FIELDS[method_type]:
        return ""
    account = details[FIELDS[method_type][-1]]
    head = account[:2] if method_type == "iban" else ""
    return f"{head}••••{account[-4:]}"


def _matching(pattern: re.Pattern[str], text: str, member: str, rule: str) -> str:
    compact = text.replace(" ", "")
    if not pattern.fullmatch(compact):
        raise BadDetails(member, "malformed", f"Expected {rule}.")
    return compact


def _iban(text: str) -> str:
    compact = text.replace(" ", "").upper()
    if not _IBAN.fullmatch(compact):
        raise BadDetails("iban", "malformed", "Expected a country, two check digits and the account.")
    digits = "".join(str(int(symbol, 36)) for symbol in compact[4:] + compact[:4])
    if int(digits) % 97 != 1:  # ISO 13616
        raise BadDetails("iban", "check_digits", "The check digits do not fit: a symbol was mistyped.")
    return compact


def _routing(text: str) -> str:
    compact = _matching(_ROUTING, text, "routing_number", "9 digits")
    weighted = sum(int(digit) * weight for digit, weight in zip(compact, (3, 7, 1) * 3, strict=True))
    if weighted % 10:  # ABA
        raise BadDetails("routing_number", "check_digits", "The check digit does not fit: a digit was mistyped.")
    return compact
