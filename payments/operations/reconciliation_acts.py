"""What people decide about reconciliation items. Each act names who and why; what moves money posts an entry."""

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
from payments.operations import bank_postings, four_eyes, funding, lone_acts, matching
from payments.operations.reconciliation import Kind

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


def give_to_funding(*, item: ReconciliationItem, reference: str, by: User, now: dt.datetime) -> ReconciliationItem:
    """The money is what a lab announced: the funding settles with what came, and is the movement.

    Raises FundingDiffers.
    """
    item = _open(item)
    entry = _entry(item)
    announced = Funding.objects.filter(reference=reference).first()
    if announced is None or not _fits(announced, entry):
        raise FundingDiffers
    _decided(item, ReconciliationItem.Status.MATCHED, reason=reference, by=by, now=now)
    _settle(entry, announced, by=by, now=now)
    return item


def give_suspense_to_funding(*, entry: ProviderEntry, reference: str, by: User, now: dt.datetime) -> ProviderEntry:
    """Money that was kept in suspense is what a lab announced: its posting is reversed, and the funding settles."""
    entry = ProviderEntry.objects.select_for_update(no_key=True, of=("self",)).get(pk=entry.pk)
    kept = entry.journal_entry
    announced = Funding.objects.filter(reference=reference).first()
    if kept is None or kept.kind != bank_postings.PROVIDER_CREDIT:
        raise NothingToPost
    if announced is None or not _fits(announced, entry):
        raise FundingDiffers
    undone = ledger.reversal(entry_id=kept.pk, kind="provider_credit_reversed", source_id=entry.public_id, now=now)
    ledger.post(entries=[undone], now=now)
    entry.journal_entry = None
    _settle(entry, announced, by=by, now=now)
    return entry


def post(*, item: ReconciliationItem, place: str, reason: str, by: User, now: dt.datetime) -> ReconciliationItem:
    """Say what a movement without a posting was: ``place`` is one of `PLACES`.

    Above the threshold of pay (`four_eyes`), with what the same person posted alone lately, it is only proposed: the item stays open until somebody else approves.
    Raises AlreadyProposed.
    """
    lone_acts.take_turn(act=AdjustmentProposal.Act.MOVEMENT, by=by)
    item = _open(item)
    entry = _entry(item)
    amount = Money(entry.amount_minor, entry.currency)
    if lone_acts.alone(act=AdjustmentProposal.Act.MOVEMENT, amount=amount, by=by, now=now):
        return _post(item, entry, place, reason, by=by, now=now)
    waiting = AdjustmentProposal.objects.waiting().filter(act=AdjustmentProposal.Act.MOVEMENT)
    if waiting.filter(terms__item=item.public_id).exists():
        raise AlreadyProposed
    four_eyes.propose(
        act=AdjustmentProposal.Act.MOVEMENT,
        amount=amount,
        reason=f"{entry}: {PLACES[place]}: {reason}",
        terms={"item": item.public_id, "place": place, "reason": reason},
        proposed_by=by,
        now=now,
    )
    return item


@four_eyes.carries_out(AdjustmentProposal.Act.MOVEMENT)
def _post_as_approved(proposal: AdjustmentProposal, now: dt.datetime) -> str:
    item = _open(ReconciliationItem.objects.get(public_id=proposal.terms["item"]))
    place, reason = proposal.terms["place"], proposal.terms["reason"]
    _post(item, _entry(item), place, reason, by=proposal.proposed_by, now=now)
    return item.public_id


def _post(
    item: ReconciliationItem, entry: ProviderEntry, place: str, reason: str, *, by: User, now: dt.datetime
) -> ReconciliationItem:
    to = ReconciliationItem.Status.WRITTEN_OFF if place == LOSS else ReconciliationItem.Status.EXPLAINED
    _decided(item, to, reason=f"{PLACES[place]}: {reason}", by=by, now=now)
    written = bank_postings.booked_by_hand(entry=entry, against=_account(place, entry), now=now)
    matching.link(entry, written, now=now)
    return item


def take_over(*, item: ReconciliationItem, reason: str, by: User, now: dt.datetime) -> ReconciliationItem:
    """What was on the account before its first statement is the platform's own money."""
    item = _open(item)
    if item.kind != Kind.OPENING_BALANCE:
        raise NothingToPost
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
    matching.link(entry, bank_postings.balance_taken_over(entry=entry, now=now), now=now)
    return _decided(item, ReconciliationItem.Status.EXPLAINED, reason=reason, by=by, now=now)


def explain(*, item: ReconciliationItem, reason: str, by: User, now: dt.datetime) -> ReconciliationItem:
    """A person has looked, and nothing has to be posted. Raises NeedsPosting where something has."""
    item = _open(item)
    if item.kind == Kind.OPENING_BALANCE or (item.entry is not None and item.entry.journal_entry_id is None):
        raise NeedsPosting
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


def _fits(announced: Funding, entry: ProviderEntry) -> bool:
    same = (announced.currency, announced.provider) == (entry.currency, entry.provider)
    return same and announced.status == Funding.Status.PENDING and entry.amount_minor > 0


def _settle(entry: ProviderEntry, announced: Funding, *, by: User, now: dt.datetime) -> None:
    came = Money(entry.amount_minor, entry.currency)
    funding.confirm(funding=announced, by=by, now=now, received=came)
    matching.link(entry, JournalEntry.objects.get(kind="lab_funded", source_id=announced.public_id), now=now)


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
