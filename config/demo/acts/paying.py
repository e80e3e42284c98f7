"""Act 6: pay runs in two currencies, prepared by one person and released by another; one payout fails and is retried."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from config.demo import cast
from config.demo.acts import work
from config.demo.api import Json
from config.demo.cast import ExpertRole
from config.demo.desk import Refused
from config.demo.oracle import ZERO
from config.demo.stage import Stage, amount

PAY_RUNS = "/admin/payments/payrun/"
PAYOUTS = "/admin/payments/payout/"
PAYOUT_DECISIONS = "/admin/payments/payoutdecision/"
FAULTS = "/admin/payments/providerfault/"
FAILING = cast.NURSE
CURRENCIES = ("USD", "EUR")
RUN_ID = re.compile(r"\brun_[0-9a-z]{26}\b")


def name_accounts(stage: Stage) -> None:
    """Everybody says where his money goes, and signs a tax profile, long before the first payday."""
    for role in work.EVERYBODY:
        api = stage.expert(role)
        currency = _currency(stage, role)
        method = {
            "type": "sandbox",
            "currency": currency,
            "country": role.country,
            "holder": role.name,
            "details": {"account": account_of(role)},
        }
        api.post("/payout-methods", method)
        api.post("/tax-profile", _tax_profile(role))
    stage.step("Everybody named an account and signed a tax profile")


def pay(stage: Stage) -> None:
    """Prepare and release both runs; the preparer may not release; the money arrives."""
    break_one_account(stage)
    for currency in CURRENCIES:
        run = prepare(stage, currency)
        _preparer_cannot_release(stage, run)
        release(stage, run)
        stage.step(f"{cast.RELEASER.name} released the {currency} run that {cast.PREPARER.name} had prepared")
    for role in work.EVERYBODY:
        wanted = "failed" if role is FAILING else "paid"
        payout = stage.wait(
            f"the payout of {role.name}",
            partial(_payout, stage, role, wanted),
        )
        stage.ids[f"payout {role.email}"] = payout["id"]
        expected = stage.books.payable(role.email, payout["amount"]["currency"])
        stage.check(f"payout of {role.name}", expected, amount(payout["amount"]))
    stage.step(f"Four payouts arrived; that of {FAILING.name} failed at the provider")


def retry(stage: Stage) -> None:
    """One person of finance proposes to send the failed payout again, another one approves; this time it arrives."""
    payout = stage.ids[f"payout {FAILING.email}"]
    for who in (cast.PREPARER, cast.RELEASER):
        stage.desk(who).prove_again(PAYOUTS)
    stage.desk(cast.PREPARER).on(PAYOUTS, "retry", payout, reason="The account takes payments again.")
    stage.desk(cast.RELEASER).on(PAYOUT_DECISIONS, "approve", payout)
    stage.wait("the payout that was retried", lambda: _payout(stage, FAILING, "paid"))
    stage.step(f"{cast.PREPARER.name} proposed to send it again, {cast.RELEASER.name} approved, and it arrived")


def prepare(stage: Stage, currency: str) -> str:
    """Have a run prepared at the desk; its key there."""
    desk = stage.desk(cast.PREPARER)
    known = set(desk.open(f"{PAY_RUNS}?currency={currency}").rows)
    page = desk.submit(f"{PAY_RUNS}prepare/", "currency", currency=currency)
    fresh = [key for key in desk.open(f"{PAY_RUNS}?currency={currency}").rows if key not in known]
    if len(fresh) != 1:
        raise Refused(f"No {currency} run was prepared.\n{page.text[:1500]}")
    return fresh[0]


def release(stage: Stage, run: str) -> None:
    """Prove again who one is, look at the run, confirm count and sum. Raises Refused."""
    desk = stage.desk(cast.RELEASER)
    path = f"{PAY_RUNS}{run}/release/"
    desk.prove_again(path)
    page = desk.submit(path, "digest")
    if "Released" not in page.text:
        raise Refused(f"The run was not released.\n{page.text[:1500]}")
    stage.notes.setdefault("pay_runs", []).extend(sorted(set(RUN_ID.findall(page.text))))


def break_one_account(stage: Stage) -> None:
    """Tell the sandbox provider to refuse one account, once."""
    fault = {"account": account_of(FAILING), "type": "reject", "code": "AC04", "remaining": "1"}
    stage.desk(cast.RELEASER).submit(f"{FAULTS}add/", "account", **fault)


def statements(stage: Stage) -> None:
    """Each payout has a statement whose lines add up, as HTML, and as CSV."""
    for role in work.EVERYBODY:
        api = stage.expert(role)
        found = list(api.pages("/statements"))
        stage.check(f"statements of {role.name}", 1, len(found))
        statement = api.get(f"/statements/{found[0]['id']}")
        paid = stage.books.payable(role.email, _currency(stage, role))
        stage.check(f"statement of {role.name}", paid, amount(statement["paid"]))
        changes = [amount(line["amount"]) for line in statement["lines"]]
        earned = paid + stage.books.set_aside(role.email, _currency(stage, role))
        stage.check(f"{role.name}: earned by the statement", earned, sum((n for n in changes if n > 0), ZERO))
        stage.check(
            f"{role.name}: opening and lines", amount(statement["closing"]), sum(changes, amount(statement["opening"]))
        )
        page = api.download(f"/statements/{found[0]['id']}/download", format="html")
        stage.check(f"{role.name} can read the statement", True, str(paid) in page.text.replace(",", ""))
    stage.step("Every payout has a statement whose lines add up")


def account_of(role: ExpertRole) -> str:
    """The sandbox account of an expert."""
    return f"demo-{role.local_part.replace('.', '-')}"


def _tax_profile(role: ExpertRole) -> Json:
    """People taxed in the United States sign a W-9, the others declare themselves."""
    profile: Json = {"legal_name": role.name, "country": role.country, "signed_name": role.name}
    if role.country == "US":
        return {**profile, "form": "w9", "tax_id": "12-3456789"}
    return {**profile, "form": "self_declaration"}


def _currency(stage: Stage, role: ExpertRole) -> str:
    return stage.books.terms[stage.ids[f"contract {role.email}"]].currency


def _preparer_cannot_release(stage: Stage, run: str) -> None:
    """Neither the page nor a crafted POST lets the person who prepared a run release it."""
    desk, path = stage.desk(cast.PREPARER), f"{PAY_RUNS}{run}/release/"
    stage.check("the release page is closed to the preparer", 403, desk.status("GET", path))
    stage.check("a crafted release by the preparer", 403, desk.status("POST", path, digest="whatever"))


def _payout(stage: Stage, role: ExpertRole, status: str) -> Any:
    found = list(stage.expert(role).pages("/payouts"))
    return found[0] if found and found[0]["status"] == status else None
