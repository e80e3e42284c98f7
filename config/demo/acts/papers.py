"""Act 8: what people keep: the statement as a file and in Arabic, the labs' monthly invoices, the page that finance reads."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal
from functools import partial

from config.demo import cast
from config.demo.api import Json
from config.demo.oracle import ZERO
from config.demo.stage import Stage, amount

FINANCE = "/admin/finance/"
READER = cast.CARDIOLOGIST
BILLED_HOUR = 2  # UTC: after the month's end in the zone whose months are billed


def take_statement_home(stage: Stage) -> None:
    """One expert takes the statement as PDF, as a table that adds up, and as a page in Arabic."""
    api = stage.expert(READER)
    statement = next(iter(api.pages("/statements")))
    path, paid = f"/statements/{statement['id']}/download", amount(statement["paid"])
    pdf = api.download(path, format="pdf")
    stage.check("the statement as PDF", (b"%PDF-", True), (pdf.body[:5], b"%%EOF" in pdf.body[-32:]))
    rows = list(csv.DictReader(io.StringIO(api.download(path, format="csv").text)))
    *moved, closing = [Decimal(row["amount"]) for row in rows]
    stage.check("the statement as a table adds up", closing, sum(moved, ZERO))
    page = api.download(path, language="ar", format="html").text
    stage.check(
        "the statement in Arabic reads from the right", (True, True), ('lang="ar"' in page, 'dir="rtl"' in page)
    )
    stage.check("the statement in Arabic has the same amount", True, str(paid) in page.replace(",", ""))
    stage.step(f"{READER.name} downloaded the statement as PDF and as a table, and read it in Arabic")


def bill_the_month(stage: Stage) -> None:
    """The month ends, and every lab finds its invoices: pay and fee of all that was approved, and nothing else."""
    now = stage.advance("PT1S")
    first = (now.replace(day=1) + dt.timedelta(days=32)).replace(day=1, hour=BILLED_HOUR, minute=0, second=0)
    first = stage.advance_to(first.replace(microsecond=0))
    for role in cast.LABS:
        invoices = stage.wait(f"the invoice of {role.name}", partial(_billed, stage, role, first.date()))
        spent = stage.books.spent(role.name, role.currency)
        billed = [amount(row["total"]) - amount(row["credited"]) for row in invoices]
        stage.check(f"invoices of {role.name}", spent, sum(billed, ZERO))
        for invoice in invoices:
            parts = [
                amount(invoice[name][kind]) for name in ("hours", "extras", "corrections") for kind in ("pay", "fee")
            ]
            stage.check(f"parts of {invoice['number']}", amount(invoice["total"]), sum(parts, ZERO))
            pdf = stage.lab(role).download(f"/invoices/{invoice['id']}/download", format="pdf")
            stage.check(f"{invoice['number']} as PDF", b"%PDF-", pdf.body[:5])
        numbers = ", ".join(invoice["number"] for invoice in invoices)
        stage.step(f"{role.name} got {numbers}: {spent} {role.currency}, as the books say")


def finance_looks(stage: Stage) -> None:
    """One page tells finance whether the books hold, what was earned, and what is set aside, in every currency."""
    text = stage.desk(cast.PREPARER).open(FINANCE).text.replace(",", "")
    stage.check("the lamp of the finance page", True, "trial balance is zero in every currency" in text)
    for lab, currency in stage.books.labs():
        sign = {"USD": "$", "EUR": "€"}[currency]
        for label, found in (
            ("platform fees earned", stage.books.fees(currency)),
            ("lab's money reserved for a contract", stage.books.reserved(lab, currency)),
        ):
            line = f"{label} {sign}{found}"
            stage.check(f"finance page: {label} in {currency}", line, line if line in text else text)
    stage.step(f"{cast.PREPARER.name} looked at the finance page: its figures are the computed ones")


def _billed(stage: Stage, role: cast.LabRole, upto: dt.date) -> list[Json]:
    """The lab's invoices once one reaches to the end of the month; none before."""
    found: list[Json] = list(stage.lab(role).pages("/invoices"))
    return found if any(row["period_end"] == upto.isoformat() for row in found) else []
