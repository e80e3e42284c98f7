"""`/expert/payouts` and `/expert/statements`: what was paid, and why so much."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from django.http import HttpResponse
from rest_framework import serializers

from core.api.call import Call, Download
from core.api.endpoint import endpoint
from core.api.lookup import get_or_404
from core.api.types import (
    Currency,
    Day,
    Doc,
    Duration,
    Example,
    IdOf,
    Link,
    MoneyOut,
    RateOut,
    Timestamp,
    render_duration,
    render_money,
    render_rate,
)
from core.api.views import ExpertView
from core.money import Money
from payments import statement_documents
from payments.models import Payout, Statement
from payments.queries import statement_lines
from payments.queries.statement_lines import Line

HTML, CSV = "text/html", "text/csv"
StatementId = Annotated[str, IdOf("stm")]


class PayoutOut(TypedDict):
    """Money on its way to you."""

    id: Annotated[str, IdOf("pay")]
    amount: Annotated[MoneyOut, Doc("What is sent.")]
    withheld: Annotated[MoneyOut, Doc("Tax kept back from it; with the amount it is what you were owed.")]
    status: Annotated[
        str,
        Doc("ready, sending, unknown, submitted, in_transit, paid, returned, failed, on_hold or cancelled."),
        Example("paid"),
    ]
    pays_on: Annotated[Day, Doc("The payday of its run.")]
    account: Annotated[str, Doc("Where to: its last characters."), Example("DE••••3000")]
    reason: Annotated[str, Doc("Why it failed or waits, by the provider's code."), Example("")]
    statement: StatementId
    paid_at: Timestamp | None
    created_at: Timestamp


class PayoutFilters(serializers.Serializer[None]):
    """Filters."""

    status = serializers.ChoiceField(choices=Payout.Status.choices, required=False)


class StatementOut(TypedDict):
    """What a payout consists of."""

    id: StatementId
    number: Annotated[int, Doc("Counts your statements in this currency."), Example(3)]
    payout: Annotated[str, IdOf("pay")]
    currency: Currency
    opening: MoneyOut
    closing: Annotated[MoneyOut, Doc("What was earned since the cutoff: it opens the next statement.")]
    paid: MoneyOut
    issued_at: Timestamp
    download: Link


class StatementLineOut(TypedDict):
    """One movement on your account."""

    at: Timestamp
    kind: Annotated[str, Example("time_approved")]
    subject: Annotated[str, Doc("What it is about: a time entry, an adjustment, a payout."), IdOf("tme")]
    text: Annotated[str, Example("Approved hours: task")]
    day: Day | None
    duration: Duration | None
    rate: RateOut | None
    gross: Annotated[MoneyOut | None, Doc("The pay before any holdback.")]
    amount: Annotated[MoneyOut, Doc("What it changed; negative when it left your account.")]


class StatementDetailOut(StatementOut):
    """A statement with its lines: opening + lines = closing."""

    lines: list[StatementLineOut]


class DownloadFormat(serializers.Serializer[None]):
    """Which view of it."""

    format = serializers.ChoiceField(choices=["html", "csv"], required=False, default="html")


def render_payout(row: Payout) -> PayoutOut:
    """A payout; run, method and statement are joined."""
    return {
        "id": row.public_id,
        "amount": render_money(Money(row.amount_minor, row.currency)),
        "withheld": render_money(Money(row.withheld_minor, row.currency)),
        "status": row.status,
        "pays_on": row.run.pays_on,
        "account": row.payout_method.masked,
        "reason": row.reason_code,
        "statement": row.statement.public_id,
        "paid_at": row.paid_at,
        "created_at": row.created_at,
    }


def render_statement(row: Statement) -> StatementOut:
    """A statement; its payout is joined."""
    return {
        "id": row.public_id,
        "number": row.number,
        "payout": row.payout.public_id,
        "currency": row.currency,
        "opening": render_money(Money(row.opening_minor, row.currency)),
        "closing": render_money(Money(row.closing_minor, row.currency)),
        "paid": render_money(Money(row.payout.amount_minor, row.currency)),
        "issued_at": row.issued_at,
        "download": f"/api/v1/expert/statements/{row.public_id}/download",
    }


def render_line(line: Line) -> StatementLineOut:
    """One movement."""
    return {
        "at": line.at,
        "kind": line.kind,
        "subject": line.subject,
        "text": line.text,
        "day": line.day,
        "duration": None if line.seconds is None else render_duration(line.seconds),
        "rate": None if line.rate is None else render_rate(line.rate),
        "gross": None if line.gross is None else render_money(line.gross),
        "amount": render_money(line.amount),
    }


def _payouts(call: Call) -> Any:
    return Payout.objects.visible_to(call.principal).select_related("run", "payout_method", "statement")


def _statements(call: Call) -> Any:
    return Statement.objects.visible_to(call.principal).select_related("payout__payout_method", "payout__expert")


class PayoutList(ExpertView):
    """The expert's payouts."""

    @endpoint(summary="List my payouts", query=PayoutFilters, returns=PayoutOut, paginated=True, render=render_payout)
    def get(self, call: Call) -> Any:
        """Newest first."""
        return _payouts(call).filter(**call.query)


class PayoutDetail(ExpertView):
    """One payout."""

    @endpoint(summary="Show a payout", returns=PayoutOut)
    def get(self, call: Call, payout_id: str) -> PayoutOut:
        """Where the money is now."""
        return render_payout(get_or_404(_payouts(call), payout_id))


class StatementList(ExpertView):
    """The expert's statements."""

    @endpoint(summary="List my statements", returns=StatementOut, paginated=True, render=render_statement)
    def get(self, call: Call) -> Any:
        """Newest first; one for each payout, without a gap between them."""
        return _statements(call)


class StatementDetail(ExpertView):
    """One statement."""

    @endpoint(summary="Show a statement", returns=StatementDetailOut)
    def get(self, call: Call, statement_id: str) -> StatementDetailOut:
        """With every movement of the ledger in it."""
        row = get_or_404(_statements(call), statement_id)
        return {**render_statement(row), "lines": [render_line(line) for line in statement_lines.lines_of(row)]}


class StatementDownload(ExpertView):
    """A statement to keep."""

    @endpoint(summary="Download a statement", query=DownloadFormat, returns=Download(HTML, CSV))
    def get(self, call: Call, statement_id: str) -> HttpResponse:
        """As a page (`html`) or for a spreadsheet (`csv`)."""
        row = get_or_404(_statements(call), statement_id)
        lines = statement_lines.lines_of(row)
        as_csv = call.query["format"] == "csv"
        content = statement_documents.csv_text(row, lines) if as_csv else statement_documents.html(row, lines)
        response = HttpResponse(content, content_type=f"{CSV if as_csv else HTML}; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{row.public_id}.{call.query["format"]}"'
        response["X-Content-Type-Options"] = "nosniff"
        return response
