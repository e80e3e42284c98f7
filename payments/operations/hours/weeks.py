"""Which timesheet a stretch of time belongs to, and whether that week still takes any."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.problems import Conflict
from marketplace.public import Contract
from payments import timekeeping
from payments.models import Timesheet

SUBMISSION_WINDOW: Final = dt.timedelta(hours=settings.SUBMISSION_WINDOW_HOURS)
"""How long after its end a week can be completed; then it submits itself."""


class WeekClosed(Conflict):
    """The timesheet of this week was submitted, or its window is over: no time can be added, changed or taken back.

    `timesheet` names it, if there is one. What is missing in a closed week can be asked for by an appeal that names
    the timesheet.
    """

    code = "week_closed"
    title = gettext_lazy("This week is closed")
    example_members: ClassVar[Mapping[str, Any]] = {"timesheet": "tsh_01k9w3v6z8f2qr5t4h7xnm0ceg"}


def sheet_for(*, contract: Contract, week: str, now: dt.datetime) -> Timesheet:
    """The open timesheet of a contract's ISO week, made with the first entry. Raises WeekClosed.

    Called under the expert's lock, so two first entries cannot make two.
    """
    sheet = Timesheet.objects.filter(contract=contract, iso_week=week).first()
    if sheet is None:
        _start, end = timekeeping.week_bounds(week, contract.zone)
        return Timesheet.objects.create(
            tenant_id=contract.tenant_id,
            contract=contract,
            expert_id=contract.expert_id,
            iso_week=week,
            zone=contract.zone,
            ends_at=end,
            submit_by=end + SUBMISSION_WINDOW,
            created_at=now,
        )
    require_open(sheet)
    return sheet


def require_open(sheet: Timesheet) -> None:
    """Raise WeekClosed unless the expert may still change the week."""
    if not sheet.is_open:
        raise WeekClosed(timesheet=sheet.public_id)


def require_window(*, contract: Contract, week: str, now: dt.datetime) -> None:
    """Raise WeekClosed when a week is over for so long that it has submitted itself."""
    _start, end = timekeeping.week_bounds(week, contract.zone)
    if now >= end + SUBMISSION_WINDOW:
        detail = _("Week %(week)s took entries until %(until)s UTC.") % {
            "week": week,
            "until": f"{end + SUBMISSION_WINDOW:%Y-%m-%d %H:%M}",
        }
        raise WeekClosed(detail)
