"""Law of VAT on invoices to labs: who owes it, and the words that say so. Pure; rates are basis points.

The table follows the general rule for services between businesses (Articles 44 and 196 of Directive 2006/112/EC):
the customer's country taxes, and the customer accounts for it. It is a default, not advice: rates are configured, and
where none is configured no VAT line is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from payments.tax import MEMBER_STATES

REVERSE_CHARGE: Final = "reverse_charge"
OUTSIDE_SCOPE: Final = "outside_scope"
CHARGED: Final = "charged"
NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Treatment:
    """``bp`` is the rate to charge, or None where no VAT line is written; ``note`` names the words."""

    note: str
    bp: int | None = None


def treatment(*, issuer: str, lab: str, has_vat_id: bool, rates: Mapping[str, int]) -> Treatment:
    """How an invoice of ``issuer``'s country to a lab in ``lab``'s country is taxed.

    | issuer | lab | VAT id | |
    |---|---|---|---|
    | any | the same country | any | the issuer's rate, if one is configured |
    | in the EU | another country of the EU | yes | reverse charge |
    | in the EU | another country of the EU | no | the issuer's rate, if one is configured |
    | in the EU | outside the EU | any | outside the scope |
    | outside the EU | in the EU | yes | reverse charge |
    | anything else | | | no VAT |
    """
    rate = rates.get(issuer)
    charged = Treatment(NONE) if rate is None else Treatment(CHARGED, rate)
    if not issuer or not lab:
        return Treatment(NONE)
    if issuer == lab:
        return charged
    issuer_in, lab_in = issuer in MEMBER_STATES, lab in MEMBER_STATES
    if lab_in and has_vat_id:
        return Treatment(REVERSE_CHARGE)
    if issuer_in:
        return charged if lab_in else Treatment(OUTSIDE_SCOPE)
    return Treatment(NONE)
