"""Files to and from the bank that went wrong: which, what hangs on them, and what to do next."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings
from django.db.models import Count, Exists, Min, OuterRef, QuerySet, Subquery, Sum
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.money import Money
from payments.models import BankFile, BankMessage, BankTransfer, Payout, PayoutAttempt, PayoutDecision

ABOUT_MESSAGES: Final[Mapping[str, Promise]] = {
    "malformed": gettext_lazy("Cut short, or no such file. Ask the bank to send it again; then say so here."),
    "forbidden_xml": gettext_lazy("It has parts that no bank sends. Find out who put it there before anything else."),
    "unknown_message": gettext_lazy(
        "A kind of file that is not read here. Ask the bank for pain.002, camt.053 or camt.054 instead; then say so."
    ),
    "changed": gettext_lazy("What is kept is not what came. Find out who changed it; ask the bank to send it again."),
    "too_large": gettext_lazy(
        "Its content was not kept. Raise BANK_FILE_MOST_BYTES, take it from the folder of refused files, bring it by hand."
    ),
    "wrong_account": gettext_lazy(
        "It is about another account. Ours is in BANK_ACCOUNT_IBAN: if that was wrong, mend it and read the file again."
    ),
    "id_reused": gettext_lazy(
        "The bank gave two different files one number. Compare both and ask which one holds; then say so here."
    ),
    "unknown_file": gettext_lazy(
        "It answers a payment file that is not in this database. If the database was restored, compare with the bank "
        "before anything is sent; once the file is known, read this one again."
    ),
    BankMessage.CANNOT_APPLY: gettext_lazy(
        "It was read, but cannot be laid on the books; it is tried every five minutes. Mend the cause and apply it, or "
        "give it up when the bank sends it anew."
    ),
}
ABOUT_HELD: Final = gettext_lazy(
    "A person brought it, and it has no effect yet. Compare it with what the bank itself shows; then another person than "
    "he admits it or refuses it."
)
OTHERWISE: Final = gettext_lazy("Look into it, and say what was done.")


@dataclass(frozen=True, slots=True)
class Trouble:
    """So many files with the same trouble, since when, what money hangs on them, and what to do next."""

    label: str
    path: str
    n: int
    oldest: dt.datetime
    next_step: str
    sums: list[Money] = field(default_factory=list)


def summary(*, now: dt.datetime) -> list[Trouble]:
    """All that waits for a person, payment files first."""
    return [*_refused_files(), *_unanswered_files(now=now), *_messages(), *_held()]


def refused_files() -> QuerySet[BankFile]:
    """Payment files of which the bank refused transfers whose payouts nobody has decided about."""
    refused = BankTransfer.objects.filter(status=BankTransfer.Status.REJECTED, file=OuterRef("pk"))
    waiting = _undecided([OuterRef("key")])
    return BankFile.objects.filter(Exists(refused.filter(Exists(waiting))))


def unanswered_files(*, now: dt.datetime) -> QuerySet[BankFile]:
    """Payment files about which the bank has been silent for too long."""
    return BankFile.objects.unanswered(
        handed_over_by=now - dt.timedelta(days=settings.BANK_ANSWER_DAYS),
        written_by=now - dt.timedelta(hours=settings.RECONCILE_ALARM_HOURS),
    )


def undecided_payouts(file: BankFile) -> QuerySet[Payout]:
    """Payouts that failed because the bank refused them in this file, and that wait for a decision."""
    refused = file.transfers.filter(status=BankTransfer.Status.REJECTED)
    return _undecided(refused.values("key")).order_by("pk")


def next_step_of_file(file: BankFile, *, has_undecided: bool, is_silent: bool) -> str:
    """What to do about a payment file; empty when it takes its course."""
    if has_undecided:
        return _("Find out why the bank refused it (%(code)s). Then propose to send again, or cancel the payouts.") % {
            "code": file.code or "–"
        }
    if not is_silent:
        return ""
    if file.status == BankFile.Status.WRITTEN:
        return _("It could not be handed over: see whether the folder of outgoing files can be written.")
    return _(
        "Ask the bank what became of it, by its number. Only when it says in writing that it does not execute the file, "
        "say so here: the payouts fail, and can be sent again. Of a large file another person has to agree."
    )


def next_step_of_message(message: BankMessage) -> str:
    """What to do about a file from the bank that waits."""
    return str(ABOUT_MESSAGES.get(message.problem, OTHERWISE))


def _undecided(keys: Any) -> QuerySet[Payout]:
    """Failed payouts whose latest attempt has one of these keys, and about which nothing is proposed."""
    attempts = PayoutAttempt.objects.filter(payout=OuterRef("pk")).order_by("-n")
    proposed = PayoutDecision.objects.filter(payout=OuterRef("pk"), status=PayoutDecision.Status.PROPOSED)
    return Payout.objects.annotate(last_key=Subquery(attempts.values("idem_key")[:1])).filter(
        ~Exists(proposed), status=Payout.Status.FAILED, last_key__in=keys
    )


def _refused_files() -> list[Trouble]:
    found = refused_files().aggregate(n=Count("pk"), oldest=Min("created_at"))
    if not found["n"]:
        return []
    keys = BankTransfer.objects.filter(status=BankTransfer.Status.REJECTED).values("key")
    sums = _undecided(keys).values("currency").annotate(total=Sum("amount_minor"))
    return [
        Trouble(
            label=_("Payment files that the bank refused, in whole or in part"),
            path="/admin/payments/bankfile/?trouble=refused",
            n=found["n"],
            oldest=found["oldest"],
            next_step=_("Propose to send their payouts again once the cause is mended, or cancel them."),
            sums=[Money(row["total"], row["currency"]) for row in sums.order_by("currency")],
        )
    ]


def _unanswered_files(*, now: dt.datetime) -> list[Trouble]:
    rows = unanswered_files(now=now)
    found = rows.aggregate(n=Count("pk"), oldest=Min("created_at"))
    if not found["n"]:
        return []
    sums = rows.values("currency").annotate(total=Sum("total_minor")).order_by("currency")
    return [
        Trouble(
            label=_("Payment files about which the bank is silent"),
            path="/admin/payments/bankfile/?trouble=silent",
            n=found["n"],
            oldest=found["oldest"],
            next_step=_("Ask the bank what became of them."),
            sums=[Money(int(row["total"]), row["currency"]) for row in sums],
        )
    ]


def _messages() -> list[Trouble]:
    rows = BankMessage.objects.waiting().values("problem").annotate(n=Count("pk"), oldest=Min("created_at"))
    return [
        Trouble(
            label=_("Files from the bank: %(problem)s") % {"problem": row["problem"]},
            path=f"/admin/payments/bankmessage/?waits=yes&problem={row['problem']}",
            n=row["n"],
            oldest=row["oldest"],
            next_step=str(ABOUT_MESSAGES.get(row["problem"], OTHERWISE)),
        )
        for row in rows.order_by("oldest", "problem")
    ]


def _held() -> list[Trouble]:
    found = BankMessage.objects.held().aggregate(n=Count("pk"), oldest=Min("created_at"))
    if not found["n"]:
        return []
    return [
        Trouble(
            label=_("Files brought by hand, waiting for a second person"),
            path="/admin/payments/bankmessage/?status__exact=held",
            n=found["n"],
            oldest=found["oldest"],
            next_step=str(ABOUT_HELD),
        )
    ]
