"""A lab, its member, an expert with a signed contract and money behind it: the least that hours need."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.test import Client

from core import clock, tokens
from core.api import wire
from core.public import Principal, Tenant, TenantAccess, User, unit_of_work
from experts.public import Expert
from marketplace.public import Contract, Lab, LabExpert, LabMember, Offer, Opening, Project, RateSnapshot
from payments.models import Funding
from payments.operations.labs import funding, reservations
from tasks.public import Batch, Claim, Task

HOUR = 3600
SIGNED = dt.datetime(2026, 10, 1, 9, tzinfo=dt.UTC)
MONDAY = dt.datetime(2026, 11, 16, 9, tzinfo=dt.UTC)
PLATFORM = Principal.system("tests.payments")
POLICY = {
    "task": {"pay": "paid", "cap_seconds": None},
    "instructions": {"pay": "capped", "cap_seconds": HOUR},
    "assessment": {"pay": "unpaid", "cap_seconds": None},
}
TERMS: dict[str, Any] = {
    "fee_bp": 3000,
    "pay_policy": POLICY,
    "approval_window_seconds": 72 * HOUR,
    "holdback_days": 30,
    "card_version": "test",
}
"""What offers say and contracts freeze, whatever they pay."""


@contextmanager
def platform(at: dt.datetime | None = None) -> Iterator[None]:
    """The platform's reach, and optionally its clock, for a few statements."""
    with unit_of_work(PLATFORM):
        if at is None:
            yield
        else:
            with clock.frozen(at):
                yield


@dataclass(frozen=True)
class World:
    """Rows to work with; everything else is read again."""

    tenant: Tenant
    lab: Lab
    member: User
    expert: Expert
    contract: Contract
    snapshot: RateSnapshot

    @property
    def user(self) -> User:
        """The expert's account."""
        return self.expert.user


def build(
    *,
    name: str = "Aurora",
    expert: Expert | None = None,
    zone: str = "Europe/Berlin",
    rate_minor: int = 11_000,
    currency: str = "USD",
    day_cap: int | None = None,
    week_cap: int = 10 * HOUR,
    holdback_bp: int = 0,
    funded_minor: int = 10_000_000,
    aht_cap: int | None = None,
) -> World:
    """A world in which an expert may work for a lab. Called within `platform()`."""
    tenant = Tenant.objects.create(name=name)
    lab = Lab.objects.create(tenant=tenant, alias=name, country="DE", currency=currency)
    member = User.objects.create_user(f"ops@{name.lower()}.example", "pass")
    LabMember.objects.create(tenant=tenant, user=member, role=LabMember.Role.MANAGER)
    expert = expert or make_expert(f"expert-{name.lower()}@example.org", zone=zone)
    TenantAccess.objects.create(user=expert.user, tenant=tenant)
    contract = _contract(tenant, expert, currency=currency, zone=zone, rate_minor=rate_minor, week_cap=week_cap)
    snapshot = RateSnapshot.objects.create(
        tenant=tenant,
        contract=contract,
        valid=DateTimeTZRange(SIGNED, None),
        rate_minor=rate_minor,
        currency=currency,
        **TERMS,
        holdback_bp=holdback_bp,
        aht_cap_seconds=aht_cap,
        day_cap_seconds=day_cap,
        week_cap_seconds=week_cap,
        reason="accepted",
    )
    fund(tenant, currency, funded_minor)
    if funded_minor:
        reservations.reserve_contract(contract=contract, snapshot=snapshot, now=SIGNED)
    return World(tenant, lab, member, expert, contract, snapshot)


def make_expert(email: str, *, zone: str = "Europe/Berlin", country: str = "CH") -> Expert:
    """A person with a profile."""
    user = User.objects.create_user(email, "pass")
    return Expert.objects.create(user=user, legal_name=email, country=country, zone=zone, tier="expert")


def fund(tenant: Tenant, currency: str, minor: int) -> None:
    """Money in the lab's prepaid balance, as finance confirms it."""
    if minor:
        row = Funding.objects.create(
            tenant=tenant,
            amount_minor=minor,
            currency=currency,
            provider="tests",
            reference=f"CDR-{tenant.public_id}-{Funding.objects.count()}",
            requested_by="tests",
        )
        finance = User.objects.create_user(f"{row.public_id}@finance.example", "pass")
        funding.confirm(funding=row, by=finance, now=SIGNED)


def _contract(tenant: Tenant, expert: Expert, *, currency: str, zone: str, rate_minor: int, week_cap: int) -> Contract:
    opening = _opening(tenant, currency=currency, week_cap=week_cap)
    lab_expert = LabExpert.objects.create(tenant=tenant, expert=expert)
    offer = Offer.objects.create(
        tenant=tenant,
        opening=opening,
        expert=expert,
        lab_expert=lab_expert,
        status=Offer.Status.ACCEPTED,
        weekly_cap_seconds=week_cap,
        rate_minor=rate_minor,
        currency=currency,
        **TERMS,
        holdback_bp=0,
        notice_days=7,
        extended_at=SIGNED,
        expires_at=SIGNED + dt.timedelta(days=7),
        decided_at=SIGNED,
    )
    return Contract.objects.create(
        tenant=tenant,
        opening=opening,
        project=opening.project,
        offer=offer,
        expert=expert,
        lab_expert=lab_expert,
        status=Contract.Status.ACTIVE,
        zone=zone,
        signed_at=SIGNED,
        activated_at=SIGNED,
    )


