"""Answers about labs and contracts that other floors and the API ask for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from typing import Final

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import OuterRef, Subquery
from django.utils.translation import gettext as _

from core import scope
from core.problems import FieldError, InvalidInput, PermissionDenied
from core.public import Principal, Tenant, User
from experts.ports import Contestable
from marketplace import pay_policy
from marketplace.models import Application, Contract, ContractPause, Lab, LabExpert, LabMember, RateSnapshot
from marketplace.models.contract import ContractQuerySet


def lab_for(tenant_id: int) -> Lab:
    """The lab that a tenant belongs to. Raises Lab.DoesNotExist when the caller's reach does not include it."""
    return Lab.objects.select_related("tenant").get(tenant_id=tenant_id)


def contracts_of(principal: Principal) -> ContractQuerySet:
    """The contracts that the caller may see, with what is usually read beside them."""
    return Contract.objects.visible_to(principal).select_related("project", "opening", "lab_expert", "offer")


def snapshot_at(*, contract_id: int, at: dt.datetime) -> RateSnapshot:
    """The terms in force at an instant; before the first and after the last, the nearest.

    Raises RateSnapshot.DoesNotExist for a contract that is not there.
    """
    snapshots = RateSnapshot.objects.filter(contract_id=contract_id)
    found = snapshots.filter(valid__contains=at).first() or snapshots.order_by("-valid").first()
    if found is None:
        raise RateSnapshot.DoesNotExist(f"contract {contract_id} has no terms")
    return found


def terms_in_force(*, contract_ids: Iterable[int], at: dt.datetime) -> dict[int, RateSnapshot]:
    """The terms of several contracts at an instant (the first ones before all), by the contract's primary key."""
    found: dict[int, RateSnapshot] = {}
    for row in RateSnapshot.objects.filter(contract_id__in=list(contract_ids)).order_by("valid"):
        if row.contract_id not in found or row.valid.lower <= at:
            found[row.contract_id] = row
    return found


def snapshots_between(contract_id: int, start: dt.datetime, end: dt.datetime) -> list[RateSnapshot]:
    """The terms in force somewhere in [start, end), in order of time."""
    rows = RateSnapshot.objects.filter(contract_id=contract_id, valid__overlap=DateTimeTZRange(start, end))
    return list(rows.order_by("valid"))


def snapshots_from(contract_id: int, start: dt.datetime) -> list[RateSnapshot]:
    """The terms in force at an instant and those agreed for later, in order of time."""
    rows = RateSnapshot.objects.filter(contract_id=contract_id, valid__overlap=DateTimeTZRange(start, None))
    return list(rows.order_by("valid"))


def first_pause(contract_id: int, start: dt.datetime, end: dt.datetime) -> dt.datetime | None:
    """When a contract first stood still somewhere in [start, end); None when it never did."""
    overlapping = ContractPause.objects.filter(contract_id=contract_id, period__overlap=DateTimeTZRange(start, end))
    found = overlapping.order_by("period").first()
    return None if found is None else max(start, found.period.lower)


def planned_hourly_rate(snapshot: RateSnapshot) -> int:
    """Minor units that an hour is planned to pay under these terms: see ``pay_policy.planned_hourly_rate``."""
    return pay_policy.planned_hourly_rate(
        rate_minor=snapshot.rate_minor,
        policy=pay_policy.complete({}, former=snapshot.pay_policy),
        weekly_cap_seconds=snapshot.week_cap_seconds,
    )


def lab_alias() -> Subquery:
    """For ``annotate``: how the lab of a row calls itself towards experts."""
    return Subquery(Lab.objects.filter(tenant=OuterRef("tenant")).values("alias")[:1])


def pseudonyms(*, tenant_id: int, expert_ids: Iterable[int]) -> dict[int, str]:
    """Expert key → the public id under which this lab knows him; those it does not know are missing."""
    rows = LabExpert.objects.filter(tenant_id=tenant_id, expert_id__in=list(expert_ids))
    return dict(rows.values_list("expert_id", "public_id"))


def contestable_application(*, subject: str, expert_id: int) -> Contestable | None:
    """Whether an expert may contest what became of his application: once it was rejected."""
    row = Application.objects.filter(public_id=subject, expert_id=expert_id, status=Application.Status.REJECTED).first()
    return Contestable(tenant_id=row.tenant_id, decided_by_id=None) if row else None


def contestable_contract(*, subject: str, expert_id: int) -> Contestable | None:
    """Whether an expert may contest what was done to his contract: once somebody paused or ended it."""
    stopped = (Contract.Status.PAUSED, Contract.Status.ENDING, Contract.Status.ENDED)
    row = Contract.objects.filter(public_id=subject, expert_id=expert_id, status__in=stopped).first()
    return Contestable(tenant_id=row.tenant_id, decided_by_id=None) if row else None


class PeopleOfLabs:
    """Answers the experts' floor: who acts for a lab."""

    def acting(self, *, pairs: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
        """Those of the pairs (user, tenant) whose user is a member of the lab that the tenant is a side of."""
        tenants = Tenant.objects.filter(pk__in={tenant_id for _user, tenant_id in pairs})
        live = {tenant.pk: tenant.live_id or tenant.pk for tenant in tenants}
        with scope.as_platform():  # an expert has no reach into the members of a lab, nor a sandbox into its live side
            rows = LabMember.objects.filter(tenant_id__in=live.values(), user_id__in={user for user, _tenant in pairs})
            members = set(rows.values_list("user_id", "tenant_id"))
        return {(user_id, tenant_id) for user_id, tenant_id in pairs if (user_id, live[tenant_id]) in members}


DECIDER: Final = "A reviewer, manager or admin of the lab: his id (mem_…) or e-mail address."
MONEY_DECIDER: Final = "A manager or admin of the lab: his id (mem_…) or e-mail address."
"""Whom `deciding_member` takes, and whom it takes about money, in the words of the API."""


def member_of(*, tenant_id: int, who: str, pointer: str) -> LabMember:
    """A member of the lab by id or e-mail address, his account joined. Raises InvalidInput at ``pointer``."""
    named = {"public_id": who} if who.startswith("mem_") else {"user__email": who.lower()}
    tenant = Tenant.objects.get(pk=tenant_id)
    with scope.as_platform():  # a sandbox's people are its live side's, which a test key does not reach
        members = LabMember.objects.filter(tenant_id=tenant.live_id or tenant.pk, user__is_active=True, **named)
        member = members.select_related("user").first()
    if member is None:
        detail = _("This lab has no such member. Name one by id (mem_…) or e-mail address.")
        raise InvalidInput(errors=[FieldError(pointer, "unknown_member", detail)])
    return member


def deciding_member(
    *, tenant_id: int, who: str, by: Principal, pointer: str = "/decided_by", about_money: bool = False
) -> User:
    """The member of the lab who decides, named by member id or e-mail address; a manager or admin about money.

    Raises InvalidInput at ``pointer`` when the lab has no such member, or his role does not reach so far;
    PermissionDenied when the caller's key is another member's.
    """
    member = member_of(tenant_id=tenant_id, who=who, pointer=pointer)
    if by.only_member_id not in {None, member.user_id}:
        raise PermissionDenied(_("This key is one member's own: nobody else decides with it."))
    if member.role == LabMember.Role.VIEWER:
        raise InvalidInput(errors=[FieldError(pointer, "may_not_decide", _("This member may look, not decide."))])
    if about_money and member.role == LabMember.Role.REVIEWER:
        detail = _("This member reviews work; a manager or an admin decides about money.")
        raise InvalidInput(errors=[FieldError(pointer, "may_not_pay", detail)])
    return member.user
