"""A small world for the marketplace's tests: labs with keys, experts with proven skills, real money."""

from __future__ import annotations

import datetime as dt
from contextlib import AbstractContextManager
from typing import Any

from core import tokens
from core.money import Money
from core.principal import Kind, Principal
from core.public import Tenant, User, unit_of_work
from experts.models import Availability, Credential, Domain, Expert, ExpertDomain
from experts.operations import profiles
from marketplace import ports
from marketplace.models import Contract, Lab, LabExpert, LabMember, Offer, Opening, Project
from marketplace.operations import acceptance, api_keys, labs, offers, openings, projects
from marketplace.operations.acceptance import TypedName
from marketplace.ports import BalanceView
from marketplace.scopes import SCOPES
from payments.operations.labs import funding
from tests.core.api.conftest import Caller

NOW = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
HOUR = 3600

PROJECT: dict[str, Any] = {
    "name": "Cardiology rubrics",
    "alias": "Heart",
    "task_types": ["rubric_authoring"],
    "review_policy": "platform",
    "currency": "USD",
    "ai_assistance": "forbidden",
}
REQUIREMENT: dict[str, Any] = {"domain": "medicine.cardiology", "min_level": 3, "languages": ["en"]}
OPENING: dict[str, Any] = {"title": "Cardiologist", "seats": 2, "tier": "expert", "weekly_cap_seconds": 10 * HOUR}


def platform() -> AbstractContextManager[None]:
    """Act as the platform."""
    return unit_of_work(Principal.system("tests.marketplace"))


def make_lab(name: str = "Acme", *, funds: int = 10**9) -> Lab:
    """A lab with an admin and so many cents."""
    with platform():
        lab = labs.open_lab(name=name, currency="USD", now=NOW, alias=f"{name} (alias)")
        labs.add_member(lab=lab, email=f"admin@{name.lower()}.example", role=LabMember.Role.ADMIN, now=NOW)
    fund(lab, funds)
    return lab


def fund(lab: Lab, minor: int) -> None:
    """Pay in."""
    with platform():
        announced = funding.announce(
            tenant_id=lab.tenant_id, amount=Money(minor, "USD"), by=Principal.system("tests.marketplace"), now=NOW
        )
        if announced.status == announced.Status.PENDING:
            finance, _ = User.objects.get_or_create(email="finance@example.org", defaults={"is_staff": True})
            funding.confirm(funding=announced, by=finance, now=NOW)


def balance(lab: Lab) -> BalanceView:
    """The lab's dollars."""
    with platform():
        (view,) = ports.funds.get().balances(tenant_id=lab.tenant_id)
    return view


def admin_of(lab: Lab) -> User:
    """The lab's admin."""
    with platform():
        return User.objects.get(pk=LabMember.objects.filter(tenant=lab.tenant).order_by("pk")[0].user_id)


def lab_caller(lab: Lab, *scopes: str) -> Caller:
    """An HTTP client with a key of the lab: all rights, or those named."""
    with platform():
        minted = api_keys.issue(lab=lab, name="tests", now=NOW, scopes=scopes or SCOPES)
    return Caller(Authorization=f"Bearer {minted.secret}")


def sandbox_caller(lab: Lab) -> Caller:
    """An HTTP client with a test key."""
    with platform():
        minted = tokens.mint_lab_key(tenant=lab.tenant.sandbox, name="tests", scopes=SCOPES)
    return Caller(Authorization=f"Bearer {minted.secret}")


def make_expert(
    email: str = "ada@example.org",
    *,
    domain: str = "medicine.cardiology",
    level: int = 4,
    years: int = 8,
    degree: str = "doctorate",
    weekly_hours: int = 20,
    user: User | None = None,
    **fields: object,
) -> Expert:
    """An expert with one proven skill, unless told otherwise: an expert of tier "expert" in the United States."""
    with platform():
        person = user or User.objects.create_user(email, name="Ada Lovelace")
        expert = profiles.become_expert(user=person, now=NOW)
        Availability.objects.filter(expert=expert).update(weekly_seconds=weekly_hours * HOUR)
        known = Domain.objects.get(code=domain)
        ExpertDomain.objects.create(expert=expert, domain=known, level=level, years=years)
        Credential.objects.create(
            expert=expert,
            domain=known,
            kind="degree",
            award=degree,
            title="Degree",
            status="verified",
            reason="seen",
            decided_at=NOW,
        )
        values = {"country": "US", "languages": ["en"], "tier": "expert", "legal_name": "Ada Lovelace", **fields}
        Expert.objects.filter(pk=expert.pk).update(**values)
        expert.refresh_from_db()
    return expert


def expert_caller(expert: Expert) -> Caller:
    """An HTTP client with a personal token."""
    secret = tokens.mint_expert_token(user=User.objects.get(pk=expert.user_id), name="tests").secret
    return Caller(Authorization=f"Bearer {secret}")


def expert_principal(expert: Expert, *labs_reached: Lab) -> Principal:
    """The expert as the database knows him."""
    return Principal(
        kind=Kind.EXPERT,
        label="user:tests",
        user_id=expert.user_id,
        tenant_ids=tuple(lab.tenant_id for lab in labs_reached),
        subject_id=expert.pk,
    )


def make_project(lab: Lab, *, launched: bool = True, tenant: Tenant | None = None, **fields: Any) -> Project:
    """A project, active unless told otherwise."""
    with platform():
        project = projects.create(tenant_id=(tenant or lab.tenant).pk, now=NOW, **{**PROJECT, **fields})
        return projects.launch(project=project, now=NOW) if launched else project


def make_opening(project: Project, *, is_open: bool = True, requirement: Any = None, **fields: Any) -> Opening:
    """An opening for cardiologists, open unless told otherwise."""
    with platform():
        asked = {**REQUIREMENT, **(requirement or {})}
        opening = openings.create(project=project, requirement=asked, now=NOW, **{**OPENING, **fields})
        return openings.open_(opening=opening, now=NOW) if is_open else openings.lock(opening)


def make_offer(opening: Opening, expert: Expert, *, now: dt.datetime = NOW, **fields: Any) -> Offer:
    """An offer of a seat."""
    with platform():
        known, _ = LabExpert.objects.get_or_create(tenant_id=opening.tenant_id, expert=expert)
        return offers.extend(opening=openings.lock(opening), lab_expert=known, now=now, **fields)


def signatures_for(offer: Offer, name: str = "Ada Lovelace") -> list[TypedName]:
    """A name under every document of an offer."""
    with platform():
        documents = offer.documents.select_related("agreement_version").order_by("pk")
        return [TypedName(row.agreement_version.public_id, name) for row in documents]


def make_contract(opening: Opening, expert: Expert, *, now: dt.datetime = NOW) -> Contract:
    """A signed contract."""
    offer = make_offer(opening, expert, now=now)
    signatures = signatures_for(offer)
    with platform():
        return acceptance.accept(offer=offers.lock(offer), signatures=signatures, now=now)


def again(row: Any) -> Any:
    """The row as it is in the database now."""
    with platform():
        return type(row)._default_manager.get(pk=row.pk)
