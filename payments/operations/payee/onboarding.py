"""Accounts of experts at providers: opened, asked about, and kept in step with what the provider says.

Requests write down what is wanted; a job asks the provider between two units of work and writes down the answer. What
no event tells, the job finds out by itself: soon while somebody is at the provider's pages, daily afterwards.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import states, vault
from core.problems import Conflict
from core.public import Principal, unit_of_work
from core.wake import wake_after_commit
from experts.public import Expert, send_notice
from payments.models import PayeeAccount, PayoutMethod
from payments.providers import registry
from payments.providers.port import OnboardingLink, Payee, PayeeStanding, ProviderUnavailable, Refused

BATCH: Final = 25
LEASE: Final = dt.timedelta(minutes=2)
AHEAD: Final = dt.timedelta(microseconds=1)
"""So far apart those of a batch are due again, and before whomever somebody turned to: nobody stands behind for ever."""
FIRST_WAIT: Final = dt.timedelta(minutes=1)
LONGEST_WAIT: Final = dt.timedelta(days=1)
SHOWN: Final = 20
"""So many open questions of the provider are kept."""

OVER: Final = frozenset({PayeeAccount.Status.REFUSED, PayeeAccount.Status.CLOSED})
"""What the provider is not asked about any more."""

JOB: Final = "payments.onboard_payees"
OPENER: Final = Principal.system(JOB)
_METHODS: Final = "/api/v1/expert/payout-methods"
log = structlog.get_logger(__name__)


class NothingToOnboard(Conflict):
    """This method needs no account of yours at a provider, or the account is ready to be paid out."""

    code = "nothing_to_onboard"
    title = gettext_lazy("There is nothing to tell the provider")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the provider said about one account."""

    account: str
    standing: PayeeStanding | None = None
    link: OnboardingLink | None = None
    refusal: str = ""


def attach(*, method: PayoutMethod, expert: Expert, now: dt.datetime) -> None:
    """Tie a new method to the expert's account at its provider, which is opened when there is none yet.

    Not saved here. A method of an account that is ready is active at once; its hold runs all the same.
    """
    where = {"expert": expert, "provider": method.provider, "country": method.country}
    defaults = {"currency": method.currency, "next_attempt_at": now, "link_wanted_at": now}
    living = PayeeAccount.objects.exclude(status=PayeeAccount.Status.CLOSED)
    account, _made = living.get_or_create(**where, defaults=defaults)
    method.payee_account = account
    if account.status == PayeeAccount.Status.READY:
        _activate(method, account, now=now)
    elif account.status == PayeeAccount.Status.REFUSED:
        states.move(account, PayeeAccount.Status.OPENING)
        _want(account, now=now)
    wake_after_commit(JOB)


def ask_for_link(*, method: PayoutMethod, now: dt.datetime) -> PayeeAccount:
    """Have a fresh link made to the provider's pages. Raises NothingToOnboard."""
    if method.payee_account_id is None:
        raise NothingToOnboard
    account = PayeeAccount.objects.select_for_update(no_key=True, of=("self",)).get(pk=method.payee_account_id)
    if account.status == PayeeAccount.Status.READY or account.status in OVER:
        raise NothingToOnboard
    _want(account, now=now)
    wake_after_commit(JOB)
    return account


def look_again(*, provider: str, account: str, now: dt.datetime) -> bool:
    """The provider says that something changed: have it asked now; False when the account is none of ours."""
    return bool(PayeeAccount.objects.filter(provider=provider, account=account).update(next_attempt_at=now))


def onboard_due(*, now: dt.datetime) -> int:
    """Open, ask about and link every account that is due; returns how many."""
    done = 0
    while True:
        with unit_of_work(OPENER):
            rows = _take(now=now)
        for row in rows:
            try:
                _put_behind(row, now=now)
                answer = _ask(row)
                with unit_of_work(OPENER):
                    _record(row.pk, answer, asked=row, now=now)
            except SoftTimeLimitExceeded:
                raise
            except Exception:  # its lease ends and it is tried again; the others must not wait for that
                log.exception("onboarding_failed", account=row.public_id)
        done += len(rows)
        if len(rows) < BATCH:
            return done


def _take(*, now: dt.datetime) -> list[PayeeAccount]:
    due = PayeeAccount.objects.filter(next_attempt_at__lte=now).exclude(status__in=OVER)
    rows = due.select_for_update(no_key=True, skip_locked=True, of=("self",)).order_by("next_attempt_at", "id")
    taken = list(rows.select_related("expert__user")[:BATCH])
    for place, row in enumerate(reversed(taken), 1):
        row.next_attempt_at = now + LEASE - AHEAD * place
        row.save(update_fields=["next_attempt_at"])
    return taken


def _put_behind(row: PayeeAccount, *, now: dt.datetime) -> None:
    """Let whoever does not come to an end with it leave the others of its batch to be asked about first."""
    leased, row.next_attempt_at = row.next_attempt_at, now + LEASE
    with unit_of_work(OPENER):
        PayeeAccount.objects.filter(pk=row.pk, next_attempt_at=leased).update(next_attempt_at=row.next_attempt_at)


