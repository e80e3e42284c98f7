"""Names of accounts as plain values: what an entry moves money between, before anybody knows a primary key."""

from __future__ import annotations

from typing import NamedTuple


class AccountKey(NamedTuple):
    """One account in one currency. ``detail`` is a provider, a reservation's public id or a kind of expense.

    A tuple, since a batch of hours makes and compares tens of thousands of them.
    """

    kind: str
    currency: str
    tenant_id: int | None = None
    expert_id: int | None = None
    detail: str = ""

    @property
    def text(self) -> str:
        """The unique key in the table, "expert_payable:7:USD"."""
        owner = self.tenant_id or self.expert_id
        return ":".join(str(part) for part in (self.kind, owner, self.detail, self.currency) if part)


SANDBOX = "sandbox"
"""Detail of accounts in which nothing is real: hours in a lab's sandbox are never paid out, their fees never earned."""


def lab_prepaid(tenant_id: int, currency: str) -> AccountKey:
    """What a lab has paid in and not yet used."""
    return AccountKey("lab_prepaid", currency, tenant_id=tenant_id)


def lab_reserved(tenant_id: int, reservation: str, currency: str) -> AccountKey:
    """What a lab has set aside for one contract; ``reservation`` is the public id."""
    return AccountKey("lab_reserved", currency, tenant_id=tenant_id, detail=reservation)


def lab_receivable(tenant_id: int, currency: str) -> AccountKey:
    """What a lab owes for approved hours that its money did not cover (negative)."""
    return AccountKey("lab_receivable", currency, tenant_id=tenant_id)


def payable(expert_id: int, currency: str, *, sandbox: bool = False) -> AccountKey:
    """What we owe an expert."""
    return AccountKey("expert_payable", currency, expert_id=expert_id, detail=SANDBOX if sandbox else "")


def holdback(expert_id: int, currency: str, *, sandbox: bool = False) -> AccountKey:
    """What is held back for an expert until a date or a dispute's end."""
    return AccountKey("expert_holdback", currency, expert_id=expert_id, detail=SANDBOX if sandbox else "")


def fee_income(currency: str, *, sandbox: bool = False) -> AccountKey:
    """The platform's fees; those of sandboxes were never earned."""
    return AccountKey("fee_income", currency, detail=SANDBOX if sandbox else "")


def cash(provider: str, currency: str) -> AccountKey:
    """Our money at a provider or bank (negative, since we own it)."""
    return AccountKey("cash", currency, detail=provider)


def transit(provider: str, currency: str) -> AccountKey:
    """Payouts that left an expert's payable and are not confirmed yet."""
    return AccountKey("transit", currency, detail=provider)


def tax_withheld(currency: str) -> AccountKey:
    """What was kept back from payouts for the tax office."""
    return AccountKey("tax_withheld", currency)


def expense(kind: str, currency: str) -> AccountKey:
    """What the platform itself pays for: bonuses, provider fees, losses."""
    return AccountKey("expense", currency, detail=kind)


def vat(country: str, currency: str) -> AccountKey:
    """VAT that labs were charged and that is owed to a country's tax office."""
    return AccountKey("vat", currency, detail=country)


def fx(currency: str) -> AccountKey:
    """Our open position in a currency from exchanges: positive while we owe the market less of it than we took."""
    return AccountKey("fx", currency)


def suspense(provider: str, currency: str) -> AccountKey:
    """Money that came in and whose owner is not known yet: we owe it to somebody."""
    return AccountKey("suspense", currency, detail=provider)


def capital(currency: str) -> AccountKey:
    """The platform's own money: what was on an account before its first statement."""
    return AccountKey("capital", currency)
