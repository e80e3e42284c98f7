"""Finance at one look: whether the books hold, what is owed and how old it is, and what the next runs will pay."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import clock
from core.desk import register_page
from payments.queries import bank_trouble, finances, trial_balance


def finance(request: HttpRequest, *, site: AdminSite) -> HttpResponse:
    """Read-only: every act has its own page and its own confirmation."""
    now = clock.now()
    balance = trial_balance.latest(now=now)
    positions = finances.positions()
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Finance"),
        "now": now,
        "balance": balance,
        "currencies": list(balance.sums),
        "positions": positions,
        "ages": finances.ages(now=now),
        "bounds": _bounds(),
        "runs": finances.next_runs(currencies=list(positions), now=now),
        "payouts": finances.payouts_to_look_at(),
        "files": bank_trouble.summary(now=now),
        "differences": finances.differences(),
        "days": finances.open_days(),
    }
    return TemplateResponse(request, "payments/admin/finance.html", context)


def _bounds() -> list[str]:
    """Names of the buckets of age."""
    first, *rest = finances.AGES
    names = [_("up to %(days)d days") % {"days": first}]
    names += [_("to %(days)d days") % {"days": days} for days in rest]
    return [*names, _("older")]


register_page(
    name="payments_finance",
    label=gettext_lazy("Finance"),
    route="finance/",
    permission="payments.view_accountbalance",
    view=finance,
)