def _ask(row: PayeeAccount) -> _Answer | None:
    """What the provider says; None when it could not be asked."""
    account = row.account
    try:
        host = registry.host(row.provider)
        if not account:
            email = row.expert.user.email
            account = host.open_account(Payee(row.public_id, email, row.country, row.currency))
        standing = host.payee_standing(account)
        if not row.link_wanted_at or standing.is_ready:
            return _Answer(account, standing)
        url = settings.PAYEE_RETURN_URL
        return _Answer(account, standing, host.onboarding_link(account, return_url=url, refresh_url=url))
    except Refused as refusal:
        return _Answer(account, refusal=refusal.code)
    except ProviderUnavailable as error:
        log.warning("provider_unavailable", provider=row.provider, error=str(error))
        return _Answer(account) if account else None


def _record(pk: int, answer: _Answer | None, *, asked: PayeeAccount, now: dt.datetime) -> None:
    """Write an answer down, unless the account was to be asked about again since: then it may be out of date."""
    row = PayeeAccount.objects.select_for_update(no_key=True, of=("self",)).select_related("expert").get(pk=pk)
    if row.next_attempt_at != asked.next_attempt_at:
        if answer is not None and not row.account:  # or the next one might open another
            _apply(row, _Answer(answer.account, refusal=answer.refusal), now=now)
            row.save()
        return
    row.tries += 1
    if answer is not None:
        _apply(row, answer, now=now)
        if answer.link is not None and row.link_wanted_at == asked.link_wanted_at:
            row.link_wanted_at = None
    row.next_attempt_at = now + _wait(row)
    row.save()


def _apply(row: PayeeAccount, answer: _Answer, *, now: dt.datetime) -> None:
    row.account = answer.account
    if answer.refusal:
        _refused(row, answer.refusal, now=now)
        return
    if row.account and row.status == PayeeAccount.Status.OPENING:
        states.move(row, PayeeAccount.Status.ONBOARDING)
        _methods(row).update(masked=_masked(row))
    if answer.link is not None:
        row.link_url, row.link_expires_at = answer.link.url, answer.link.expires_at
    if answer.standing is not None:
        row.due, row.code, row.checked_at = list(answer.standing.due[:SHOWN]), answer.standing.code[:80], now
        _follow(row, answer.standing, now=now)


def _follow(row: PayeeAccount, standing: PayeeStanding, *, now: dt.datetime) -> None:
    if standing.is_ready and row.status != PayeeAccount.Status.READY:
        states.move(row, PayeeAccount.Status.READY)
        row.tries, row.link_url, row.link_wanted_at = 0, "", None
        for method in _methods(row).filter(status=PayoutMethod.Status.PENDING):
            _activate(method, row, now=now)
            method.save()
        _tell(row, "payout_account.ready", _("Your payout account is ready"), _("You can be paid to it."), now=now)
    elif standing.is_closed:
        states.move(row, PayeeAccount.Status.CLOSED)
        _suspend(row)
        body = _("It does not exist any more at the provider. Add another payout method: your money waits.")
        _tell(row, "payout_account.closed", _("Your payout account was closed"), body, now=now)
    elif not standing.is_ready and row.status == PayeeAccount.Status.READY:
        states.move(row, PayeeAccount.Status.RESTRICTED)
        row.tries = 0
        _suspend(row)
        body = _("The provider does not pay to it any more (%(code)s). Tell it what it asks for: your money waits.")
        _tell(
            row, "payout_account.restricted", _("Your payout account is restricted"), body % {"code": row.code}, now=now
        )


def _suspend(row: PayeeAccount) -> None:
    for method in _methods(row).filter(status=PayoutMethod.Status.ACTIVE):
        states.move(method, PayoutMethod.Status.PENDING)
        method.save(update_fields=["status"])


def _refused(row: PayeeAccount, code: str, *, now: dt.datetime) -> None:
    row.code = code[:80]
    if row.status in {PayeeAccount.Status.OPENING, PayeeAccount.Status.ONBOARDING}:
        states.move(row, PayeeAccount.Status.REFUSED)
        body = _("The provider refused it (%(code)s). Add another payout method: your money waits.") % {"code": code}
        _tell(row, "payout_account.refused", _("Your payout account was refused"), body, now=now)
    else:
        log.error("payee_account_refused", account=row.account, code=code)


def _activate(method: PayoutMethod, row: PayeeAccount, *, now: dt.datetime) -> None:
    """The provider vouches for the account. Not saved here."""
    states.move(method, PayoutMethod.Status.ACTIVE)
    method.verified_at, method.masked = now, _masked(row)
    method.sealed_details = vault.seal({"account": row.account}, owner=method.public_id)


def _methods(row: PayeeAccount) -> QuerySet[PayoutMethod]:
    return PayoutMethod.objects.filter(payee_account=row, status__in=("pending", "active"))


def _masked(row: PayeeAccount) -> str:
    return f"••••{row.account[-4:]}"


def _want(row: PayeeAccount, *, now: dt.datetime) -> None:
    row.link_wanted_at, row.link_url, row.next_attempt_at, row.tries = now, "", now, 0
    row.save()


def _wait(row: PayeeAccount) -> dt.timedelta:
    """Until it is asked about again: soon while somebody may be at it, daily when nothing is expected."""
    if row.status == PayeeAccount.Status.READY:
        return LONGEST_WAIT
    return min(FIRST_WAIT * (1 << min(row.tries, 11)), LONGEST_WAIT)


def _tell(row: PayeeAccount, kind: str, title: str, body: str, *, now: dt.datetime) -> None:
    send_notice(expert=row.expert, kind=kind, subject=row.public_id, title=title, body=body, link=_METHODS, now=now)
