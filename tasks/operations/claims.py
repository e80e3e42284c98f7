"""The queue: give a contract holder his next piece of work, take it back when its lease ends."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy

from core import states
from core.problems import Conflict, constraint_name
from core.public import Principal
from core.sweeps import sweep
from experts.public import Qualification
from marketplace import ports
from marketplace.public import Contract, Project, require_new_work
from tasks import events, task_types
from tasks.models import Batch, Claim, Submission, Task
from tasks.operations import settling, turns
from tasks.operations.locks import lock_claim
from tasks.operations.places import refresh

CONCURRENT_CLAIMS = 5
"""How many pieces of work one person may hold under one contract; rework does not count."""
REVIEWER = "reviewer"
"""The qualification that opens the review queue to an expert."""
REVIEW_LEASE_SECONDS = 2 * 3600
_ATTEMPTS = 5
_SPARE = 20
"""How many tasks are looked at beyond those set aside: some may be locked by others at this moment."""
EXPIRER = Principal.system("tasks.expire_claims")
_RACES = frozenset({"tasks_claim_one_per_slot", "tasks_claim_one_per_expert", "tasks_claim_one_role"})
_IN_ORDER = (Claim.Role.ADJUDICATION, Claim.Role.REVIEW, Claim.Role.SECOND, Claim.Role.ATTEMPT)


class LabOutOfFunds(Conflict):
    """The lab's balance does not cover new work right now, so no new work is given out.

    Nothing that is done is affected: hours that are logged are paid, claims in hand can be finished. New work is
    given out again as soon as the lab has funded its balance.
    """

    code = "claims_paused_for_funds"
    title = gettext_lazy("No new work until the lab has funded its balance")


class TooManyClaims(Conflict):
    """You hold as many pieces of work under this contract as one person may. `claims` lists them.

    Submit or release one of them first. Rework does not count.
    """

    code = "too_many_claims"
    title = gettext_lazy("Finish something first")
    example_members: ClassVar[dict[str, Any]] = {"claims": ["clm_01k9w3v6z8f2qr5t4h7xnm0ceg"]}


class ClaimOver(Conflict):
    """The claim is not yours to work on any more: it was submitted, released, taken back, or its lease ended.

    `claim_status` tells which. A draft that was saved stays readable at the claim; time logged for it stays yours.
    """

    code = "claim_over"
    title = gettext_lazy("This claim is over")
    example_members: ClassVar[dict[str, Any]] = {"claim_status": "expired"}


@dataclass(frozen=True, slots=True)
class EmptyQueue:
    """There is nothing for this person now, and what may come."""

    look_again_at: dt.datetime
    held_by_others: int
    """Pieces of work of the project that others have in hand and may give back."""
    next_lease_ends_at: dt.datetime | None
    in_preparation: int
    """Tasks of the project that are not launched yet, or wait for another part first."""
    before_you: int
    """People who have been without work longer; what turns up is offered to them first."""


def take(*, contract: Contract, by: Principal, now: dt.datetime) -> Claim | EmptyQueue:
    """The next piece of work under a contract, or what to expect when there is none.

    Raises AgreementRequired, InstructionsRequired, ContractNotActive, NewWorkRefused, LabOutOfFunds, TooManyClaims.
    """
    contract = _locked(contract)
    require_new_work(contract=contract, now=now)
    if not ports.funds.get().may_claim(tenant_id=contract.tenant_id):
        raise LabOutOfFunds
    _require_room(contract)
    for _attempt in range(_ATTEMPTS):
        try:
            with transaction.atomic():
                task = _next_task(contract, now=now)
                claim = _claim(task, contract, now=now) if task else None
        except IntegrityError as error:  # somebody was faster: what he took is seen by the next look
            if constraint_name(error) not in _RACES:
                raise
            continue
        if claim is None:
            break
        turns.served(contract=contract)
        events.claim("claim.taken", claim, by=by, now=now)
        return claim
    turns.wait(contract=contract, now=now)
    return forecast(contract=contract, now=now)


def release(*, claim: Claim, by: Principal, now: dt.datetime) -> Claim:
    """Give a piece of work back; somebody else gets it. Raises ClaimOver."""
    released = end(claim=claim, status=Claim.Status.RELEASED, now=now)
    events.claim("claim.released", released, by=by, now=now)
    return released


def end(*, claim: Claim, status: str, now: dt.datetime) -> Claim:
    """End an active claim without work handed in, and let its place be taken again. Raises ClaimOver."""
    task, locked = lock_claim(claim)
    require_active(locked)
    _end(task, locked, status, now=now)
    return locked


def _end(task: Task, claim: Claim, status: str, *, now: dt.datetime) -> None:
    states.move(claim, status)
    claim.ended_at = now
    claim.save(update_fields=["status", "ended_at"])
    settling.given_up(task=task, claim=claim)


def require_active(claim: Claim) -> None:
    """Raise ClaimOver unless the claim can be worked on."""
    if claim.status != Claim.Status.ACTIVE:
        raise ClaimOver(claim_status=str(claim.status))


def revoke_of(*, contract: Contract, now: dt.datetime) -> int:
    """Take everything back that is held under a contract that has ended; return how many pieces."""
    held = list(Claim.objects.active().filter(contract=contract).order_by("task_id", "pk"))
    revoked = 0
    for claim in held:
        task, locked = lock_claim(claim)
        if locked.status == Claim.Status.ACTIVE:
            _end(task, locked, Claim.Status.REVOKED, now=now)
            events.claim("claim.revoked", locked, now=now)
            revoked += 1
    return revoked


def expire_lapsed(*, now: dt.datetime, after: int = 0) -> int:
    """Take back work whose lease is over; return how many pieces."""

    def expire(pk: int) -> bool:
        task, locked = lock_claim(Claim.objects.get(pk=pk))
        if locked.status != Claim.Status.ACTIVE or locked.lease_until > now:
            return False
        _end(task, locked, Claim.Status.EXPIRED, now=now)
        events.claim("claim.expired", locked, now=now)
        return True

    return sweep(by=EXPIRER, due=Claim.objects.lapsed(now=now), step=expire, after=after)


def forecast(*, contract: Contract, now: dt.datetime) -> EmptyQueue:
    """What may come for the holder of a contract."""
    others = Claim.objects.active().filter(task__project_id=contract.project_id).exclude(expert_id=contract.expert_id)
    rows = list(others.values_list("lease_until", flat=True))
    waiting = Task.objects.filter(project_id=contract.project_id).filter(
        status__in=[Task.Status.PENDING, Task.Status.IN_WORK], wanted_role=""
    )
    return EmptyQueue(
        look_again_at=now + turns.LOOK_AGAIN,
        held_by_others=len(rows),
        next_lease_ends_at=min(rows, default=None),
        in_preparation=waiting.count(),
        before_you=len(turns.before(contract=contract, now=now)),
    )


def _locked(contract: Contract) -> Contract:
    """The contract as it is now: its holder asks once at a time, and what ends or pauses it comes before or after."""
    rows = Contract.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("project", "expert", "opening__requirement__domain").get(pk=contract.pk)


def _require_room(contract: Contract) -> None:
    held = Claim.objects.active().filter(contract=contract, revises=None).order_by("pk")
    ids = list(held.values_list("public_id", flat=True))
    if len(ids) >= CONCURRENT_CLAIMS:
        raise TooManyClaims(claims=ids)


def _next_task(contract: Contract, *, now: dt.datetime) -> Task | None:
    """Lock one task that the holder may work on: other people's unfinished business first, then what fits best.

    Work that is scarce is set aside for those who come before him (see ``turns``). Of the rest, tasks of his own
    opening's domain come first, then those without one; within that, older batches, and within a
    batch the drawn order. Whatever he had any other part in is never offered, nor what he gave back.
    """
    waiting = turns.before(contract=contract, now=now)
    for role in _IN_ORDER:
        tasks = _queue(contract, role)
        if role == Claim.Role.REVIEW:
            if not _may_review(contract, now=now):
                continue
        elif waiting:
            free = turns.not_set_aside(_first(_by_fit(tasks, contract), len(waiting) + _SPARE), waiting)
            tasks = tasks.filter(pk__in=free)
        for fitting in _by_fit(tasks, contract):
            locked = fitting.select_for_update(no_key=True, of=("self",), skip_locked=True)
            task = locked.select_related("batch", "candidate").first()
            if task is not None:
                return task
    return None


def _by_fit(tasks: QuerySet[Task], contract: Contract) -> list[QuerySet[Task]]:
    """Those of the holder's own domain, those without one, the rest: each is read in the order of an index."""
    own = contract.opening.requirement.domain.code
    return [tasks.filter(domain=own), tasks.filter(domain=""), tasks.exclude(domain__in=[own, ""])]


