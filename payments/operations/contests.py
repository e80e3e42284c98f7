"""Appeals about hours: what may be contested, and what an appeal that was won changes."""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.utils.translation import gettext as _

from core.public import User
from experts.ports import Contestable
from experts.public import Appeal
from payments.models import Adjustment, Dispute, Overage, TimeEntry, Timesheet
from payments.operations import adjustments

PREFIXES: Final = ("tme", "tsh", "ovg", "dsp", "adj")
WON: Final = frozenset({Appeal.Status.OVERTURNED, Appeal.Status.RESOLVED_BY_TIMEOUT})


def find(*, subject: str, expert_id: int) -> Contestable | None:
    """The thing with this id when it is this expert's: whose tenant it lies in, and who decided about it."""
    prefix = subject.partition("_")[0]
    if prefix == "tme":
        entry = TimeEntry.objects.filter(public_id=subject, expert=expert_id).select_related("timesheet").first()
        return None if entry is None else Contestable(entry.tenant_id, entry.timesheet.decided_by_id)
    row = _decided(prefix, subject, expert_id)
    return None if row is None else Contestable(row.tenant_id, row.decided_by_id)


def apply_outcome(*, subject: str, outcome: str, decided_by: User | None, now: dt.datetime) -> Adjustment | None:
    """Pay what an overage's refusal or a dispute took away, when the appeal about it was won.

    An appeal that was won in part is put right by the person who decided it, with a correction of the entry; so is
    one about an entry or a week as such, since no amount follows from it. Running it again changes nothing.
    """
    if outcome not in WON:
        return None
    entry = _entry_behind(subject)
    if entry is None:
        return None
    if not entry.is_settled:
        if entry.status != TimeEntry.Status.VOID:
            _give_back(entry)
        return None
    return adjustments.correct(
        entry=entry,
        counted=entry.seconds + entry.disallowed_seconds,
        reason=_("Appeal about %(subject)s: %(outcome)s.")
        % {"subject": subject, "outcome": Appeal.Status(outcome).label},
        decided_by=decided_by,
        now=now,
    )


def _give_back(entry: TimeEntry) -> None:
    """Let time count that was refused before its week was settled; it is priced and posted with the week."""
    locked = TimeEntry.objects.select_for_update(no_key=True, of=("self",)).get(pk=entry.pk)
    locked.seconds += locked.disallowed_seconds
    locked.disallowed_seconds = 0
    locked.save(update_fields=["seconds", "disallowed_seconds"])


def _decided(prefix: str, subject: str, expert_id: int) -> Timesheet | Overage | Dispute | Adjustment | None:
    mine = {"public_id": subject, "expert": expert_id}
    if prefix == "tsh":
        return Timesheet.objects.filter(**mine).first()
    if prefix == "ovg":
        return Overage.objects.filter(**mine).first()
    if prefix == "dsp":
        return Dispute.objects.filter(**mine).first()
    return Adjustment.objects.filter(**mine).first()


def _entry_behind(subject: str) -> TimeEntry | None:
    entries = TimeEntry.objects.select_related("expert", "snapshot", "contract")
    if subject.startswith("ovg_"):
        return entries.filter(overage__public_id=subject, overage__status=Overage.Status.DECLINED).first()
    if subject.startswith("dsp_"):
        return entries.filter(dispute__public_id=subject).first()
    return None
