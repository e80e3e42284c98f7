"""What becomes of a payout: every move of its state with the entry in the ledger that belongs to it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, scope, states
from core.money import Money
from core.problems import Conflict, InvalidTransition
from core.public import User
from core.wake import wake_after_commit
from experts.public import Restriction, require_other, restrictions_for, send_notice
from payments import accounts, ledger, payout_reasons
from payments.ledger import NewEntry
from payments.models import Payout, PayoutMethod
from payments.operations.pay.pay_notices import PayNews, tell
from payments.operations.rails import payout_tax
from payments.operations.runs import owed_invoices
from payments.operations.runs.pay_runs import initiation, note_progress
from payments.queries import payout_contests
from payments.queries.pay_calendar import arrival_of

FITS: Final[dict[str, frozenset[str]]] = {
    "retry": frozenset({Payout.Status.FAILED}),
    "resume": frozenset({Payout.Status.ON_HOLD}),
    "cancel": frozenset({Payout.Status.READY, Payout.Status.FAILED, Payout.Status.ON_HOLD}),
    "lost": frozenset({Payout.Status.PAID}),
    "arrived": frozenset({Payout.Status.PAID}),
}
"""What finance may do in which state. A retry books the payout anew, since its money was given back; to let one go on
books nothing, since its money never came back. The one in the place of the other would pay twice, or take twice."""
SENDS: Final = frozenset({"retry", "resume"})


class NoLongerOwed(Conflict):
    """The amount is not owed any more: another run paid it, or it was taken back. Cancel this payout instead."""

    code = "no_longer_owed"
    title = gettext_lazy("This is not owed any more")
    example_members: ClassVar[dict[str, Any]] = {"owed": {"amount": "0.00", "currency": "USD"}}


class OutcomeOpen(Conflict):
    """It was given to the provider, and whether that was executed is not proven yet: wait for the next look-up."""

    code = "payout_outcome_open"
    title = gettext_lazy("The outcome is not known yet")


class ExpertBlocked(Conflict):
    """A decision blocks this expert's payouts: what is sent now would stop again at once.

    Wait until the decision is lifted or ends, or cancel the payout; what it carried stays owed.
    """

    code = "payout_blocked"
    title = gettext_lazy("The expert's payouts are blocked by a decision")


class NoUsableMethod(Conflict):
    """The expert has no payout method of this currency that is verified and past its hold; he has to add one first."""

    code = "no_usable_payout_method"
    title = gettext_lazy("There is no payout method to send it to")


def locked(pks: Iterable[int], *, now: dt.datetime) -> list[Payout]:
    """Payouts locked until the transaction ends, in one order, with what their experts are owed.

    A refused payout gives its money back; whoever releases a run meanwhile locks the same accounts, all at once too.
    """
    rows = Payout.objects.select_for_update(no_key=True, of=("self",)).select_related("expert", "payout_method")
    found = list(rows.filter(pk__in=list(pks)).order_by("pk"))
    ledger.lock(keys=[accounts.payable(payout.expert_id, payout.currency) for payout in found], now=now)
    return found


def submitted(payout: Payout, *, movement_id: str, now: dt.datetime) -> None:
    """The provider accepted it; ask soon what became of it."""
    states.move(payout, Payout.Status.SUBMITTED)
    payout.provider_reference = movement_id
    payout.lease_until, payout.next_attempt_at = None, now
    payout.reason_code = ""
    payout.save()


def in_transit(payout: Payout, *, ask_again: dt.datetime) -> None:
    """The provider says that it is on its way."""
    if payout.status != Payout.Status.IN_TRANSIT:
        states.move(payout, Payout.Status.IN_TRANSIT)
    payout.next_attempt_at = ask_again
    payout.save()


def settled(payout: Payout, *, now: dt.datetime) -> None:
    """The provider says that the money arrived; its expert hears until when he can say that it did not."""
    states.move(payout, Payout.Status.PAID)
    payout.paid_at = now
    payout.save()
    currency, amount = payout.currency, payout.amount_minor
    legs = [(accounts.transit(payout.provider, currency), -amount), (accounts.cash(payout.provider, currency), amount)]
    ledger.post(entries=[_entry(payout, "payout_settled", legs, now)], now=now)
    owed_invoices.note(payout)
    _tell_paid(payout, now=now)


def failed(payout: Payout, *, code: str, now: dt.datetime) -> None:
    """The provider refused it for good, or it failed on the way: the money is the expert's payable again."""
    states.move(payout, Payout.Status.FAILED)
    payout.reason_code, payout.lease_until = code, None
    payout.save()
    _give_back(payout, "payout_rejected", accounts.transit(payout.provider, payout.currency), now=now)
    body = _("%(why)s %(advice)s The money stays yours: the next pay run pays it, unless it is sent again before.")
    _tell(payout, "payout.failed", _("Your payout of %(amount)s failed"), _explained(body, code), now=now)


