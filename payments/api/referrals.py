"""`/expert/referrals`: invite somebody, see what became of it, and say who invited you."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import StrictCharField
from core.api.filters import CreatedFilters
from core.api.lookup import get_or_404
from core.api.types import Doc, Duration, Example, IdOf, MoneyOut, Timestamp, render_duration, render_money
from core.api.views import ExpertView
from core.money import Money
from experts.public import Expert
from payments.models import Referral
from payments.operations.pay import referrals
from payments.operations.pay.referrals import AlreadyInvited, CannotJoin, ProgrammeClosed, TooManyReferrals


class ReferralOut(TypedDict):
    """An invitation with its terms, which do not change any more."""

    id: Annotated[str, IdOf("ref")]
    code: Annotated[str, Doc("What the invited one gives after signing up."), Example("K7M2P9QWXA4B")]
    status: Annotated[str, Doc("invited, joined, paid, refused or expired."), Example("invited")]
    bonus: Annotated[MoneyOut, Doc("What you get, from the platform.")]
    hours: Annotated[Duration, Doc("Approved hours that the invited one has to work.")]
    expires_at: Annotated[Timestamp, Doc("Until then he joins; once he did, until then he works the hours.")]
    note: str
    pay: Annotated[str | None, Doc("The bonus, once it is paid."), IdOf("ppy")]
    created_at: Timestamp


class ProgrammeOut(TypedDict):
    """The terms of the programme today."""

    open: Annotated[bool, Example(True)]
    version: Annotated[str | None, Example("2026-01")]
    bonus: MoneyOut | None
    hours: Duration | None
    join_days: Annotated[int | None, Example(30)]
    reach_days: Annotated[int | None, Example(180)]
    cap: Annotated[int | None, Doc("Most invitations that are open or paid."), Example(20)]


class JoinedOut(TypedDict):
    """That you were invited is noted."""

    id: Annotated[str, IdOf("ref")]
    joined_at: Timestamp


class InviteIn(serializers.Serializer[None]):
    """Whom."""

    email = serializers.EmailField(
        max_length=254,
        required=False,
        help_text="Only somebody with this address can join; only its digest is kept. Without it, whoever has the code.",
    )


class JoinIn(serializers.Serializer[None]):
    """Who invited you."""

    code = StrictCharField(max_length=24)


class ReferralFilters(CreatedFilters):
    """Filters."""

    status = serializers.ChoiceField(choices=Referral.Status.choices, required=False)


def me(call: Call) -> Expert:
    """The caller."""
    return Expert.objects.visible_to(call.principal).select_related("user").get()


def render_referral(row: Referral) -> ReferralOut:
    """An invitation; its pay is joined. Who joined is not told."""
    return {
        "id": row.public_id,
        "code": row.code,
        "status": row.status,
        "bonus": render_money(Money(row.bonus_minor, row.currency)),
        "hours": render_duration(row.threshold_seconds),
        "expires_at": row.expires_at,
        "note": row.note,
        "pay": row.pay.public_id if row.pay else None,
        "created_at": row.created_at,
    }


class ReferralList(ExpertView):
    """The expert's invitations."""

    @endpoint(
        summary="List my invitations of experts",
        query=ReferralFilters,
        returns=ReferralOut,
        paginated=True,
        render=render_referral,
        operation_id="listReferrals",
    )
    def get(self, call: Call) -> Any:
        """Newest first."""
        return Referral.objects.visible_to(call.principal).filter(**call.query).select_related("pay")

    @endpoint(
        summary="Invite an expert",
        rate="money",
        body=InviteIn,
        returns=ReferralOut,
        status=201,
        errors=[AlreadyInvited, ProgrammeClosed, TooManyReferrals],
        example={"email": "grace@example.org"},
        operation_id="inviteExpert",
        idempotency="required",
    )
    def post(self, call: Call) -> ReferralOut:
        """Today's terms are frozen in the invitation. Pass its code on yourself: we write to nobody."""
        made = referrals.invite(referrer=me(call), email=call.body.get("email", ""), now=call.now)
        return render_referral(get_or_404(Referral.objects.visible_to(call.principal), made.public_id))


class ProgrammeDetail(ExpertView):
    """The programme."""

    @endpoint(summary="Show the referral programme", returns=ProgrammeOut)
    def get(self, call: Call) -> ProgrammeOut:
        """What an invitation made today would promise."""
        terms = referrals.programme(now=call.now)
        return {
            "open": terms is not None,
            "version": terms.version if terms else None,
            "bonus": render_money(terms.bonus) if terms else None,
            "hours": render_duration(terms.threshold_seconds) if terms else None,
            "join_days": terms.join_days if terms else None,
            "reach_days": terms.reach_days if terms else None,
            "cap": terms.cap if terms else None,
        }


class ReferralJoin(ExpertView):
    """Saying who invited you."""

    @endpoint(
        summary="Join by an invitation",
        rate="login",
        body=JoinIn,
        returns=JoinedOut,
        errors=[CannotJoin],
        example={"code": "K7M2P9QWXA4B"},
    )
    def post(self, call: Call) -> JoinedOut:
        """After signing up and before your first contract. Your hours are yours; the inviter hears no name."""
        joined = referrals.join(expert=me(call), code=call.body["code"], now=call.now)
        return {"id": joined.public_id, "joined_at": call.now}
