"""The pay calendar at the desk: coming paydays by schedule and currency, what moved them, and the runs that pay them."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import clock
from core.desk import register_page
from payments.calendar import PaySchedule
from payments.queries import pay_weeks

SHOWN: Final = 13
MOST: Final = 53


def pay_calendar(request: HttpRequest, *, site: AdminSite) -> HttpResponse:
    """Read-only: runs are prepared and released on their own pages."""
    now = clock.now()
    asked = request.GET.get("weeks", "")
    count = min(max(int(asked), 1), MOST) if asked.isdecimal() and len(asked) < 4 else SHOWN
    found = pay_weeks.by_schedule(count=count, now=now)
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Pay calendar"),
        "now": now,
        "count": count,
        "most": MOST,
        "schedules": [(_in_words(times.schedule), times.currencies) for times in found],
    }
    return TemplateResponse(request, "payments/admin/pay_calendar.html", context)


def _in_words(schedule: PaySchedule) -> str:
    payday = WEEKDAYS[(schedule.weekday + schedule.days_to_payday) % 7]
    return _("Cutoff %(weekday)s %(hour)02d:00 UTC, paid on %(payday)s") % {
        "weekday": WEEKDAYS[schedule.weekday],
        "hour": schedule.hour,
        "payday": payday,
    }


register_page(
    name="payments_pay_calendar",
    label=gettext_lazy("Pay calendar"),
    route="pay-calendar/",
    permission="payments.view_payrun",
    view=pay_calendar,
)
