"""The self-billing invoice: what the directive asks an invoice to say (2006/112/EC, article 226), no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.utils.translation import gettext as _

from core.money import Money
from payments.models import SelfBillingInvoice
from payments.papers import spreadsheet
from payments.papers.languages import Formats, speaking
from payments.papers.paper import Column, Fact, Paper, Row, Table, Text
from payments.tax import Treatment

CSV_HEAD: Final = (
    "reference", "type", "corrects", "issued_at", "supplied_on", "supplier", "supplier_vat_id", "customer",
    "customer_vat_id", "payout", "net", "vat", "total", "currency", "treatment",
)  # fmt: skip


def paper(invoice: SelfBillingInvoice, supplier: Mapping[str, str], *, language: str) -> Paper:
    """As a paper; ``invoice.corrects`` and ``invoice.payout`` with its statement are joined."""
    with speaking(language) as formats:
        return Paper(
            title=_("Self-billing credit note") if _is_credit(invoice) else _("Self-billing invoice"),
            reference=invoice.reference,
            language=language,
            issued_at=invoice.issued_at,
            facts=_facts(invoice, supplier, formats),
            tables=(_amounts(invoice, formats),),
            notes=_notes(invoice),
        )


def csv(invoice: SelfBillingInvoice, supplier: Mapping[str, str]) -> str:
    """One line; a credit note's amounts are negative."""
    net = _signed(invoice)
    return spreadsheet.render(
        CSV_HEAD,
        [
            [
                invoice.reference,
                invoice.type,
                invoice.corrects.reference if invoice.corrects else "",
                invoice.issued_at.isoformat(),
                invoice.supplied_on.isoformat(),
                supplier["name"],
                supplier["vat_id"],
                invoice.customer["name"],
                invoice.customer["vat_id"],
                invoice.payout.public_id,
                net,
                Money(0, invoice.currency),
                net,
                invoice.currency,
                invoice.treatment,
            ]
        ],
    )


def _facts(invoice: SelfBillingInvoice, supplier: Mapping[str, str], formats: Formats) -> tuple[Fact, ...]:
    facts = [
        Fact(_("Number"), (Text(invoice.reference, ltr=True),)),
        Fact(_("Issued"), (formats.day(invoice.issued_at.date()),)),
        Fact(_("Supplied and paid on"), (formats.day(invoice.supplied_on),)),
        Fact(_("Supplier"), _party(supplier, formats)),
        Fact(_("Customer, who writes this invoice"), _party(invoice.customer, formats)),
    ]
    if invoice.corrects is not None:
        facts.append(Fact(_("Corrects"), (Text(invoice.corrects.reference, ltr=True),)))
    return tuple(facts)


def _party(party: Mapping[str, str], formats: Formats) -> tuple[Text, ...]:
    lines = [Text(party["name"]), *(Text(line) for line in party["address"].splitlines())]
    lines.append(Text(formats.country(party["country"])))
    if party["vat_id"]:
        lines.append(Text(_("VAT id %(number)s") % {"number": party["vat_id"]}))
    return tuple(lines)


def _amounts(invoice: SelfBillingInvoice, formats: Formats) -> Table:
    net = _signed(invoice)
    what = Text(_("Expert services"), notes=(invoice.payout.public_id, invoice.payout.statement.public_id))
    return Table(
        _("Amount"),
        (Column(_("What"), 7), Column(_("Amount"), 3, is_figure=True)),
        [
            Row((what, formats.money(net))),
            Row((Text(_("VAT")), formats.money(Money(0, invoice.currency)))),
            Row((Text(_("Total")), formats.money(net)), is_sum=True),
        ],
    )


def _notes(invoice: SelfBillingInvoice) -> tuple[str, ...]:
    notes = {
        Treatment.REVERSE_CHARGE: _(
            "Reverse charge: the recipient of the service owes the VAT (Article 196 of Directive 2006/112/EC)."
        ),
        Treatment.OUTSIDE_SCOPE: _("Outside the scope of EU VAT: supplied where the customer is (article 44)."),
    }
    return (
        _("Self-billing: written by the customer in the name of the supplier, who agreed to it."),
        notes[Treatment(invoice.treatment)],
        _("The lines behind the amount are on the payout's statement."),
    )


def _signed(invoice: SelfBillingInvoice) -> Money:
    return Money(-invoice.amount_minor if _is_credit(invoice) else invoice.amount_minor, invoice.currency)


def _is_credit(invoice: SelfBillingInvoice) -> bool:
    return invoice.type == SelfBillingInvoice.Type.CREDIT_NOTE
