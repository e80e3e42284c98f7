"""The lab's invoice and its credit notes: experts' pay and the platform's fee apart, line by line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from django.utils.translation import gettext as _

from core.money import Money
from payments.models import CreditNote, Invoice
from payments.papers import spreadsheet
from payments.papers.languages import Formats, speaking
from payments.papers.paper import EMPTY, Column, Fact, Paper, Row, Table, Text
from payments.queries.invoice_lines import Balance, Line
from payments.vat import OUTSIDE_SCOPE, REVERSE_CHARGE

CSV_HEAD: Final = (
    "day",
    "kind",
    "subject",
    "expert",
    "contract",
    "activity",
    "seconds",
    "rate_per_hour",
    "gross",
    "fee",
    "total",
    "currency",
    "booked_on",
)


def paper(invoice: Invoice, lines: Sequence[Line], balance: Balance, *, language: str) -> Paper:
    """As a paper; ``lines`` are in the same language."""
    with speaking(language) as formats:
        return Paper(
            title=_("Invoice %(reference)s") % {"reference": invoice.reference},
            reference=invoice.public_id,
            language=language,
            issued_at=invoice.issued_at,
            facts=(
                Fact(_("Period"), (_period(invoice, formats),)),
                Fact(_("Issued"), (formats.instant(invoice.issued_at),)),
                *_parties(invoice.parties, language),
                Fact(_("Total"), (_money(invoice.total_minor, invoice, formats),)),
                Fact(_("Due"), (_money(invoice.due_minor, invoice, formats),)),
            ),
            tables=(_sums(invoice, formats), _balance(invoice, balance, formats), _charges(lines, formats)),
            notes=_notes(invoice),
        )


def credit_paper(note: CreditNote, lines: Sequence[Line], *, language: str) -> Paper:
    """A credit note as a paper; its invoice is joined."""
    with speaking(language) as formats:
        rows = [
            (_("Experts' pay"), note.gross_minor),
            (_("Platform's fee"), note.fee_minor),
            *([(_("VAT"), note.vat_minor)] if note.vat_minor else []),
        ]
        total = Row((Text(_("Total credited")), _money(note.total_minor, note, formats)), is_sum=True)
        return Paper(
            title=_("Credit note %(reference)s") % {"reference": note.reference},
            reference=note.public_id,
            language=language,
            issued_at=note.issued_at,
            facts=(
                Fact(_("For invoice"), (Text(note.invoice.reference, ltr=True),)),
                Fact(_("Issued"), (formats.instant(note.issued_at),)),
                *_parties(note.invoice.parties, language),
                Fact(_("Reason"), (Text(note.reason),)),
            ),
            tables=(
                Table(
                    _("Summary"),
                    (Column(_("What"), 7), Column(_("Amount"), 3, is_figure=True)),
                    [*(Row((Text(label), _money(minor, note, formats))) for label, minor in rows), total],
                ),
                *((_charges(lines, formats),) if lines else ()),
            ),
            notes=(_("What is credited was given back to your balance, where it paid your debt first."),),
        )


def csv(lines: Iterable[Line]) -> str:
    """One line per charge: every approved time entry, bonus and correction."""
    return spreadsheet.render(
        CSV_HEAD,
        [
            [
                line.day.isoformat(),
                line.kind,
                line.subject,
                line.pseudonym,
                line.contract,
                line.activity,
                line.seconds,
                line.rate,
                line.gross,
                line.fee,
                line.total,
                line.total.currency,
                line.booked_on.isoformat(),
            ]
            for line in lines
        ],
    )


def _money(minor: int, paper_: Invoice | CreditNote, formats: Formats) -> Text:
    return formats.money(Money(minor, paper_.currency))


def _period(invoice: Invoice, formats: Formats) -> Text:
    last = invoice.period_end - dt.timedelta(days=1)
    return Text(f"{formats.day(invoice.period_start).text} – {formats.day(last).text}")


def _parties(parties: Mapping[str, Mapping[str, str]], language: str) -> tuple[Fact, ...]:
    facts = [
        Fact(_("From"), _address(parties["issuer"], language)),
        Fact(_("To"), _address(parties["lab"], language)),
    ]
    if order := parties["lab"].get("purchase_order"):
        facts.append(Fact(_("Your reference"), (Text(order),)))
    return tuple(facts)


def _address(party: Mapping[str, str], language: str) -> tuple[Text, ...]:
    country = Formats(language).country(party["country"])
    town = " ".join(filter(None, (party["postal_code"], party["city"])))
    lines = [Text(line) for line in (party["legal_name"], party["street"], town, country) if line]
    if party["vat_id"]:
        lines.append(Text(_("VAT id %(number)s") % {"number": party["vat_id"]}))
    return tuple(lines)


def _sums(invoice: Invoice, formats: Formats) -> Table:
    columns = (
        Column(_("What"), 4),
        Column(_("Experts' pay"), 3, is_figure=True),
        Column(_("Platform's fee"), 3, is_figure=True),
        Column(_("Amount"), 3, is_figure=True),
    )
    parts = (
        (_("Approved hours"), invoice.work_minor, invoice.work_fee_minor, False),
        (_("Beside the hours"), invoice.extra_minor, invoice.extra_fee_minor, False),
        (_("Corrections"), invoice.correction_minor, invoice.correction_fee_minor, False),
        (_("Net"), invoice.gross_minor, invoice.fee_minor, True),
    )
    rows = [
        Row((Text(label), *(_money(minor, invoice, formats) for minor in (gross, fee, gross + fee))), is_sum=is_sum)
        for label, gross, fee, is_sum in parts
    ]
    if invoice.vat_bp is not None:
        label = _("VAT %(rate)s") % {"rate": formats.percent(invoice.vat_bp).text}
        rows.append(Row((Text(label), EMPTY, EMPTY, _money(invoice.vat_minor, invoice, formats))))
    total = _money(invoice.total_minor, invoice, formats)
    return Table(_("Summary"), columns, [*rows, Row((Text(_("Total")), EMPTY, EMPTY, total), is_sum=True)])


def _balance(invoice: Invoice, balance: Balance, formats: Formats) -> Table:
    parts = (
        (_("Opening balance"), balance.opening_minor, True),
        (_("Paid in"), balance.paid_in_minor, False),
        (_("Paid back to you"), balance.paid_out_minor, False),
        (_("Charged"), balance.charged_minor, False),
        *([(_("VAT, credits and exchange"), balance.other_minor, False)] if balance.other_minor else []),
        (_("Closing balance"), balance.closing_minor, True),
    )
    return Table(
        _("Your balance over the period, reserved money included"),
        (Column(_("What"), 7), Column(_("Amount"), 3, is_figure=True)),
        [Row((Text(label), _money(minor, invoice, formats)), is_sum=is_sum) for label, minor, is_sum in parts],
    )


def _charges(lines: Sequence[Line], formats: Formats) -> Table:
    columns = (
        Column(_("Date"), 13),
        Column(_("What"), 30),
        Column(_("Time"), 9, is_figure=True),
        Column(_("Rate per hour"), 13, is_figure=True),
        Column(_("Experts' pay"), 13, is_figure=True),
        Column(_("Platform's fee"), 13, is_figure=True),
        Column(_("Amount"), 13, is_figure=True),
    )
    return Table(_("Every charge"), columns, [_row(line, formats) for line in lines])


def _row(line: Line, formats: Formats) -> Row:
    return Row(
        (
            formats.day(line.day),
            Text(_what(line), notes=tuple(filter(None, (line.pseudonym, line.subject, _late(line, formats))))),
            EMPTY if line.seconds is None else formats.hours(line.seconds),
            formats.money(line.rate) if line.rate else EMPTY,
            formats.money(line.gross),
            formats.money(line.fee),
            formats.money(line.total),
        )
    )


def _what(line: Line) -> str:
    label = line.label
    return _("%(label)s: %(more)s") % {"label": label, "more": line.activity} if line.activity else label


def _late(line: Line, formats: Formats) -> str:
    """Why something of an earlier month stands here."""
    if not line.is_late:
        return ""
    return _("Booked on %(day)s, after that month's invoice") % {"day": formats.day(line.booked_on).text}


def _notes(invoice: Invoice) -> tuple[str, ...]:
    words = {
        REVERSE_CHARGE: _(
            "Reverse charge: the recipient of the service owes the VAT (Article 196 of Directive 2006/112/EC)."
        ),
        OUTSIDE_SCOPE: _("Not subject to VAT in the issuer's country: the place of supply is the recipient's."),
    }
    told = words.get(invoice.parties["vat_note"])
    due = (
        _("Please pay what is due in with the reference that POST /api/v1/funding gives you.")
        if invoice.due_minor
        else _("Nothing is due: it was paid from your balance.")
    )
    return (
        *((told,) if told else ()),
        due,
        _(
            "Experts' pay is passed on in full; the platform's fee comes on top. Experts appear by the pseudonyms that only "
            "your lab knows them by."
        ),
    )