def _opening(tenant: Tenant, *, currency: str, week_cap: int) -> Opening:
    project = Project.objects.create(
        tenant=tenant,
        name="Rubrics",
        alias="Rubrics",
        status=Project.Status.ACTIVE,
        task_types=["rubric_authoring"],
        review_policy=Project.ReviewPolicy.LAB,
        currency=currency,
        ai_assistance=Project.AiAssistance.DISCLOSED,
    )
    return Opening.objects.create(
        tenant=tenant,
        project=project,
        title="Cardiologist",
        status=Opening.Status.OPEN,
        seats=5,
        tier="expert",
        weekly_cap_seconds=week_cap,
    )


def contract_of(world: World, expert: Expert, *, currency: str = "USD") -> Contract:
    """A contract of another expert with the same lab, without terms or money behind it."""
    return _contract(
        world.tenant, expert, currency=currency, zone="Europe/Berlin", rate_minor=11_000, week_cap=10 * HOUR
    )


def raise_rate(world: World, *, rate_minor: int, at: dt.datetime) -> RateSnapshot:
    """Later terms of the same contract."""
    former = RateSnapshot.objects.get(contract=world.contract, valid__upper_inf=True)
    RateSnapshot.objects.filter(pk=former.pk).update(valid=DateTimeTZRange(former.valid.lower, at))
    former.pk = None
    former.valid = DateTimeTZRange(at, None)
    former.rate_minor = rate_minor
    former.reason = "amended"
    former.save(force_insert=True)
    return former


def make_member(world: World, user: User) -> None:
    """Let a person act for the lab."""
    LabMember.objects.create(tenant=world.tenant, user=user, role=LabMember.Role.MANAGER)


def force_status(contract: Contract, status: str) -> None:
    """Put a contract into a state without its story."""
    ended = {"ended_at": MONDAY, "end_reason": "completed"} if status == "ended" else {}
    Contract.objects.filter(pk=contract.pk).update(status=status, **ended)
    contract.refresh_from_db()


def make_claim(world: World, *, status: str = "active", aht_cap: int | None = None) -> Claim:
    """A task that the expert has claimed."""
    contract = world.contract
    batch = Batch.objects.create(tenant=world.tenant, project=contract.project, name="First", status="in_progress")
    task = Task.objects.create(
        tenant=world.tenant,
        batch=batch,
        project=contract.project,
        type="rubric_authoring",
        schema_version=1,
        payload={},
        status="in_work",
        position=1,
    )
    return Claim.objects.create(
        tenant=world.tenant,
        task=task,
        contract=contract,
        expert=world.expert,
        role="attempt",
        status=status,
        claimed_at=MONDAY,
        lease_seconds=HOUR,
        lease_until=MONDAY + dt.timedelta(hours=1),
        ended_at=None if status == "active" else MONDAY + dt.timedelta(hours=2),
        aht_cap_seconds=aht_cap,
    )


class Caller:
    """An HTTP client with credentials, at a frozen instant."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.client = Client()

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        at: dt.datetime = MONDAY,
        key: str | None = None,
        match: str = "",
    ) -> Any:
        """One request; `key` is the Idempotency-Key, made up for POSTs unless given (empty: none), `match` If-Match."""
        headers = {"Authorization": f"Bearer {self.secret}"} | ({"If-Match": match} if match else {})
        if method == "POST" and key != "":
            headers["Idempotency-Key"] = key or f"{path}-{at.isoformat()}-{wire.dumps(body or {}).hex()[:150]}"
        raw = b"" if body is None else wire.dumps(body)
        with clock.frozen(at):
            return self.client.generic(
                method,
                f"/api/v1{path}",
                raw,
                content_type="application/json" if body is not None else "",
                headers=headers,
            )


def expert_caller(world: World) -> Caller:
    """The expert's own client."""
    return Caller(tokens.mint_expert_token(user=world.user, name="tests").secret)


def member_caller(world: World, email: str, *scopes: str) -> Caller:
    """A client of one member of the lab, with his own key."""
    wanted, user = scopes or ("timesheets:write", "bonuses:write"), User.objects.get(email=email)
    minted = tokens.mint_lab_key(tenant=world.tenant, name="tests", scopes=list(wanted), user=user)
    return Caller(minted.secret)


def lab_caller(world: World, *scopes: str) -> Caller:
    """A client of the lab."""
    wanted = scopes or ("timesheets:write", "bonuses:write")
    return Caller(tokens.mint_lab_key(tenant=world.tenant, name="tests", scopes=list(wanted)).secret)
