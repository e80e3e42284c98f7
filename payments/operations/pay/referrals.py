"""The referral programme: invited, joined, and paid by the platform once the invited one's approved hours are enough."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.conf import settings
from django.db.models import BigIntegerField, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import scope, states, vault
from core.money import Money
from core.problems import Conflict, FieldError, InvalidInput, map_constraint
from experts import public as experts
from experts.public import Expert
from marketplace.public import Contract, LabMember
from payments import turns
from payments.models import Adjustment, PayoutMethod, Referral, TimeEntry
from payments.operations.pay import pay_notices, platform_pay
from payments.operations.pay.pay_notices import PayNews

ALPHABET: Final = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
Status = Referral.Status


@dataclass(frozen=True, slots=True)
class Programme:
    """The terms of the programme on one day; amounts in minor units, time in seconds and days."""

    version: str
    bonus: Money
    threshold_seconds: int
    join_days: int
    reach_days: int
    cap: int


class ProgrammeClosed(Conflict):
    """The referral programme takes no new invitations at the moment. Those made before keep their terms."""

    code = "programme_closed"
    title = gettext_lazy("The programme is closed")


class TooManyReferrals(Conflict):
    """You have as many invitations open or paid as the programme allows; `cap` tells how many."""

    code = "too_many_referrals"
    title = gettext_lazy("No more invitations")
    example_members: ClassVar[Mapping[str, Any]] = {"cap": 20}


class AlreadyInvited(Conflict):
    """You have invited this address already."""

    code = "already_invited"
    title = gettext_lazy("Invited already")


class CannotJoin(Conflict):
    """This code cannot be used by you: it is unknown, used or over, meant for another address, your own or of somebody
    whom you invited, or you had an account before you were invited.

    The answer is the same for all of these, so that codes cannot be tried out.
    """

    code = "cannot_join"
    title = gettext_lazy("This code is not for you")


map_constraint("payments_referral_invited_once", AlreadyInvited)


def programme(*, now: dt.datetime) -> Programme | None:
    """The terms under which invitations are made today; None while the programme is closed."""
    begun = [row for row in settings.REFERRAL_PROGRAMME if str(row["from"]) <= now.date().isoformat()]
    if not begun:
        return None
    return terms_of(max(begun, key=lambda row: str(row["from"])))


def terms_of(row: Mapping[str, Any]) -> Programme:
    """One row of ``REFERRAL_PROGRAMME``. Raises KeyError, TypeError or ValueError for one that cannot be read."""
    return Programme(
        version=str(row["version"]),
        bonus=Money(row["bonus_minor"], row["currency"]),
        threshold_seconds=int(row["threshold_seconds"]),
        join_days=int(row["join_days"]),
        reach_days=int(row["reach_days"]),
        cap=int(row["cap"]),
    )


def invite(*, referrer: Expert, email: str, now: dt.datetime) -> Referral:
    """Make an invitation, for one address or (with an empty one) for whoever gets its code.

    Whether the address has an account is not told here, it would tell strangers who works with us: it is refused when
    he joins. Raises ProgrammeClosed, TooManyReferrals, AlreadyInvited, InvalidInput for one's own address.
    """
    terms = programme(now=now)
    if terms is None or terms.cap < 1:
        raise ProgrammeClosed
    if email and email.lower() == referrer.user.email:
        raise InvalidInput(errors=[FieldError("/email", "own_address", _("This is your own address."))])
    turns.take("referrals", referrer.pk)
    if Referral.objects.filter(referrer=referrer).holding_a_place().count() >= terms.cap:
        raise TooManyReferrals(cap=terms.cap)
    return Referral.objects.create(
        referrer=referrer,
        code="".join(secrets.choice(ALPHABET) for _n in range(12)),
        email_hash=hash_of(email) if email else "",
        programme=terms.version,
        bonus_minor=terms.bonus.minor,
        currency=terms.bonus.currency,
        threshold_seconds=terms.threshold_seconds,
        reach_days=terms.reach_days,
        expires_at=now + dt.timedelta(days=terms.join_days),
        created_at=now,
    )


def join(*, expert: Expert, code: str, now: dt.datetime) -> Referral:
    """Somebody new says who invited him, before his first contract. Raises CannotJoin."""
    turns.take("referrals", expert.pk)
    rows = Referral.objects.select_for_update(no_key=True, of=("self",)).select_related("referrer__user")
    referral = rows.filter(code=code.strip().upper(), status=Status.INVITED).first()
    if referral is None or not _may_join(referral, expert, now=now):
        raise CannotJoin
    states.move(referral, Status.JOINED)
    referral.referred, referral.joined_at = expert, now
    referral.expires_at = now + dt.timedelta(days=referral.reach_days)
    referral.save(update_fields=["status", "referred", "joined_at", "expires_at"])
    _tell(referral, _("Somebody you invited has joined."), now=now)
    return referral


def check_of(*, expert_id: int, now: dt.datetime) -> None:
    """Look at the referral of an expert whose hours were approved."""
    found = Referral.objects.filter(referred=expert_id, status=Status.JOINED).values_list("pk", flat=True).first()
    if found is not None:
        check(referral_id=found, now=now)


def due(*, now: dt.datetime) -> QuerySet[Referral]:
    """Those whose time is over, and those whose invited one may have worked the hours; `check` looks closely."""
    counted = TimeEntry.objects.settled().filter(
        expert=OuterRef("referred"), tenant__live=None, approved_at__lt=OuterRef("expires_at")
    )
    corrected = Adjustment.objects.filter(
        entry__expert=OuterRef("referred"),
        entry__tenant__live=None,
        entry__approved_at__lt=OuterRef("expires_at"),
        status=Adjustment.Status.POSTED,
    )
    open_ones = Referral.objects.undecided().alias(
        seconds=_total(counted, "expert") + _total(corrected, "entry__expert")
    )
    worked = Q(status=Status.JOINED, seconds__gte=F("threshold_seconds"))
    return open_ones.filter(Q(expires_at__lte=now) | worked)


def _total(rows: QuerySet[Any], whose: str) -> Coalesce:
    summed = rows.order_by().values(whose).annotate(total=Sum("seconds")).values("total")
    return Coalesce(Subquery(summed, output_field=BigIntegerField()), 0)


def check(*, referral_id: int, now: dt.datetime) -> None:
    """Pay a referral that reached its hours in time, or end one whose time is over. Harmless when run twice."""
    rows = Referral.objects.select_for_update(no_key=True, of=("self",))
    referral = rows.select_related("referrer__user", "referred__user").get(pk=referral_id)
    referred = referral.referred
    has_joined = referral.status == Status.JOINED and referred is not None
    if has_joined and referred and hours_of(referral, referred) >= referral.threshold_seconds:
        _conclude(referral, referred, now=now)
    elif referral.status in {Status.INVITED, Status.JOINED} and referral.expires_at <= now:
        _end(referral, Status.EXPIRED, _("Its time is over."), now=now)


def hours_of(referral: Referral, referred: Expert) -> int:
    """Seconds of approved hours of the invited one, as corrected; none for labs that the inviter acts for."""
    own_labs = LabMember.objects.filter(user=referral.referrer.user_id).values("tenant")
    entries = TimeEntry.objects.settled().filter(expert=referred, tenant__live=None).exclude(tenant__in=own_labs)
    entries = entries.filter(approved_at__lt=referral.expires_at)
    corrected = Adjustment.objects.filter(entry__in=entries, status=Adjustment.Status.POSTED)
    counted: int = entries.aggregate(total=Sum("seconds"))["total"] or 0
    return counted + (corrected.aggregate(total=Sum("seconds"))["total"] or 0)


def hash_of(email: str) -> str:
    """A keyed digest of an address: enough to recognise it, not enough to read it."""
    key = hashlib.sha256(b"cadre referrals" + settings.SECRET_KEY.encode()).digest()
    return hmac.new(key, email.strip().lower().encode(), hashlib.sha256).hexdigest()


def _may_join(referral: Referral, expert: Expert, *, now: dt.datetime) -> bool:
    """Whether the code is for this person, who is new, and not the inviter or somebody above him."""
    above: Expert | None = referral.referrer
    while above is not None:
        if above.pk == expert.pk:
            return False
        invited = Referral.objects.filter(referred=above).select_related("referrer").first()
        above = invited.referrer if invited else None
    with scope.as_platform():
        has_worked = Contract.objects.filter(expert=expert).exists()
    return (
        referral.expires_at > now
        and (not referral.email_hash or hmac.compare_digest(referral.email_hash, hash_of(expert.user.email)))
        and expert.user.created_at >= referral.created_at
        and not has_worked
        and not Referral.objects.filter(referred=expert).exists()
    )


def _conclude(referral: Referral, referred: Expert, *, now: dt.datetime) -> None:
    if _are_one_person(referral.referrer, referred):
        _end(referral, Status.REFUSED, _("Both accounts seem to belong to one person."), now=now)
        return
    _pay(referral, now=now)


def pay_after_all(*, referral: Referral, now: dt.datetime) -> None:
    """Pay what was refused, or ended after somebody had joined, because an appeal was won; harmless when run twice.

    Of a later invitation of the same address: nobody is left to join with it, so it ends; where another account joined
    with it, it stands for itself, and keeps the address.
    """
    turns.take("referrals", referral.referrer_id)
    rows = Referral.objects.select_for_update(no_key=True, of=("self",)).select_related("referrer__user")
    locked = rows.get(pk=referral.pk)
    if not locked.referred_id or locked.status not in {Status.REFUSED, Status.EXPIRED}:
        return
    again = rows.filter(referrer=locked.referrer_id, email_hash=locked.email_hash).exclude(email_hash="")
    later = again.exclude(status__in=(Status.REFUSED, Status.EXPIRED)).first()
    if later is not None and later.status == Status.INVITED:
        _end(later, Status.EXPIRED, _("Your earlier invitation of the same address is paid after all."), now=now)
    elif later is not None:
        locked.email_hash = ""
    _pay(locked, now=now)


def _pay(referral: Referral, *, now: dt.datetime) -> None:
    states.move(referral, Status.PAID)
    referral.pay = platform_pay.pay_referral(
        expert=referral.referrer,
        amount=Money(referral.bonus_minor, referral.currency),
        reason=_("Somebody you invited has worked the hours of referral %(id)s.") % {"id": referral.public_id},
        now=now,
    )
    referral.decided_at = now
    referral.save(update_fields=["status", "email_hash", "pay", "decided_at"])


def _end(referral: Referral, to: str, note: str, *, now: dt.datetime) -> None:
    states.move(referral, to)
    referral.decided_at, referral.note = now, note
    referral.save(update_fields=["status", "decided_at", "note"])
    _tell(referral, note, now=now)


def _are_one_person(one: Expert, other: Expert) -> bool:
    """Whether both are paid to one account."""
    return bool(_accounts_of(one) & _accounts_of(other))


def _accounts_of(expert: Expert) -> set[tuple[str, str]]:
    """Every account the expert was ever paid to, as a digest: details are opened, compared and forgotten."""
    found = set()
    for method in PayoutMethod.objects.filter(expert=expert):
        try:
            details = vault.open_sealed(bytes(method.sealed_details), owner=method.public_id)
        except vault.CannotOpen:
            continue
        plain = repr(sorted(details.items()))
        found.add((method.type, hashlib.sha256(plain.encode()).hexdigest()))
    return found


def _tell(referral: Referral, text: str, *, now: dt.datetime) -> None:
    kind, link = f"referral.{referral.status}", "/api/v1/expert/referrals"
    title = _("Your invitation: %(status)s") % {"status": referral.get_status_display()}
    if referral.referred_id is None:  # nobody had joined, so there was no pay to contest
        experts.send_notice(
            expert=referral.referrer, kind=kind, subject=referral.public_id, title=title, body=text, link=link, now=now
        )
        return
    news = PayNews(expert=referral.referrer, kind=kind, subject=referral.public_id, title=title, body=text, link=link)
    pay_notices.tell(news, now=now)
