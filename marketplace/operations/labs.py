"""Open labs, and say who acts for them."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from core import outbox
from core.problems import Conflict
from core.public import Tenant, TenantAccess, User
from experts.public import current_versions, publish_agreement
from marketplace import documents
from marketplace.models import Lab, LabExpert, LabMember
from marketplace.operations import api_keys


class LastAdmin(Conflict):
    """A lab keeps at least one admin: make somebody else admin first."""

    code = "last_admin"
    title = _("The lab would be left without an admin")


@transaction.atomic
def open_lab(
    *, name: str, currency: str, now: dt.datetime, alias: str = "", country: str = "", by: User | None = None
) -> Lab:
    """A lab with its live tenant, its sandbox, and a confidentiality agreement for each; returns the live one.

    ``alias`` is what experts see instead of the name; ``currency`` is what new projects use unless they say otherwise.
    """
    live = Tenant.objects.create(name=name)
    sandbox = Tenant.objects.create(name=f"{name} (sandbox)", live=live)
    shown = alias or name
    for tenant in (sandbox, live):
        lab = Lab.objects.create(tenant=tenant, alias=shown, country=country, currency=currency)
        publish_agreement(
            code=documents.NDA,
            title=documents.NDA_TITLE.format(alias=shown),
            body=documents.NDA_BODY.format(alias=shown),
            by=by,
            now=now,
            tenant_id=tenant.pk,
        )
    _publish_terms(by=by, now=now)
    outbox.publish("lab.opened", subject=live.public_id, tenant_id=live.pk, now=now)
    return lab


def _publish_terms(*, by: User | None, now: dt.datetime) -> None:
    """The platform's terms for experts, unless there are some: what an operator published stays."""
    if not current_versions([documents.TERMS]):
        publish_agreement(code=documents.TERMS, title=documents.TERMS_TITLE, body=documents.TERMS_BODY, by=by, now=now)


@transaction.atomic
def add_member(*, lab: Lab, email: str, role: str, now: dt.datetime) -> LabMember:
    """Let a person act for the lab, or change his role. An account is made where there is none, without a password."""
    user = User.objects.filter(email=email.lower()).first() or User.objects.create_user(email)
    member, created = LabMember.objects.get_or_create(tenant_id=lab.tenant_id, user=user, defaults={"role": role})
    if not created:
        return change_role(member=member, role=role)
    TenantAccess.objects.get_or_create(user=user, tenant_id=lab.tenant_id)
    outbox.publish("lab.member_added", subject=member.public_id, tenant_id=lab.tenant_id, now=now)
    return member


@transaction.atomic
def change_role(*, member: LabMember, role: str) -> LabMember:
    """Give a member another role. Raises LastAdmin."""
    members = _locked(member)
    if role != LabMember.Role.ADMIN:
        _require_another_admin(members, member)
    member.role = role
    member.save(update_fields=["role"])
    return member


@transaction.atomic
def remove_member(*, member: LabMember, now: dt.datetime) -> None:
    """Take a person's access and his own keys away; an expert whom the lab knows keeps his reach to what is his own. Raises LastAdmin."""
    _require_another_admin(_locked(member), member)
    if not LabExpert.objects.filter(tenant_id=member.tenant_id, expert__user_id=member.user_id).exists():
        TenantAccess.objects.filter(user_id=member.user_id, tenant_id=member.tenant_id).delete()
    api_keys.revoke_all_of(member=member, now=now)
    outbox.publish("lab.member_removed", subject=member.public_id, tenant_id=member.tenant_id, now=now)
    member.delete()


def _locked(member: LabMember) -> list[LabMember]:
    """All members of the lab, locked together: two admins cannot remove each other at once."""
    members = LabMember.objects.filter(tenant_id=member.tenant_id).order_by("pk")
    return list(members.select_for_update(no_key=True, of=("self",)))


def _require_another_admin(members: list[LabMember], member: LabMember) -> None:
    admins = {row.pk for row in members if row.role == LabMember.Role.ADMIN}
    if admins == {member.pk}:
        raise LastAdmin