def _first(in_order: list[QuerySet[Task]], count: int) -> list[int]:
    found: list[int] = []
    for tasks in in_order:
        found += tasks.values_list("pk", flat=True)[: count - len(found)]
    return found


def _queue(contract: Contract, role: str) -> QuerySet[Task]:
    touched = Claim.objects.filter(task=OuterRef("pk"), expert_id=contract.expert_id)
    harmless = Q(role=role, status=Claim.Status.EXPIRED)
    if role == Claim.Role.SECOND:  # who tried the rubric before its revision may try the revised one
        stale = Q(submission_under_review__isnull=False) & ~Q(submission_under_review=OuterRef("candidate"))
        harmless |= Q(role=role, status=Claim.Status.SUBMITTED) & stale
    return (
        Task.objects.filter(
            project_id=contract.project_id,
            wanted_role=role,
            batch__status=Batch.Status.IN_PROGRESS,
        )
        .exclude(Exists(touched.exclude(harmless)))
        .order_by("batch_id", "position", "pk")
    )


def _may_review(contract: Contract, *, now: dt.datetime) -> bool:
    if contract.project.review_policy == Project.ReviewPolicy.LAB:
        return False
    return Qualification.objects.in_force(now=now).filter(expert_id=contract.expert_id, code=REVIEWER).exists()


def _claim(task: Task, contract: Contract, *, now: dt.datetime) -> Claim:
    is_review = task.wanted_role == Claim.Role.REVIEW
    seconds = REVIEW_LEASE_SECONDS if is_review else task.batch.lease_seconds
    claim = Claim.objects.create(
        tenant_id=task.tenant_id,
        task=task,
        contract=contract,
        expert=contract.expert,
        role=task.wanted_role,
        slot=task.wanted_slot,
        claimed_at=now,
        lease_seconds=seconds,
        lease_until=now + dt.timedelta(seconds=seconds),
        submission_under_review=_looked_at(task),
        aht_cap_seconds=None if is_review else task.batch.aht_cap_seconds,
    )
    if task.status == Task.Status.AVAILABLE:
        states.move(task, Task.Status.IN_WORK)
    refresh(task)
    task.save(update_fields=["status", "wanted_role", "wanted_slot"])
    return claim


def _looked_at(task: Task) -> Submission | None:
    """The submission that the work is about: the one to review, or the author's whose rubric is tried."""
    if task.wanted_role == Claim.Role.REVIEW:
        return task.candidate
    tries_rubric = task.wanted_role == Claim.Role.SECOND and task_types.get(task.type).seconds_wait
    return task.candidate if tries_rubric else None
