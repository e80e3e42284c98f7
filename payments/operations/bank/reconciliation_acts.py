"""What people decide about reconciliation items. Each act names who and why; what moves money posts an entry.

What one person says a movement was is done at once up to the threshold of four eyes (`lone_acts`), or where the bank
itself names whose money it is; above it the item stays open until somebody else approves.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.utils.translation import gettext_lazy

from core import states
from core.money import Money
from core.problems import Conflict
from core.public import User
from payments import accounts, ledger
from payments.accounts import AccountKey
from payments.models import AdjustmentProposal, Funding, JournalEntry, ProviderEntry, ReconciliationItem
from payments.operations.bank import bank_matching, bank_postings
from payments.operations.bank.reconciliation import Kind
from payments.operations.labs import funding, funding_by_hand
from payments.operations.pay import four_eyes, lone_acts

ASSIGNMENT: Final = AdjustmentProposal.Act.ASSIGNMENT
MOVEMENT: Final = AdjustmentProposal.Act.MOVEMENT
OPENING: Final = AdjustmentProposal.Act.OPENING
SUSPENSE, CAPITAL, FEE, LOSS = "suspense", "capital", "provider_fee", "loss"
PLACES: Final = {
    SUSPENSE: gettext_lazy("Suspense: we owe it to, or are owed it by, somebody not known yet"),
    CAPITAL: gettext_lazy("The platform's own money"),
    FEE: gettext_lazy("A fee of the bank"),
    LOSS: gettext_lazy("Written off as a loss"),
}


class AlreadyDecided(Conflict):
    """The item is not open any more: what was missing came, or somebody decided about it. Its history says who."""

    code = "item_already_decided"
    title = gettext_lazy("This item was decided")


class AlreadyProposed(Conflict):
    """Somebody proposed what this movement was. Approve or refuse that first, among the proposals."""

    code = "item_already_proposed"
    title = gettext_lazy("A proposal about this item is open")


class NothingToPost(Conflict):
    """The item is not about a movement that still has no posting: explain it, or let it be matched by itself."""

    code = "nothing_to_post"
    title = gettext_lazy("There is no movement to post")


class NeedsPosting(Conflict):
    """Money moved at the provider that our books do not have: words do not put it there. Say what it was instead."""

    code = "needs_posting"
    title = gettext_lazy("This needs a posting")


class FundingDiffers(Conflict):
    """The funding is about another currency or account, or not pending any more.

    Let the lab announce what came, or keep the money in suspense until it is clear.
    """

    code = "funding_differs"
    title = gettext_lazy("The funding does not fit")


def give_to_funding(
    *, item: ReconciliationItem, reference: str, by: User, now: dt.datetime
) -> ReconciliationItem | AdjustmentProposal:
    """The money is what a lab announced: the funding settles with what came, and is the movement.

    Raises FundingDiffers, NothingToPost, AlreadyDecided, AlreadyProposed.
    """
    lone_acts.take_turn(act=ASSIGNMENT, by=by)
    item = _open(item)
    entry = _entry(item)
    announced = _announced(reference, entry)
    about = {"item": item.public_id, "reference": reference}
    waiting = _second_person(ASSIGNMENT, entry, about, reference, announced=announced, by=by, now=now)
    return waiting or _give(item, entry, announced, by=by, now=now)


def give_suspense_to_funding(
    *, entry: ProviderEntry, reference: str, by: User, now: dt.datetime
) -> ProviderEntry | AdjustmentProposal:
    """Money that was kept in suspense is what a lab announced: its posting is reversed, and the funding settles.

    Raises FundingDiffers, NothingToPost, AlreadyProposed.
    """
    lone_acts.take_turn(act=ASSIGNMENT, by=by)
    entry = _kept(entry)
    announced = _announced(reference, entry)
    about = {"entry": entry.public_id, "reference": reference}
    waiting = _second_person(ASSIGNMENT, entry, about, reference, announced=announced, by=by, now=now)
    return waiting or _give_kept(entry, announced, by=by, now=now)


def post(
    *, item: ReconciliationItem, place: str, reason: str, by: User, now: dt.datetime
) -> ReconciliationItem | AdjustmentProposal:
    """Say what a movement without a posting was: ``place`` is one of `PLACES`.

    Raises NothingToPost, AlreadyDecided, AlreadyProposed.
    """
    lone_acts.take_turn(act=MOVEMENT, by=by)
    item = _open(item)
    entry = _entry(item)
    about = {"item": item.public_id, "place": place, "reason": reason}
    waiting = _second_person(MOVEMENT, entry, about, f"{PLACES[place]}: {reason}", by=by, now=now)
    return waiting or _post(item, entry, place, reason, by=by, now=now)


def take_over(
    *, item: ReconciliationItem, reason: str, by: User, now: dt.datetime
) -> ReconciliationItem | AdjustmentProposal:
    """What was on the account before its first statement is the platform's own money.

    Raises NothingToPost, AlreadyDecided, AlreadyProposed.
    """
    lone_acts.take_turn(act=OPENING, by=by)
    item = _open(item)
    if item.kind != Kind.OPENING_BALANCE:
        raise NothingToPost
    waiting = _second_person(OPENING, item, {"item": item.public_id, "reason": reason}, reason, by=by, now=now)
    return waiting or _take_over(item, reason, by=by, now=now)


def explain(*, item: ReconciliationItem, reason: str, by: User, now: dt.datetime) -> ReconciliationItem:
    """A person has looked, and nothing has to be posted. Raises NeedsPosting where something has."""
    item = _open(item)
    if item.kind == Kind.OPENING_BALANCE or (item.entry is not None and item.entry.journal_entry_id is None):
        raise NeedsPosting
    return _decided(item, ReconciliationItem.Status.EXPLAINED, reason=reason, by=by, now=now)


def _second_person(
    act: str,
    row: ProviderEntry | ReconciliationItem,
    about: dict[str, str],
    reason: str,
    *,
    by: User,
    now: dt.datetime,
    announced: Funding | None = None,
) -> AdjustmentProposal | None:
    """The proposal that this takes; None when its person may do it alone. ``about`` is what it is carried out from."""
    for name in about.keys() & {"item", "entry"}:
        if AdjustmentProposal.objects.waiting().filter(**{f"terms__{name}": about[name]}).exists():
            raise AlreadyProposed
    if announced is not None and isinstance(row, ProviderEntry) and funding_by_hand.is_named(announced, row):
        return None
    amount = Money(row.amount_minor, row.currency)
    tenant_id = announced.tenant_id if announced else None
    if lone_acts.alone(act=act, amount=amount, by=by, tenant_id=tenant_id, now=now):
        return None
    return four_eyes.propose(
        act=act, amount=amount, reason=f"{row}: {reason}", terms=about, proposed_by=by, tenant_id=tenant_id, now=now
    )


@four_eyes.carries_out(ASSIGNMENT)
def _give_as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    about, by = proposal.terms, proposal.proposed_by
    if "entry" in about:
        entry = _kept(ProviderEntry.objects.get(public_id=about["entry"]))
        return _give_kept(entry, _announced(about["reference"], entry), by=by, now=now).public_id
    item = _open(ReconciliationItem.objects.get(public_id=about["item"]))
    entry = _entry(item)
    return _give(item, entry, _announced(about["reference"], entry), by=by, now=now).public_id


@four_eyes.carries_out(MOVEMENT)
def _post_as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    item = _open(ReconciliationItem.objects.get(public_id=proposal.terms["item"]))
    place, reason = proposal.terms["place"], proposal.terms["reason"]
    return _post(item, _entry(item), place, reason, by=proposal.proposed_by, now=now).public_id


@four_eyes.carries_out(OPENING)
def _take_over_as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    item = _open(ReconciliationItem.objects.get(public_id=proposal.terms["item"]))
    return _take_over(item, proposal.terms["reason"], by=proposal.proposed_by, now=now).public_id


def _give(
    item: ReconciliationItem, entry: ProviderEntry, announced: Funding, *, by: User, now: dt.datetime
) -> ReconciliationItem:
    _decided(item, ReconciliationItem.Status.MATCHED, reason=announced.reference, by=by, now=now)
    _settle(entry, announced, by=by, now=now)
    return item


def _give_kept(entry: ProviderEntry, announced: Funding, *, by: User, now: dt.datetime) -> ProviderEntry:
    kept = entry.journal_entry_id
    if kept is None:
        raise NothingToPost
    undone = ledger.reversal(entry_id=kept, kind="provider_credit_reversed", source_id=entry.public_id, now=now)
    ledger.post(entries=[undone], now=now)
    entry.journal_entry = None
    _settle(entry, announced, by=by, now=now)
    return entry


def _post(
    item: ReconciliationItem, entry: ProviderEntry, place: str, reason: str, *, by: User, now: dt.datetime
) -> ReconciliationItem:
    to = ReconciliationItem.Status.WRITTEN_OFF if place == LOSS else ReconciliationItem.Status.EXPLAINED
    _decided(item, to, reason=f"{PLACES[place]}: {reason}", by=by, now=now)
    written = bank_postings.booked_by_hand(entry=entry, against=_account(place, entry), now=now)
    bank_matching.link(entry, written, now=now)
    return item


def _take_over(item: ReconciliationItem, reason: str, *, by: User, now: dt.datetime) -> ReconciliationItem:
    entry, _new = ProviderEntry.objects.get_or_create(
        provider=item.provider,
        reference=item.reference,
        defaults={
            "kind": ProviderEntry.Kind.OPENING,
            "amount_minor": item.amount_minor,
            "currency": item.currency,
            "booked_on": item.day,
            "created_at": now,
        },
    )
    bank_matching.link(entry, bank_postings.balance_taken_over(entry=entry, now=now), now=now)
    return _decided(item, ReconciliationItem.Status.EXPLAINED, reason=reason, by=by, now=now)


def _open(item: ReconciliationItem) -> ReconciliationItem:
    rows = ReconciliationItem.objects.select_for_update(no_key=True, of=("self",))
    item = rows.get(pk=item.pk)
    if item.status != ReconciliationItem.Status.OPEN:
        raise AlreadyDecided
    return item


def _entry(item: ReconciliationItem) -> ProviderEntry:
    entry = ProviderEntry.objects.select_for_update(no_key=True, of=("self",)).filter(items=item).first()
    if entry is None or entry.journal_entry_id is not None:
        raise NothingToPost
    return entry


def _kept(entry: ProviderEntry) -> ProviderEntry:
    """Locked, and kept in suspense."""
    entry = ProviderEntry.objects.select_for_update(no_key=True, of=("self",)).get(pk=entry.pk)
    if entry.journal_entry is None or entry.journal_entry.kind != bank_postings.PROVIDER_CREDIT:
        raise NothingToPost
    return entry


def _announced(reference: str, entry: ProviderEntry) -> Funding:
    """The funding with this reference, where it is pending and could be this movement."""
    pending = Funding.objects.filter(reference=reference, status=Funding.Status.PENDING)
    announced = pending.filter(currency=entry.currency, provider=entry.provider).first()
    if announced is None or entry.amount_minor <= 0:
        raise FundingDiffers
    return announced


def _settle(entry: ProviderEntry, announced: Funding, *, by: User, now: dt.datetime) -> None:
    came = Money(entry.amount_minor, entry.currency)
    funding.confirm(funding=announced, by=by, now=now, received=came)
    bank_matching.link(entry, JournalEntry.objects.get(kind="lab_funded", source_id=announced.public_id), now=now)


def _account(place: str, entry: ProviderEntry) -> AccountKey:
    if place == SUSPENSE:
        return accounts.suspense(entry.provider, entry.currency)
    if place == CAPITAL:
        return accounts.capital(entry.currency)
    return accounts.expense(place, entry.currency)


def _decided(item: ReconciliationItem, to: str, *, reason: str, by: User, now: dt.datetime) -> ReconciliationItem:
    """Final, with a name and a reason."""
    states.move(item, to)
    item.decided_by, item.decided_at, item.reason = by, now, reason[:300]
    item.save()
    return item
