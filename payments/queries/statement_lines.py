"""The lines of a statement: every leg on the expert's payable account in its range, in words he can check."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.apps import apps
from django.db.models import Q, QuerySet
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import scope
from core.money import Money, pay_for
from marketplace.public import Lab
from payments import accounts, exchange, payout_reasons
from payments.models import (
    Adjustment,
    Dispute,
    FxExchange,
    JournalEntry,
    PlatformPay,
    Posting,
    Statement,
    TimeEntry,
    TrueUp,
    WriteOff,
)

# Every event that can move what an expert is owed; a test holds this to the events of docs/money.md.
KINDS = {
    "time_approved": gettext_lazy("Approved hours"),
    "time_reversed": gettext_lazy("Hours taken back for correction"),
    "bonus": gettext_lazy("Bonus"),
    "true_up": gettext_lazy("Added up to the wage floor"),
    "referral_bonus": gettext_lazy("Referral bonus"),
    "clawback": gettext_lazy("Taken back"),
    "clawback_reversed": gettext_lazy("Given back"),
    "write_off": gettext_lazy("Debt written off"),
    "dispute_opened": gettext_lazy("Set aside while contested"),
    "dispute_resolved": gettext_lazy("Contest resolved"),
    "holdback_released": gettext_lazy("Holdback released"),
    "holdback_reversed": gettext_lazy("Released holdback taken back for correction"),
    "payout_initiated": gettext_lazy("Payout"),
    "payout_rejected": gettext_lazy("Payout failed, money back"),
    "payout_returned": gettext_lazy("Payout returned by the bank"),
    "payout_lost": gettext_lazy("Payout that did not arrive, booked back"),
    "fx_exchanged": gettext_lazy("Exchanged into another currency"),
}
OF_LABS = {
    "credit_regained": gettext_lazy("Credited before"),
}
"""Events that papers of labs alone show."""
OUTCOMES = {
    "upheld": gettext_lazy("the lab's proposal counts"),
    "partly_upheld": gettext_lazy("a part of it counts"),
    "overturned": gettext_lazy("it counts in full"),
    "withdrawn": gettext_lazy("the lab let it be"),
    "resolved_by_timeout": gettext_lazy("nobody decided in time, it counts in full"),
}

BROUGHT_BACK = frozenset({"payout_rejected", "payout_returned", "payout_lost"})


@dataclass(frozen=True, slots=True)
class Line:
    """One movement, with the segment, adjustment or payout that it is about.

    For hours also the day, how many seconds counted (negative where they were taken back), at which rate, the pay for
    them, and what of it is held back: ``amount = gross - held``. ``reverses`` is the public id of what it undoes.
    """

    at: dt.datetime
    kind: str
    subject: str
    text: str
    amount: Money
    entry: str = ""
    contract: str = ""
    lab: str = ""
    day: dt.date | None = None
    seconds: int | None = None
    rate: Money | None = None
    gross: Money | None = None
    held: Money | None = None
    reverses: str = ""


@dataclass(slots=True)
class Sources:
    """What movements are about, by public id; ``corrections`` are an entry's posted changes of seconds, in order.

    ``undone`` tells what pay from the platform takes or gives back, ``codes`` why a payout came back, by its number.
    """

    entries: dict[str, TimeEntry] = field(default_factory=dict)
    adjustments: dict[str, Adjustment] = field(default_factory=dict)
    disputes: dict[str, Dispute] = field(default_factory=dict)
    true_ups: dict[str, TrueUp] = field(default_factory=dict)
    corrections: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    aliases: dict[int, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    undone: dict[str, str] = field(default_factory=dict)
    codes: dict[tuple[str, int], str] = field(default_factory=dict)


def priced(made: FxExchange) -> str:
    """What was exchanged for what, at which price; its quote is joined."""
    return _("%(sold)s for %(bought)s, one %(sell)s at %(rate)s %(buy)s (%(middle)s less %(spread)s bp)") % {
        "sold": made.sold,
        "bought": made.bought,
        "sell": made.quote.sell,
        "buy": made.quote.buy,
        "rate": exchange.plain(exchange.all_in(made.quote.rate, made.quote.spread_bp)),
        "middle": exchange.plain(made.quote.rate),
        "spread": made.quote.spread_bp,
    }


def label_of(kind: str) -> str:
    """The words for an event, in the language of the moment."""
    return str({**OF_LABS, **KINDS}.get(kind, kind))


def headline(kind: str, amount: Money) -> str:
    """A change of pay beside the hours by the name that statements give it: "Taken back: -50.00 USD"."""
    event = {"reinstatement": "clawback_reversed", "referral": "referral_bonus"}.get(kind, kind)
    return f"{capfirst(label_of(event))}: {amount}"


def lines_of(statement: Statement) -> list[Line]:
    """All lines, oldest first; their amounts and the opening balance sum to the closing balance."""
    with scope.as_platform():
        return describe(legs_of(statement))


def legs_of(statement: Statement) -> QuerySet[Posting]:
    """Its range of the journal, in order. Needs the platform's reach."""
    key = accounts.payable(statement.expert_id, statement.currency).text
    legs = Posting.objects.filter(
        account__key=key, entry_id__gt=statement.after_entry, entry_id__lte=statement.upto_entry
    )
    return legs.select_related("entry__reverses").order_by("entry_id")


