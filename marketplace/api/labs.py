"""`/lab`, `/lab/members`: the calling lab and who acts for it."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from django.db.models import QuerySet
from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.lookup import get_or_404
from core.api.types import (
    Currency,
    Doc,
    Duration,
    Example,
    IdOf,
    MoneyOut,
    TenantId,
    Timestamp,
    render_duration,
    render_money,
)
from core.api.views import LabView
from core.money import Money
from marketplace import ports
from marketplace.models import Lab, LabMember
from marketplace.operations import labs
from marketplace.operations.labs import LastAdmin

MemberId = Annotated[str, IdOf("mem")]


class LabBalanceOut(TypedDict):
    """What the lab has in one currency."""

    available: Annotated[MoneyOut, Doc("Free to be reserved.")]
    reserved: Annotated[MoneyOut, Doc("Set aside for contracts and batches.")]
    receivable: Annotated[MoneyOut, Doc("Approved hours beyond the reserve, owed by the lab; new claims pause.")]


class LabOut(TypedDict):
    """The lab whose key this is."""

    id: TenantId
    name: Annotated[str, Example("Acme Research")]
    alias: Annotated[str, Doc("What experts see."), Example("A lab in Zurich")]
    sandbox: Annotated[bool, Doc("Whether this key reaches the sandbox, where nothing is real.")]
    currency: Currency
    country: Annotated[str | None, Example("CH")]
    fee_bp: Annotated[int, Doc("The platform's fee on top of pay, in basis points."), Example(3000)]
    approval_window: Annotated[Duration, Doc("Silence longer than this approves hours."), Example("PT72H")]
    holdback_bp: Annotated[int, Doc("Share of pay held back, in basis points."), Example(0)]
    holdback_days: Annotated[int, Doc("Days after which a holdback is released."), Example(30)]
    notice_days: Annotated[int, Doc("Days of notice promised in offers."), Example(7)]
    scopes: Annotated[list[str], Doc("What this key may do."), Example(["projects:write"])]
    balances: list[LabBalanceOut]


class MemberOut(TypedDict):
    """A person who acts for the lab."""

    id: MemberId
    email: Annotated[str, Example("reviewer@lab.example")]
    name: str
    role: Annotated[str, Doc("admin, manager, reviewer or viewer."), Example("reviewer")]
    created_at: Timestamp


class MemberIn(serializers.Serializer[None]):
    """Somebody to let in."""

    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(choices=LabMember.Role.choices)


class RoleIn(serializers.Serializer[None]):
    """Another role."""

    role = serializers.ChoiceField(choices=LabMember.Role.choices)


def lab_of(call: Call) -> Lab:
    """The calling lab."""
    return Lab.objects.visible_to(call.principal).select_related("tenant").get()


def members_of(call: Call) -> QuerySet[LabMember]:
    """The calling lab's people."""
    return LabMember.objects.visible_to(call.principal).select_related("user")


def render_member(member: LabMember) -> MemberOut:
    """One member."""
    return {
        "id": member.public_id,
        "email": member.user.email,
        "name": member.user.name,
        "role": member.role,
        "created_at": member.created_at,
    }


class LabDetail(LabView):
    """The calling lab."""

    @endpoint(summary="Show the calling lab", scope="lab:read", returns=LabOut, tag="lab")
    def get(self, call: Call) -> LabOut:
        """Who the key belongs to, what it may do, the lab's terms, and its balances."""
        lab = lab_of(call)
        return {
            "id": lab.tenant.public_id,
            "name": lab.tenant.name,
            "alias": lab.alias,
            "sandbox": lab.tenant.is_sandbox,
            "currency": lab.currency,
            "country": lab.country or None,
            "fee_bp": lab.fee_bp,
            "approval_window": render_duration(lab.approval_window_seconds),
            "holdback_bp": lab.holdback_bp,
            "holdback_days": lab.holdback_days,
            "notice_days": lab.notice_days,
            "scopes": sorted(call.principal.scopes),
            "balances": [_balance(view) for view in ports.funds.get().balances(tenant_id=lab.tenant_id)],
        }


def _balance(view: ports.BalanceView) -> LabBalanceOut:
    return {
        "available": render_money(Money(view.available_minor, view.currency)),
        "reserved": render_money(Money(view.reserved_minor, view.currency)),
        "receivable": render_money(Money(view.receivable_minor, view.currency)),
    }


class MemberList(LabView):
    """The lab's people."""

    @endpoint(
        summary="List members", scope="members:read", returns=MemberOut, paginated=True, render=render_member, tag="lab"
    )
    def get(self, call: Call) -> QuerySet[LabMember]:
        """Everybody who acts for the lab. Decisions name one of them as `decided_by`."""
        return members_of(call)

    @endpoint(
        summary="Let somebody act for the lab",
        scope="members:write",
        body=MemberIn,
        returns=MemberOut,
        status=201,
        errors=[LastAdmin],
        example={"email": "reviewer@lab.example", "role": "reviewer"},
        tag="lab",
    )
    def post(self, call: Call) -> MemberOut:
        """By e-mail address; whoever has no account yet sets a password by "forgot password". Again: another role."""
        member = labs.add_member(lab=lab_of(call), now=call.now, **call.body)
        return render_member(member)


class MemberDetail(LabView):
    """One member."""

    @endpoint(summary="Show a member", scope="members:read", returns=MemberOut, tag="lab")
    def get(self, call: Call, member_id: str) -> MemberOut:
        """One person who acts for the lab."""
        return render_member(get_or_404(members_of(call), member_id))

    @endpoint(
        summary="Change a member's role",
        scope="members:write",
        body=RoleIn,
        returns=MemberOut,
        errors=[LastAdmin],
        example={"role": "manager"},
        tag="lab",
    )
    def patch(self, call: Call, member_id: str) -> MemberOut:
        """Give a person another role."""
        member = get_or_404(members_of(call), member_id)
        role: Any = call.body.get("role", member.role)
        return render_member(labs.change_role(member=member, role=role))

    @endpoint(summary="Remove a member", scope="members:write", errors=[LastAdmin], tag="lab")
    def delete(self, call: Call, member_id: str) -> None:
        """Take a person's access away at once."""
        labs.remove_member(member=get_or_404(members_of(call), member_id), now=call.now)
