"""Numbers of papers: gapless whoever asks, however many ask at once, and whatever fails in between."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from core.public import Tenant
from payments.models import DocumentSeries, Invoice
from payments.operations.labs import series
from tests.payments import ledger_story as story
from tests.payments.ledger_story import NOW

pytestmark = pytest.mark.django_db(transaction=True)
PREFIX = "INV-2026-"


def fields(tenant: Tenant, month: int, **numbering: Any) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "currency": "USD",
        "period_start": dt.date(2026, 1, 1) + dt.timedelta(days=31 * month),
        "period_end": dt.date(2030, 1, 1),
        "after_entry": month,
        "upto_entry": month + 1,
        "work_minor": 100,
        "work_fee_minor": 30,
        "extra_minor": 0,
        "extra_fee_minor": 0,
        "correction_minor": 0,
        "correction_fee_minor": 0,
        "total_minor": 130,
        "parties": {},
        "issued_at": NOW,
        **numbering,
    }


def issue(tenant: Tenant, month: int) -> Invoice:
    with story.platform():
        taken = series.take(kind="invoice", issuer="cadre", year=2026, prefix=PREFIX)
        return Invoice.objects.create(**fields(tenant, month, **taken))


def numbers() -> list[int]:
    with story.platform():
        return list(Invoice.objects.order_by("number").values_list("number", flat=True))


def test_papers_are_numbered_from_one() -> None:
    lab = story.new_lab()
    assert [issue(lab, month).reference for month in range(3)] == [f"INV-2026-00000{n}" for n in (1, 2, 3)]


def test_a_paper_that_fails_leaves_no_hole() -> None:
    lab = story.new_lab()
    issue(lab, 0)
    with pytest.raises(IntegrityError):
        issue(lab, 0)  # the same month again
    issue(lab, 1)
    assert numbers() == [1, 2]


def test_many_at_once_leave_no_hole() -> None:
    labs = [story.new_lab() for _ in range(8)]

    def one(n: int) -> None:
        try:
            issue(labs[n % 8], n // 8 if n % 3 else 0)  # every third one fails: its month is billed already
        except IntegrityError:
            pass
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(one, range(24)))
    made = numbers()
    assert 8 <= len(made) < 24
    assert made == list(range(1, len(made) + 1))


@pytest.mark.parametrize("number", [0, 2, 7])
def test_the_database_refuses_a_hole(number: int) -> None:
    lab = story.new_lab()
    with story.platform():
        taken = series.take(kind="invoice", issuer="cadre", year=2026, prefix=PREFIX)
        with pytest.raises(IntegrityError, match="not the next one"), transaction.atomic():
            Invoice.objects.create(**fields(lab, 0, **{**taken, "number": number}))
    assert numbers() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payments_documentseries SET last_number = 7",
        "UPDATE payments_documentseries SET prefix = 'X-'",
        "DELETE FROM payments_documentseries",
        (
            "INSERT INTO payments_documentseries (kind, issuer, year, prefix, last_number, created_at)"
            " VALUES ('invoice', 'x', 2026, 'X-', 5, now())"
        ),
        "UPDATE payments_invoice SET number = 9, reference = 'INV-2026-000009'",
        "UPDATE payments_invoice SET total_minor = total_minor + 1, work_minor = work_minor + 1",
        "DELETE FROM payments_invoice",
    ],
)
def test_nobody_counts_or_rewrites_by_hand(statement: str) -> None:
    issue(story.new_lab(), 0)
    with pytest.raises(DatabaseError), story.platform(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert numbers() == [1]
    assert DocumentSeries.objects.get().last_number == 1


def test_every_issuer_and_year_has_its_own_series() -> None:
    lab = story.new_lab()
    with story.platform():
        for n, (issuer, year) in enumerate([("cadre", 2026), ("cadre", 2027), ("other", 2026)]):
            taken = series.take(kind="invoice", issuer=issuer, year=year, prefix=f"{issuer}-{year}-")
            made = Invoice.objects.create(**fields(lab, n, **taken))
            assert (made.number, made.reference) == (1, f"{issuer}-{year}-000001")