def legs_of_all(statements: Iterable[Statement]) -> QuerySet[Posting]:
    """The ranges of several statements, each account's in order; ranges that touch are read as one.

    Needs the platform's reach; one query.
    """
    wanted = Q(pk=None)
    for key, ranges in _ranges(statements).items():
        for after, upto in ranges:
            wanted |= Q(account__key=key, entry_id__gt=after, entry_id__lte=upto)
    legs = Posting.objects.filter(wanted)
    return legs.select_related("entry__reverses").order_by("account_id", "entry_id")


def _ranges(statements: Iterable[Statement]) -> dict[str, list[tuple[int, int]]]:
    """By account, the ranges (after, up to] of the journal, with neighbours put together."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in sorted(statements, key=lambda row: row.after_entry):
        ranges = found[accounts.payable(row.expert_id, row.currency).text]
        after, upto = row.after_entry, row.upto_entry
        if ranges and ranges[-1][1] == after:
            after, _end = ranges.pop()
        ranges.append((after, upto))
    return found


def describe(found: Iterable[Posting]) -> list[Line]:
    """Legs with their entries joined, as lines. Needs the platform's reach; at most a dozen queries, however many legs."""
    legs = list(found)
    sources = sources_of([leg.entry for leg in legs])
    return [_line(leg, sources) for leg in legs]


def sources_of(events: Sequence[JournalEntry]) -> Sources:
    """What these events are about; what they reverse is joined. Needs the platform's reach."""
    ids = {event.source_id for event in events}
    adjustments = Adjustment.objects.filter(public_id__in=ids).select_related(
        "contract__lab_expert", "entry__contract__lab_expert", "takes_back__takes_back__entry", "takes_back__entry"
    )
    disputes = Dispute.objects.filter(public_id__in=ids).select_related("entry__contract__lab_expert")
    found = Sources(
        adjustments={row.public_id: row for row in adjustments},
        disputes={row.public_id: row for row in disputes},
        codes=_codes({event.source_id for event in events if event.kind in BROUGHT_BACK}),
    )
    if any(event.kind == "true_up" for event in events):
        added = TrueUp.objects.filter(public_id__in=ids).select_related("contract__lab_expert", "timesheet")
        found.true_ups = {true_up.public_id: true_up for true_up in added}
    ids |= {event.reverses.source_id for event in events if event.reverses}
    entries = TimeEntry.objects.filter(public_id__in=ids).select_related("contract__lab_expert")
    found.entries = {row.public_id: row for row in entries}
    changes = Adjustment.objects.filter(
        entry__in=[row.pk for row in found.entries.values()],
        kind=Adjustment.Kind.CORRECTION,
        status=Adjustment.Status.POSTED,
    )
    for entry_id, seconds in changes.order_by("pk").values_list("entry_id", "seconds"):
        found.corrections[entry_id or 0].append(seconds)
    _add_reasons(found, ids)
    tenants = {event.tenant_id for event in events if event.tenant_id}
    found.aliases = dict(Lab.objects.filter(tenant__in=tenants).values_list("tenant_id", "alias"))
    return found


def _add_reasons(found: Sources, ids: set[str]) -> None:
    """Why the platform paid, took back, gave up or exchanged something."""
    paid = PlatformPay.objects.filter(public_id__in=_of("ppy_", ids))
    for public_id, reason, undone in paid.values_list("public_id", "reason", "takes_back__public_id"):
        found.reasons[public_id] = reason
        found.undone[public_id] = undone or ""
    given_up = WriteOff.objects.filter(public_id__in=_of("wof_", ids))
    found.reasons.update(given_up.values_list("public_id", "reason"))
    made = FxExchange.objects.filter(public_id__in=_of("fxe_", ids)).select_related("quote")
    found.reasons.update({row.public_id: priced(row) for row in made})


def _of(prefix: str, ids: set[str]) -> list[str]:
    """Those of one table; no query is made for none."""
    return [public_id for public_id in ids if public_id.startswith(prefix)]


