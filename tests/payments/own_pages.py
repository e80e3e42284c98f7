"""The desk's own pages of money, beside Django's: what they want, and what nobody may send them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from payments.models import Account, BankMessage, Funding, PayRun
from tests.crafted import NOBODY
from tests.payments.hours_world import platform

AMOUNTS = ("", "-1.00", "0", "0.00", "1", "1e3", "NaN", "1.001", "9" * 20, "1.00\x00")
TEXTS = ("", " ", "a\x00b", "x" * 5_000)
CURRENCIES = ("", "XXX", "usd", "USD\x00")
USD = {"amount": "1.00", "currency": "USD"}
MONEY: dict[str, tuple[Any, ...]] = {"amount": AMOUNTS, "currency": CURRENCIES}


@dataclass(frozen=True)
class Own:
    """An address, the form that it takes, and for each field what is refused (``worse``).

    ``writes``: the form, as it is, does something. ``proven``: the page asks for a fresh proof first.
    """

    path: str
    needs: str = ""
    form: dict[str, str] = field(default_factory=dict)
    worse: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    proven: bool = False
    writes: bool = True

    @property
    def url(self) -> str:
        return f"/admin/{self.path}"


def own_pages() -> dict[str, Own]:
    """Every page by its name in the URLs."""
    with platform():
        run = PayRun.objects.get(status="review")
        waiting = Funding.objects.filter(status="pending", currency="USD").latest("pk")
        account, message = Account.objects.latest("pk"), BankMessage.objects.latest("pk")
    return {
        "payments_payrun_prepare": Own(
            "payments/payrun/prepare/",
            "payments.prepare_payrun",
            USD,
            {"currency": (*CURRENCIES, "x" * 5_000)},
        ),
        "payments_payrun_release": Own(
            f"payments/payrun/{run.pk}/release/",
            "payments.release_payrun",
            {"digest": run.lines_digest},
            {"digest": ("", "x", run.lines_digest[:-1], run.lines_digest.upper() + "0", "a\x00b")},
            proven=True,
        ),
        "payments_funding_arrived": Own(
            f"payments/funding/{waiting.pk}/arrived/",
            "payments.confirm_funding",
            {**USD, "reason": "-"},
            {**MONEY, "currency": (*CURRENCIES, "EUR"), "reason": TEXTS},
            proven=True,
        ),
        "payments_creditlimit_propose": _limit(str(waiting.tenant_id)),
        **_exchange(),
        **_readers(account=account.pk, message=message.pk),
    }


def _limit(tenant: str) -> Own:
    worse: dict[str, tuple[Any, ...]] = {
        "amount": tuple(amount for amount in AMOUNTS if amount != "0.00"),  # none is a limit, too
        "currency": CURRENCIES,
        "lab": ("", "x", str(NOBODY), "9" * 30),
        "last_day": ("x", "0001-01-01", "2026-11-30"),
        "reason": TEXTS,
    }
    form = {**USD, "lab": tenant, "last_day": "2027-01-01", "reason": "-"}
    return Own("payments/creditlimit/propose/", "payments.propose_credit", form, worse)


def _exchange() -> dict[str, Own]:
    """Quotes, and what banks took."""
    quote = {"sell": "USD", "buy": "GBP", "rate": "0.8", "spread_bp": "1", "hours": "1", "source": "-", "reason": "-"}
    odd_quotes: dict[str, tuple[Any, ...]] = {
        "sell": (*CURRENCIES, "GBP"),
        "buy": CURRENCIES,
        "rate": ("", "0", "-1", "NaN", "Infinity", "1e400", "9" * 40, "0." + "0" * 11 + "1" * 5),
        "spread_bp": ("", "-1", "x", "10001", "9" * 30),
        "hours": ("", "0", "-1", "9" * 30),
        "source": TEXTS,
        "reason": TEXTS,
    }
    fee = {**USD, "provider": "sandbox", "reference": "F9", "reason": "-"}
    odd_fees: dict[str, tuple[Any, ...]] = {**MONEY, "provider": TEXTS, "reference": (*TEXTS, "F1"), "reason": TEXTS}
    cover = {**fee, "bought_amount": "1.00", "bought_currency": "EUR"}
    odd_covers = {**odd_fees, "reference": TEXTS, "bought_amount": AMOUNTS, "bought_currency": (*CURRENCIES, "USD")}
    charge = "payments.record_charge"
    return {
        "payments_fxquote_quote": Own("payments/fxquote/quote/", "payments.quote_fx", quote, odd_quotes, proven=True),
        "payments_bankcharge_fee": Own("payments/bankcharge/fee/", charge, fee, odd_fees, proven=True),
        "payments_bankcharge_exchange": Own("payments/bankcharge/exchange/", charge, cover, odd_covers, proven=True),
    }


def _readers(*, account: int, message: int) -> dict[str, Own]:
    """Pages that a bare form changes nothing by."""
    days: tuple[Any, ...] = ("", "x", "0001-01-01", "0000-00-00", "9999-12-31")
    november = {"first_day": "2026-11-01", "last_day": "2026-11-30"}
    handle, nec = "payments.handle_bankfile", "payments/taxprofile/nec"
    journal = "payments/journalentry/export/", "payments.view_journalentry"
    return {
        "payments_bankmessage_upload": Own(
            "payments/bankmessage/upload/", handle, worse={"file": ("x",)}, proven=True, writes=False
        ),
        "payments_bankmessage_look": Own(f"payments/bankmessage/{message}/look/", handle, writes=False),
        "payments_bankmessage_file": Own(f"payments/bankmessage/{message}/file/", handle, writes=False),
        "payments_journalentry_export": Own(*journal, november, dict.fromkeys(november, days), writes=False),
        "payments_account_statement": Own(f"payments/account/{account}/statement/", writes=False),
        "payments_nec": Own(f"{nec}/", writes=False),
        "payments_nec_year": Own(f"{nec}/2026/", writes=False),
        "payments_nec_export": Own(f"{nec}/2026/export/", "payments.file_tax_forms", proven=True, writes=False),
        "payments_finance": Own("finance/", writes=False),
        "payments_pay_calendar": Own("pay-calendar/", writes=False),
    }


ODD_READS = (
    "payments/account/{account}/statement/?since=99999999999999999999999&until=x&as_of=0001-01-01",
    "payments/account/{account}/statement/?as_of=9999-12-31T23:59",
    "payments/taxprofile/nec/?year=99999999999999999999",
    "payments/taxprofile/nec/?year=-1",
    "payments/taxprofile/nec/0/export/",
    "payments/payrun/x/change/",
    "payments/payrun/99999999999999999999999/change/",
    "payments/payrun/{account}999/change/?show=x&q=%00&page=-1",
    "payments/account/99999999999999999999999/statement/",
    "payments/bankmessage/99999999999999999999999/file/",
    "pay-calendar/?weeks=99999999999999999999999",
    "pay-calendar/?weeks=%00",
    "payments/bankmessage/99999999999999999999999/look/",
    "payments/bankmessage/x/change/",
    "payments/journalentry/?q=%00",
    "payments/timesheet/?status__exact=%00",
    "payments/payout/?stuck=%00&e=1&o=99.99.x&p=-1",
    "payments/funding/?created_at__year=99999999999",
    "payments/payrun/?pays_on__year=9999&pays_on__month=12&pays_on__day=31",
    "payments/invoice/?issued_at__year=0&issued_at__month=13",
    *(
        f"payments/{table}={value}"
        for table in ("journalentry/?period", "timesheet/?week", "timeentry/?week", "payout/?period")
        for value in (
            "9999-12",
            "9999-12-31",
            "9999-W52",
            "0000-01",
            "2026-W99",
            "2026-02-30",
            "99999999999",
            "x",
            "2026-1%31",
        )
    ),
)
"""Addresses that no page links to."""