def returned(payout: Payout, *, code: str, now: dt.datetime) -> None:
    """The bank sent paid money back: it is the expert's payable again, for the next run."""
    states.move(payout, Payout.Status.RETURNED)
    payout.reason_code = code
    payout.save()
    _give_back(payout, "payout_returned", accounts.cash(payout.provider, payout.currency), now=now)
    body = _("The bank sent it back. %(why)s %(advice)s The money stays yours: the next pay run pays it.")
    _tell(payout, "payout.returned", _("Your payout of %(amount)s came back"), _explained(body, code), now=now)


def lost(*, payout: Payout, by: User, now: dt.datetime) -> Payout:
    """Two people say that what counts as paid did not arrive: it is the expert's payable again, for the next run.

    The loss is the platform's, until the provider sends the money back after all. Raises OwnWork, InvalidTransition.
    """
    payout = _for_finance(payout, "lost", by, now=now)
    states.move(payout, Payout.Status.RETURNED)
    payout.reason_code = payout_reasons.NOT_ARRIVED
    payout.save()
    _give_back(payout, "payout_lost", accounts.expense("loss", payout.currency), now=now)
    body = _explained(_("%(why)s %(advice)s The money stays yours: the next pay run pays it."), payout.reason_code)
    _tell(payout, "payout.returned", _("Your payout of %(amount)s is booked back"), body, now=now)
    note_progress(run_ids=[payout.run_id], now=now)
    return payout


def held(payout: Payout, *, code: str, now: dt.datetime) -> None:
    """It waits for a person, and the expert hears why; where a decision holds his payouts, that has told him."""
    states.move(payout, Payout.Status.ON_HOLD)
    payout.reason_code, payout.lease_until = code, None
    payout.save()
    if code != payout_reasons.BLOCKED:
        body = _("%(reason)s\n\nIt is not sent before finance has looked into it. The money stays yours.")
        tell(_news(payout, "payout.on_hold", _("Your payout of %(amount)s waits"), body), now=now)


def give_back_unsent(rows: Sequence[Payout], *, code: str = payout_reasons.METHOD_CHANGED, now: dt.datetime) -> None:
    """Give up locked payouts that no provider ever heard of: no money can move by it, so it takes no two people.

    What they carried is owed again, and the next run pays it, to the method that the expert has then and under the
    hold that new methods wait out. PostgreSQL refuses it where there was an attempt.
    """
    if rows:
        ledger.lock(keys=[accounts.payable(payout.expert_id, payout.currency) for payout in rows], now=now)
    for payout in rows:
        states.move(payout, Payout.Status.CANCELLED)
        payout.reason_code, payout.lease_until = code, None
        payout.save()
        _give_back(payout, "payout_rejected", accounts.transit(payout.provider, payout.currency), now=now)
        body = _("%(reason)s\n\nNothing was sent. The money stays yours, and the next pay run pays it.")
        tell(_news(payout, "payout.cancelled", _("Your payout of %(amount)s was not sent"), body), now=now)
        outbox.publish("payout.cancelled", subject=payout.public_id, for_lab=False, now=now)
    note_progress(run_ids={payout.run_id for payout in rows}, now=now)


