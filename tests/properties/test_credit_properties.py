"""Whatever is credited, taken back, corrected and disputed, in whatever order: a lab gets back at most what it was billed."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from itertools import count
from typing import Any

import pytest
from django.conf import settings as configured
from django.db import transaction
from django.db.models import Sum
from django.test import override_settings
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.money import Money
from core.problems import DomainError
from payments.models import Adjustment, CreditNote, Dispute, Invoice, Posting, TimeEntry
from payments.operations.hours import disputes
from payments.operations.labs import credit_notes, invoices
from payments.operations.pay import adjustments, clawbacks
from payments.queries import ledger_findings
from tests.payments import ledger_story as story
from tests.payments import paper_world as papers
from tests.payments.hours_world import HOUR, PLATFORM, World, platform

pytestmark = pytest.mark.django_db
ACTS = st.one_of(
    st.tuples(st.just("credit"), st.sampled_from([credit_notes.FEE, credit_notes.EVERYTHING])),
    st.tuples(st.just("claw_back"), st.integers(0, 3), st.integers(1, 30_000)),
    st.tuples(st.just("correct"), st.integers(0, 2), st.integers(0, 9_000)),
    st.tuples(st.just("dispute"), st.integers(0, 2), st.integers(0, 9_000)),
    st.tuples(st.just("reinstate"), st.integers(0, 9)),
    st.tuples(st.just("work"), st.integers(1, 120)),
    st.tuples(st.just("close")),
)
STORIES = st.lists(ACTS, min_size=3, max_size=10)
BETWEEN_TWO_MONTHS = [
    ("claw_back", 0, 88), ("correct", 0, 6408), ("close",), ("claw_back", 0, 1775), ("work", 37), ("credit", "fee"),
    ("reinstate", 2), ("correct", 2, 694),
]  # fmt: skip
"""What was taken back in one month is given back in the next, before a paper of the first is written."""
_names = count(1)


class Lab:
    """One lab and its expert, and what people do to them; what is refused has not happened."""

    def __init__(self, funded_minor: int) -> None:
        self.world: World = papers.with_extras(
            papers.build(f"Ada{next(_names)}", week_cap=6 * HOUR, funded_minor=funded_minor)
        )
        self.month, self.now = 12, dt.datetime(2026, 12, 1, 1, tzinfo=dt.UTC)
        self.staff, self.judge = story.new_user(), story.new_user()
        self.seen: Counter[str] = Counter()
        self.bill()

    def do(self, act: tuple[Any, ...]) -> None:
        self.now += dt.timedelta(minutes=10)
        try:
            with platform(), transaction.atomic():
                getattr(self, act[0])(*act[1:])
        except DomainError:
            return
        self.seen[act[0]] += 1

    def bill(self) -> None:
        invoices.issue_due(now=self.now, tenant_id=self.world.tenant.pk)

    def close(self) -> None:
        self.month += 1
        self.now = dt.datetime(2026 + (self.month - 1) // 12, (self.month - 1) % 12 + 1, 1, 1, tzinfo=dt.UTC)
        self.bill()

    def entry(self, which: int) -> TimeEntry:
        return self.world.contract.time_entries.order_by("pk")[which]

    def credit(self, part: str) -> None:
        open_ones = list(Invoice.objects.filter(tenant=self.world.tenant).order_by("pk"))
        invoice = open_ones[len(self.seen) % len(open_ones)]
        credit_notes.credit(invoice=invoice, part=part, reason="Late", by=self.staff, now=self.now)

    def claw_back(self, which: int, minor: int) -> None:
        mine = Adjustment.objects.filter(tenant=self.world.tenant)
        source = mine.get(kind="bonus") if which == 3 else self.entry(which)
        found = clawbacks.find(source.public_id)
        clawbacks.claw_back(
            source=found, amount=Money(minor, "USD"), reason="Twice", decided_by=self.staff, now=self.now
        )

    def correct(self, which: int, counted: int) -> None:
        adjustments.correct(
            entry=self.entry(which), counted=counted, reason="Idle", decided_by=self.staff, now=self.now
        )

    def dispute(self, which: int, proposed: int) -> None:
        made = disputes.open_against(
            entry=self.entry(which), reason="A break", proposed_seconds=proposed, decided_by=self.world.member,
            by=PLATFORM, what_changed="The recording came.", now=self.now,
        )  # fmt: skip
        disputes.answer(dispute=made, text="Work", by=PLATFORM, now=self.now)
        disputes.decide(dispute=made, outcome=Dispute.Status.UPHELD, note="Read", decided_by=self.judge, now=self.now)

    def reinstate(self, which: int) -> None:
        taken = list(Adjustment.objects.filter(tenant=self.world.tenant, kind="clawback").order_by("pk"))
        if taken:
            clawbacks.reinstate(
                clawback=taken[which % len(taken)], reason="A mistake", decided_by=self.judge, now=self.now
            )

    def work(self, minutes: int) -> None:
        since = (self.now - papers.DAY * 6).replace(hour=9, minute=0)
        papers.worked(self.world, minutes, since=since)

    # -- What must hold

    def _sum(self, **legs: Any) -> int:
        return Posting.objects.filter(**legs).aggregate(total=Sum("amount"))["total"] or 0

    def assert_given_back_once(self) -> None:
        """By each invoice and part; all that the lab has is never more than it paid in."""
        with platform():
            for invoice in Invoice.objects.filter(tenant=self.world.tenant):
                sums = invoice.credit_notes.aggregate(
                    **{part: Sum(f"{part}_minor") for part in ("gross", "fee", "vat")}
                )
                for part, given in sums.items():
                    assert 0 <= (given or 0) <= getattr(invoice, f"{part}_minor"), part
            has = self._sum(account__tenant=self.world.tenant)
            assert has <= -self._sum(entry__tenant=self.world.tenant, account__kind="cash")

    def assert_the_expert_is_told_the_truth(self) -> None:
        """He has what stands of his hours and adjustments, whoever pays for it."""
        with platform():
            approved = self.world.contract.time_entries.aggregate(total=Sum("gross_minor"))["total"]
            changes = Adjustment.objects.filter(tenant=self.world.tenant, status="posted")
            changed = changes.aggregate(total=Sum("amount_minor"))["total"]
            assert self._sum(account__expert=self.world.expert) == approved + changed

    def assert_papers_are_the_ledger(self) -> None:
        """Once all months are closed: pay (the platform's own pocket counted), fee and VAT."""
        with platform():
            billed = Invoice.objects.filter(tenant=self.world.tenant)
            notes = CreditNote.objects.filter(tenant=self.world.tenant)
            left = {
                part: sum(getattr(row, part) for row in billed) - sum(getattr(row, part) for row in notes)
                for part in ("gross_minor", "fee_minor", "vat_minor")
            }
            own = {"entry__tenant": self.world.tenant}
            pay = self._sum(**own, account__kind__in=("expert_payable", "expert_holdback", "expense"))
            assert left["gross_minor"] == pay
            assert left["fee_minor"] == self._sum(**own, account__kind="fee_income")
            assert left["vat_minor"] == self._sum(**own, account__kind="vat")
            assert min(left.values()) >= 0


@example(acts=BETWEEN_TWO_MONTHS, vat_bp=777, funded_minor=1_000_000)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(acts=STORIES, vat_bp=st.sampled_from([0, 1_900, 777]), funded_minor=st.sampled_from([1_000_000, 250_000]))
def test_a_lab_gets_back_at_most_what_it_was_billed(
    acts: list[tuple[Any, ...]], vat_bp: int, funded_minor: int
) -> None:
    with override_settings(ISSUER={**configured.ISSUER, "country": "DE"}, VAT_RATES={"DE": vat_bp} if vat_bp else {}):
        lab = Lab(funded_minor)
        for act in [*acts, ("close",), ("close",)]:
            lab.do(act)
            lab.assert_given_back_once()
            lab.assert_the_expert_is_told_the_truth()
        lab.assert_papers_are_the_ledger()
        with platform():
            assert ledger_findings.findings() == []
