"""A pain.001 credit transfer file, written by `sepaxml` and checked against the published schema.

`sepaxml` makes up ids and reads the machine's clock; here both come from the batch, so that the same batch has the same
message id and a bank recognises it. Every transfer is booked by itself (``BtchBookg`` false): a statement then names
each payout.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sepaxml import SepaTransfer
from stdnum import bic, iban
from text_unidecode import unidecode

from payments.providers.port import Order

CURRENCY: Final = "EUR"
VERSIONS: Final = ("pain.001.001.03", "pain.001.001.09", "pain.001.001.10", "pain.001.001.11")
LARGEST_MINOR: Final = 99_999_999_999
"""999,999,999.99: the most that one SEPA credit transfer carries."""

# EPC409-09, the countries and territories of the SEPA schemes by the first letters of their IBANs.
SEPA_COUNTRIES: Final = frozenset(
    [
        "AD",
        "AL",
        "AT",
        "BE",
        "BG",
        "CH",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GB",
        "GI",
        "GR",
        "HR",
        "HU",
        "IE",
        "IS",
        "IT",
        "LI",
        "LT",
        "LU",
        "LV",
        "MC",
        "MD",
        "ME",
        "MK",
        "MT",
        "NL",
        "NO",
        "PL",
        "PT",
        "RO",
        "RS",
        "SE",
        "SI",
        "SK",
        "SM",
        "VA",
    ]
)
_UNSAFE = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]+", re.ASCII)  # EPC217-08: what every bank takes
_SPACES = re.compile(r" +")


class Unwritable(ValueError):
    """An order that no file of this rail can carry; ``code`` says why. Nothing was sent."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class Debtor:
    """Whose account pays."""

    name: str
    iban: str
    bic: str

    def problems(self) -> list[str]:
        """What is wrong with it; empty when a file can be written."""
        found = [] if plain(self.name, 70) else ["The name has no letter that a bank can read."]
        found += [] if iban.is_valid(self.iban) else ["The IBAN is not valid."]
        return found + ([] if not self.bic or bic.is_valid(self.bic) else ["The BIC is not valid."])


def end_to_end_id(key: str) -> str:
    """A key as banks repeat it: an underscore is outside their character set, a full stop is in no key."""
    return key.replace("_", ".")


def key_of(end_to_end: str) -> str:
    """The key that an EndToEndId stands for."""
    return end_to_end.replace(".", "_")


def message_id(orders: Sequence[Order]) -> str:
    """The MsgId of a batch, 35 characters at most: the same orders in any sequence have the same one."""
    asked = sorted((order.key, order.request_hash) for order in orders)
    return "CDR-" + hashlib.sha256(repr(asked).encode()).hexdigest()[:28].upper()


def plain(text: str, length: int) -> str:
    """A text in the characters that every bank takes: letters without accents, other scripts by their sound."""
    return _SPACES.sub(" ", _UNSAFE.sub(" ", unidecode(text))).strip()[:length].strip()


def check(order: Order) -> None:
    """Raises Unwritable for an order that this rail cannot carry."""
    account = order.details.get("iban", "")
    if order.currency != CURRENCY:
        raise Unwritable("currency_not_served", "This rail pays euros only.")
    if order.method_type != "iban" or not iban.is_valid(account):
        raise Unwritable("AC01", "The IBAN is not valid.")
    if account[:2] not in SEPA_COUNTRIES:
        raise Unwritable("country_not_served", "The account is outside the SEPA area.")
    if not 0 < order.amount_minor <= LARGEST_MINOR:
        raise Unwritable("AM02", "No SEPA transfer carries this amount.")
    if not plain(order.holder, 70):
        raise Unwritable("holder_unwritable", "The name has no letter that a bank can read.")
    if len(end_to_end_id(order.key)) > 35:  # Max35Text
        raise Unwritable("key_too_long", "The key does not fit into an EndToEndId.")


def write(
    orders: Sequence[Order], *, debtor: Debtor, version: str, execute_on: dt.date, now: dt.datetime
) -> tuple[str, bytes]:
    """The message id and the bytes of a file with these orders, each of which passed `check`."""
    msg_id = message_id(orders)
    file = _Transfer(debtor, version=version, msg_id=msg_id, now=now)
    for order in orders:
        file.add_payment(
            {
                "name": plain(order.holder, 70),
                "IBAN": order.details["iban"],
                "amount": order.amount_minor,
                "description": f"Payout {end_to_end_id(order.reference)}",
                "execution_date": execute_on,
                "endtoend_id": end_to_end_id(order.key),
            }
        )
    content: bytes = file.export(validate=True)
    return msg_id, content


class _Transfer(SepaTransfer):  # type: ignore[misc]  # sepaxml ships no types
    """With ids and a time of ours."""

    def __init__(self, debtor: Debtor, *, version: str, msg_id: str, now: dt.datetime) -> None:
        self._ours = msg_id
        self._made_at = now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
        config: dict[str, Any] = {
            "name": plain(debtor.name, 70),
            "IBAN": debtor.iban,
            "currency": CURRENCY,
            "batch": True,
        }
        super().__init__(config | ({"BIC": debtor.bic} if debtor.bic else {}), schema=version)

    def _create_header(self) -> None:
        self.msg_id = self._ours
        super()._create_header()
        self._xml.find("CstmrCdtTrfInitn/GrpHdr/CreDtTm").text = self._made_at

    def _finalize_batch(self) -> None:
        super()._finalize_batch()
        for number, part in enumerate(self._xml.iter("PmtInf"), start=1):
            part.find("PmtInfId").text = f"{self._ours}-{number}"
            part.find("BtchBookg").text = "false"
