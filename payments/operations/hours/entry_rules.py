"""What must hold before time is written: the contract takes it, it is over, and nothing else is there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import states
from core.problems import Conflict, FieldError, InvalidInput, map_constraint
from marketplace import public as marketplace
from marketplace.public import Contract
from payments import timekeeping
from payments.models import Activity, TimeEntry
from payments.models.time_entry import NO_OVERLAP, ONE_RUNNING
from payments.operations.hours import weeks
from tasks.public import Batch, Claim

LONGEST_BY_HAND: Final = dt.timedelta(hours=24)
WITH_CLAIM: Final = frozenset({Activity.TASK, Activity.REWORK, Activity.REVIEW})
ON_ITEMS: Final = frozenset({Activity.TASK, Activity.REWORK})
STANDING_BY: Final = frozenset({Contract.Status.PAUSED, Contract.Status.ENDING})
BEFORE_ACTIVATION: Final = frozenset({Activity.ONBOARDING, Activity.INSTRUCTIONS, Activity.ASSESSMENT})


class Overlap(Conflict):
    """The expert has other time here already: a running timer, or an entry that covers a part of this one.

    Time of one expert never overlaps, whatever the contract or the lab. Stop the running timer, or change the times
    so that they only touch: an entry may start at the very instant at which another one ends.
    """

    code = "overlap"
    title = gettext_lazy("This time overlaps other time")
    example_members: ClassVar[Mapping[str, Any]] = {"time_entry": "tme_01k9w3v6z8f2qr5t4h7xnm0ceg"}


class NotBillableNow(Conflict):
    """This kind of work cannot be logged on the contract in its present state, or not with this claim.

    A contract in onboarding takes onboarding, instructions and assessment; a paused one standby; an ending one work
    on claims in flight, and standby. For the hours of a pause nothing else can be entered afterwards either.
    """

    code = "not_billable_now"
    title = gettext_lazy("This work cannot be logged on the contract now")


map_constraint(NO_OVERLAP, Overlap)
map_constraint(ONE_RUNNING, Overlap)


def require_workable(contract: Contract, activity: str, claim: Claim | None) -> None:
    """Raise unless the contract, as it is now, takes this kind of work, and the claim is still the expert's."""
    require_claim(contract, activity, claim)
    if claim is not None and claim.status != Claim.Status.ACTIVE:
        raise NotBillableNow(_("The claim is %(status)s.") % {"status": claim.get_status_display()})
    status = contract.status
    if status == Contract.Status.ONBOARDING and activity in BEFORE_ACTIVATION:
        return
    if activity == Activity.STANDBY and status in STANDING_BY:
        return
    if status == Contract.Status.ENDING and claim is not None:
        return
    marketplace.require_active_contract(contract=contract)


def require_claim(contract: Contract, activity: str, claim: Claim | None) -> None:
    """Raise InvalidInput for a claim beside an activity that has none, and for none where a cap per item needs it."""
    if claim is None and activity in ON_ITEMS and _is_capped_by_item(contract):
        detail = _("Time on the items of this project is capped by item: name the claim.")
        raise InvalidInput(errors=[FieldError("/claim", "required", detail)])
    if claim is not None and activity not in WITH_CLAIM:
        raise InvalidInput(
            errors=[FieldError("/claim", "not_for_activity", _("Only task, rework and review time has a claim."))]
        )


def _is_capped_by_item(contract: Contract) -> bool:
    capped = Batch.objects.filter(project_id=contract.project_id, aht_cap_seconds__isnull=False)
    return capped.exclude(status=Batch.Status.STAGING).exists()


def require_onboarded(contract: Contract, activity: str, started_at: dt.datetime) -> None:
    """Raise NotBillableNow for work that would have been done before the contract's onboarding was."""
    if activity in BEFORE_ACTIVATION:
        return
    if contract.activated_at is None or started_at < contract.activated_at:
        raise NotBillableNow(_("Work begins when everything is signed and the instructions are acknowledged."))


def require_not_paused(contract: Contract, activity: str, started_at: dt.datetime, ended_at: dt.datetime) -> None:
    """Raise NotBillableNow for work, other than standby, in hours in which the contract stood still."""
    if activity == Activity.STANDBY:
        return
    paused = marketplace.first_pause(contract.pk, started_at, ended_at)
    if paused is not None:
        raise NotBillableNow(
            _("The contract stood still from %(at)s UTC on; only standby can be entered for that time.")
            % {"at": f"{paused:%Y-%m-%d %H:%M}"}
        )


def require_past(contract: Contract, started_at: dt.datetime, ended_at: dt.datetime, *, now: dt.datetime) -> None:
    """Raise InvalidInput unless these are at least a second and at most a day of the contract's past."""
    last = min(now, contract.ended_at or now)
    rules = (
        (started_at < ended_at, "/ended_at", "ends_before_start", _("An entry ends after it starts.")),
        (ended_at <= last, "/ended_at", "in_the_future", _("An entry ends in the contract's past.")),
        (started_at >= contract.signed_at, "/started_at", "before_contract", _("The contract was not signed yet.")),
        (ended_at - started_at <= LONGEST_BY_HAND, "/ended_at", "too_long", _("An entry lasts at most 24 hours.")),
        (
            timekeeping.seconds_between(started_at, max(started_at, ended_at)) > 0,
            "/ended_at",
            "too_short",
            _("An entry lasts at least a second."),
        ),
    )
    broken = [FieldError(pointer, code, detail) for holds, pointer, code, detail in rules if not holds]
    if broken:
        raise InvalidInput(errors=broken)


def require_by_hand(entry: TimeEntry) -> None:
    """Raise InvalidInput for an entry that a timer measured."""
    if entry.source != TimeEntry.Source.MANUAL:
        detail = _("Only the times of an entry made by hand can be changed; a timer's can be taken back.")
        raise InvalidInput(errors=[FieldError("/started_at", "measured", detail)])


def require_free(expert_id: int, period: DateTimeTZRange, *, without: int | None = None) -> None:
    """Raise Overlap when the expert has live time in the period. The constraint says the same about other walls."""
    taken = TimeEntry.objects.live().filter(expert=expert_id, period__overlap=period)
    blocking = taken.exclude(pk=without or 0).order_by("-pk").first()
    if blocking is not None:
        raise Overlap(time_entry=blocking.public_id)


def locked(entry: TimeEntry) -> TimeEntry:
    """The entry as it is now, held until the transaction ends, with what is usually read beside it."""
    related = ("contract", "claim", "expert", "timesheet", "snapshot")
    return TimeEntry.objects.select_for_update(no_key=True, of=("self",)).select_related(*related).get(pk=entry.pk)


def stopped(entry: TimeEntry) -> TimeEntry:
    """The entry, locked, of an open week. Raises WeekClosed, or InvalidTransition for a running or void one."""
    found = locked(entry)
    weeks.require_open(found.timesheet)
    if found.status != TimeEntry.Status.STOPPED:
        raise states.InvalidTransition(current_state=found.status, allowed_transitions=states.allowed(found))
    return found


def running(entry: TimeEntry) -> TimeEntry:
    """The entry, locked, whose timer runs. Raises InvalidTransition when it does not."""
    found = locked(entry)
    if not found.is_running:
        raise states.InvalidTransition(current_state=found.status, allowed_transitions=states.allowed(found))
    return found