def retry(*, payout: Payout, by: User, now: dt.datetime) -> Payout:
    """Finance sends a failed payout again, to the method the expert has now.

    Raises NoLongerOwed when another run paid it meanwhile, NoUsableMethod, ExpertBlocked, TaxChanged, OwnWork.
    """
    payout = _for_finance(payout, "retry", by, now=now)
    require_unblocked(payout, "retry", now=now)
    payout_tax.require_unchanged(payout, "retry", now=now)
    states.move(payout, Payout.Status.READY)
    method = PayoutMethod.objects.filter(
        expert=payout.expert_id, currency=payout.currency, status=PayoutMethod.Status.ACTIVE
    ).first()
    if method is None or not method.is_usable(now=now):
        raise NoUsableMethod
    payout.payout_method, payout.provider = method, method.provider
    payout.initiations += 1
    payout.reason_code, payout.next_attempt_at = "", now
    payout.save()
    owed_key = accounts.payable(payout.expert_id, payout.currency)
    with scope.as_platform():
        owed = ledger.lock(keys=[owed_key], now=now)[owed_key]
        if owed < payout.gross_minor:
            raise NoLongerOwed(owed=dict(Money(owed, payout.currency).as_json()))
        ledger.post(entries=[initiation(payout, now=now)], now=now)
    _follow(payout, "payout.retried", by=by, now=now)
    _tell_on_its_way(payout, "payout.retried", _("Your payout of %(amount)s is sent again"), now=now)
    return payout


def resume(*, payout: Payout, by: User, now: dt.datetime) -> Payout:
    """Finance lets a held payout go on, to the method it was released to.

    Raises NoUsableMethod, ExpertBlocked, TaxChanged, OwnWork.
    """
    payout = _for_finance(payout, "resume", by, now=now)
    require_unblocked(payout, "resume", now=now)
    payout_tax.require_unchanged(payout, "resume", now=now)
    states.move(payout, Payout.Status.READY)
    if not payout.payout_method.is_usable(now=now):
        raise NoUsableMethod(_("Its payout method is not in use any more: cancel it, and the next run pays."))
    payout.reason_code, payout.next_attempt_at = "", now
    payout.save()
    _follow(payout, "payout.resumed", by=by, now=now)
    _tell_on_its_way(payout, "payout.resumed", _("Your payout of %(amount)s goes on"), now=now)
    return payout


def cancel(*, payout: Payout, by: User, now: dt.datetime) -> Payout:
    """Finance gives a payout up that was not sent or has failed; what is owed stays owed and is in the next run.

    Raises OutcomeOpen while a provider may still execute it.
    """
    payout = _for_finance(payout, "cancel", by, now=now)
    if payout.attempts.filter(finished_at=None).exists():
        raise OutcomeOpen
    was_under_way = payout.status in Payout.UNDER_WAY
    states.move(payout, Payout.Status.CANCELLED)
    payout.save()
    if was_under_way:
        _give_back(payout, "payout_rejected", accounts.transit(payout.provider, payout.currency), now=now)
    _follow(payout, "payout.cancelled", by=by, now=now)
    return payout


def require_fit(payout: Payout, act: str) -> None:
    """Raises InvalidTransition where the act is not for a payout in this state."""
    if payout.status not in FITS[act]:
        detail = _("This payout is %(current)s; that is for one that is %(states)s.") % {
            "current": payout.get_status_display(),
            "states": ", ".join(str(Payout.Status(state).label) for state in sorted(FITS[act])),
        }
        raise InvalidTransition(detail, current_state=str(payout.status), allowed_transitions=states.allowed(payout))


def require_unblocked(payout: Payout, act: str, *, now: dt.datetime) -> None:
    """Raises ExpertBlocked where the act would send what a decision about the expert stops."""
    if act not in SENDS:
        return
    in_force = restrictions_for(expert_id=payout.expert_id, now=now)
    held = in_force.filter(kind=Restriction.Kind.NO_PAYOUTS, tenant=None).order_by("pk").last()
    if held is None:
        return
    if held.ends_at is None:
        raise ExpertBlocked(_("A decision blocks this expert's payouts. It has no end: lift it first, or cancel this."))
    raise ExpertBlocked(
        _("A decision blocks this expert's payouts until %(end)s. Wait, lift it first, or cancel this.")
        % {"end": f"{held.ends_at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"}
    )