def _codes(payouts: set[str]) -> dict[tuple[str, int], str]:
    """What the provider said when a payout failed or came back, by its id and the number of the initiation."""
    if not payouts:
        return {}
    history = apps.get_model("payments", "PayoutHistoryRow")
    rows = history.objects.filter(public_id__in=payouts, status__in=("failed", "returned")).exclude(reason_code="")
    return {
        (public_id, number): code
        for public_id, number, code in rows.order_by("pgh_id").values_list("public_id", "initiations", "reason_code")
    }


def _line(leg: Posting, sources: Sources) -> Line:
    event, amount = leg.entry, Money(leg.amount, leg.currency)
    lab = sources.aliases.get(event.tenant_id or 0, "")
    origin = event.reverses if event.reverses is not None else event
    hours = sources.entries.get(origin.source_id)
    if hours is not None and origin.kind == "time_approved":
        return _line_of_hours(leg, hours, sources, lab)
    if event.source_id in sources.disputes:
        hours = sources.disputes[event.source_id].entry
    adjustment = sources.adjustments.get(event.source_id)
    if adjustment is not None:
        hours = adjustment.entry or (adjustment.takes_back.entry if adjustment.takes_back else None)
    true_up = sources.true_ups.get(event.source_id)
    contract = adjustment.contract if adjustment else hours.contract if hours else true_up.contract if true_up else None
    return Line(
        at=event.effective_at,
        kind=event.kind,
        subject=event.source_id,
        text=_joined(label_of(event.kind), _why(event, sources)),
        amount=amount,
        entry=hours.public_id if hours else "",
        contract=contract.public_id if contract else "",
        lab=lab,
        day=hours.local_day if hours else None,
        reverses=_undone_by(event, sources),
    )


def _why(event: JournalEntry, sources: Sources) -> str:
    """The reason that somebody gave, or the fact behind it. Neither changes once the event is written."""
    source = event.source_id
    if source in sources.adjustments:
        return sources.adjustments[source].reason
    if source in sources.true_ups:
        return _("week %(week)s") % {"week": sources.true_ups[source].timesheet.iso_week}
    if source in sources.disputes:
        dispute = sources.disputes[source]
        return dispute.reason if event.kind == "dispute_opened" else str(OUTCOMES.get(dispute.status, ""))
    if event.kind in BROUGHT_BACK:
        return payout_reasons.named(sources.codes.get((source, event.seq), ""))
    return sources.reasons.get(source, "")


def _undone_by(event: JournalEntry, sources: Sources) -> str:
    """The public id of what an event undoes: posted before under that id, or set aside or sent under the same."""
    if event.reverses is not None:
        return event.reverses.source_id
    if event.kind in BROUGHT_BACK or event.kind == "dispute_resolved":
        return event.source_id
    adjustment = sources.adjustments.get(event.source_id)
    if adjustment is None:
        return sources.undone.get(event.source_id, "")
    if adjustment.kind not in {Adjustment.Kind.CLAWBACK, Adjustment.Kind.REINSTATEMENT}:
        return ""
    undone = adjustment.takes_back or adjustment.entry
    return undone.public_id if undone else ""


def _line_of_hours(leg: Posting, hours: TimeEntry, sources: Sources, lab: str) -> Line:
    """Hours as they were posted: as approved, or after so many corrections; or exactly that taken back."""
    event, seconds = leg.entry, seconds_of(leg.entry, hours, sources)
    rate = hours.rate_minor or 0
    gross = pay_for(seconds, rate)
    return Line(
        at=event.effective_at,
        kind=event.kind,
        subject=event.source_id,
        text=_joined(label_of(event.kind), hours.get_activity_display()),
        amount=Money(leg.amount, leg.currency),
        entry=hours.public_id,
        contract=hours.contract.public_id,
        lab=lab,
        day=hours.local_day,
        seconds=seconds,
        rate=Money(rate, leg.currency),
        gross=Money(gross, leg.currency),
        held=Money(gross - leg.amount, leg.currency),
        reverses=hours.public_id if event.reverses else "",
    )


def seconds_of(event: JournalEntry, hours: TimeEntry, sources: Sources) -> int:
    """How many seconds an event posted of an entry: as approved or after so many corrections; negative when reversed."""
    posted = event.reverses or event
    seconds = hours.seconds + sum(sources.corrections[hours.pk][: posted.seq])
    return -seconds if event.reverses else seconds


def _joined(label: str, more: str) -> str:
    return _("%(label)s: %(more)s") % {"label": label, "more": more} if more else label
