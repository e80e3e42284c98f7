"""What the platform regains: pay that is taken back though finance gave it back to the lab before, out of its own pocket.

The expert's side is that of every correction or clawback. The lab has what it was billed already, so what comes back to
it a second time goes on to the platform: the pay to its expense for credits, the fee to its income. When the expert is
given back what was taken from him, the platform pays it again.
"""

from __future__ import annotations

import datetime as dt

from django.db.models import Sum

from core import scope
from payments import accounts, ledger
from payments.ledger import Leg, NewEntry
from payments.models import CreditNote, Posting
from payments.operations.labs import invoices, lab_funds, reservations
from payments.queries import bills, charges
from payments.queries.bills import Part
from payments.queries.charges import REGAINED


def settle(
    *,
    subject: str,
    source_id: str,
    tenant_id: int,
    currency: str,
    change: Part,
    now: dt.datetime,
    contract_id: int | None = None,
) -> None:
    """After pay of ``subject`` (an entry or a bonus) changed in the journal by ``change``: let the lab have its own once.

    ``source_id`` is the adjustment that changed it, ``contract_id`` whose reservation may have got the money back; the
    lab's accounts are locked by the caller. Nothing happens where finance never credited anything.
    """
    with scope.as_platform():
        by_hand = CreditNote.objects.filter(tenant=tenant_id, currency=currency, decided_by__isnull=False)
        if not by_hand.exists():
            return
        invoices.catch_up(tenant_id=tenant_id, currency=currency, now=now)
        if change.gross_minor + change.fee_minor < 0:
            minor = _beyond(subject, tenant_id, currency, change)
            legs = _from_lab(minor.gross_minor + minor.fee_minor, tenant_id, currency, contract_id, now=now)
        else:
            minor = _given_again(subject, change)
            legs = _to_lab(-minor.gross_minor - minor.fee_minor, tenant_id, currency, now=now)
        legs += [
            (accounts.expense("credit", currency), minor.gross_minor),
            (accounts.fee_income(currency), minor.fee_minor),
        ]
        ledger.post(entries=[NewEntry(REGAINED, source_id, now, legs, tenant_id=tenant_id)], now=now)


def _beyond(subject: str, tenant_id: int, currency: str, change: Part) -> Part:
    """What was taken back just now and is not left of the invoices that billed it."""
    after = invoices.billed_upto(tenant_id, currency)
    bill, _sources = bills.bill_of(tenant_id=tenant_id, currency=currency, after=after, upto=None)
    beyond = bill.beyond.get(subject, Part())
    return Part(max(0, min(beyond.gross_minor, -change.gross_minor)), max(0, min(beyond.fee_minor, -change.fee_minor)))


def _given_again(subject: str, change: Part) -> Part:
    """The opposite of what the platform regained of this subject, as far as the expert is given it back."""
    ids = list(charges.adjustments_about([subject]).values_list("public_id", flat=True))
    legs = Posting.objects.filter(entry__kind=REGAINED, entry__source_id__in=ids)
    sums = dict(legs.order_by().values_list("account__kind").annotate(minor=Sum("amount")))
    gross, fee = sums.get("expense", 0), sums.get("fee_income", 0)
    return Part(-max(0, min(gross, change.gross_minor)), -max(0, min(fee, change.fee_minor)))


def _from_lab(minor: int, tenant_id: int, currency: str, contract_id: int | None, *, now: dt.datetime) -> list[Leg]:
    """Take back what just came: from prepaid, within the lab's credit, from the reservation; else it is owed again."""
    held = reservations.of_contracts({contract_id}) if contract_id else {}
    inside = [reservations.account_of(row) for row in held.values() if row.currency == currency]
    funds = lab_funds.locked(tenant_id=tenant_id, currency=currency, now=now, also=inside)
    legs = funds.draw(min(minor, funds.available))
    rest = minor - sum(-amount for _key, amount in legs)
    for key, there in ledger.lock(keys=inside, now=now).items():
        drawn = min(max(there, 0), rest)
        legs.append((key, -drawn))
        rest -= drawn
    return [*legs, (lab_funds.keys(tenant_id, currency)[1], -rest)]


def _to_lab(minor: int, tenant_id: int, currency: str, *, now: dt.datetime) -> list[Leg]:
    """Give it to the lab: its debt first."""
    funds = lab_funds.locked(tenant_id=tenant_id, currency=currency, now=now)
    prepaid, owing = lab_funds.keys(tenant_id, currency)
    owed = min(minor, max(0, funds.owed))
    return [(owing, owed), (prepaid, minor - owed)]