def _for_finance(payout: Payout, act: str, by: User, *, now: dt.datetime) -> Payout:
    """The payout, locked. Raises OwnWork when it is the operator's own pay, InvalidTransition."""
    payout = locked([payout.pk], now=now)[0]
    require_other(payout.expert, by)
    require_fit(payout, act)
    return payout


def _follow(payout: Payout, event: str, *, by: User, now: dt.datetime) -> None:
    actor = f"user:{by.public_id}"
    outbox.publish(event, subject=payout.public_id, for_lab=False, actor=actor, now=now)
    note_progress(run_ids=[payout.run_id], now=now)
    wake_after_commit("payments.send_payouts")


def _give_back(payout: Payout, kind: str, taken_from: accounts.AccountKey, *, now: dt.datetime) -> None:
    """Owe the expert all of it again: what was sent, and the tax that was withheld from it."""
    legs = [
        (taken_from, -payout.amount_minor),
        (accounts.tax_withheld(payout.currency), -payout.withheld_minor),
        (accounts.payable(payout.expert_id, payout.currency), payout.gross_minor),
    ]
    ledger.post(entries=[_entry(payout, kind, legs, now)], now=now)


def _entry(payout: Payout, kind: str, legs: list[ledger.Leg], now: dt.datetime) -> NewEntry:
    return NewEntry(kind, payout.public_id, now, legs, seq=payout.initiations)


def _news(payout: Payout, kind: str, title: str, body: str) -> PayNews:
    """What is told of an act on a payout, which is contested by its id."""
    return PayNews(
        expert=payout.expert,
        kind=kind,
        subject=payout.public_id,
        title=title % {"amount": Money(payout.amount_minor, payout.currency)},
        body=body % {"reason": payout_reasons.text_of(payout.reason_code)},
        link=f"/api/v1/expert/payouts/{payout.public_id}",
    )


def _tell_paid(payout: Payout, *, now: dt.datetime) -> None:
    """One message, with the day on which it should be there and until when its expert can say that it is not."""
    window = payout_contests.paid(payout.currency, at=now)
    body = _("It should be on your account by %(day)s. What banks do is not promised: look then whether it came.")
    body %= {"day": arrival_of(payout.currency, now.date()).isoformat()}
    news = _news(payout, "payout.paid", _("You were paid %(amount)s"), body)
    tell(replace(news, until=window.until and window.until.date()), now=now)
    outbox.publish("payout.paid", subject=payout.public_id, user_id=payout.expert.user_id, for_lab=False, now=now)


def _tell_on_its_way(payout: Payout, kind: str, title: str, *, now: dt.datetime) -> None:
    """One message of what finance let go, with the day on which the money can be expected."""
    send_notice(
        expert=payout.expert,
        kind=kind,
        subject=payout.public_id,
        title=title % {"amount": Money(payout.amount_minor, payout.currency)},
        body=_("It is sent now, and should be on your account by %(day)s. What banks do is not promised.")
        % {"day": arrival_of(payout.currency, now.date()).isoformat()},
        link=f"/api/v1/expert/payouts/{payout.public_id}",
        now=now,
    )


def _explained(body: str, code: str) -> str:
    why = payout_reasons.named(code) or _("No reason was given.")
    return body % {"why": why, "advice": payout_reasons.advice_of(code)}


def _tell(payout: Payout, event: str, title: str, body: str, *, now: dt.datetime) -> None:
    amount = Money(payout.amount_minor, payout.currency)
    send_notice(
        expert=payout.expert,
        kind=event,
        subject=payout.public_id,
        title=title % {"amount": amount},
        body=body,
        link="/api/v1/expert/payouts",
        now=now,
    )
    outbox.publish(event, subject=payout.public_id, user_id=payout.expert.user_id, for_lab=False, now=now)
