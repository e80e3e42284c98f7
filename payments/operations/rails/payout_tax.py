"""Whether a payout that waits may still be sent: with the tax that it was calculated with, or not at all."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.problems import Conflict
from payments.models import Payout, PayoutDecision, TaxProfile
from payments.queries import tax_in_force
from payments.queries.tax_in_force import TaxPapers


class TaxChanged(Conflict):
    """The expert's tax papers ended, or say something else of his tax than when this was calculated.

    Cancel it: the next run pays, with the tax of then.
    """

    code = "tax_changed"
    title = gettext_lazy("The tax is not what this was calculated with")


def require_unchanged(payout: Payout, act: str, *, now: dt.datetime) -> None:
    """Raises TaxChanged where the act would send, at another tax than today's, what nobody may be sending already."""
    if (
        act not in {PayoutDecision.Act.RETRY, PayoutDecision.Act.RESUME}
        or payout.attempts.filter(finished_at=None).exists()
    ):
        return
    then, today = tax_in_force.at_calculation(payout), _today(payout, now)
    if today is None:
        raise TaxChanged(_("Its tax papers are missing or have expired: cancel it, the next run pays."))
    if then is None or (then.withholding_bp, then.is_us_person) != (today.withholding_bp, today.is_us_person):
        raise TaxChanged(_("Its tax changed since it was calculated: cancel it, the next run pays."))


def _today(payout: Payout, now: dt.datetime) -> TaxPapers | None:
    profile = TaxProfile.objects.filter(expert=payout.expert_id).first()
    if profile is None or (profile.expires_at is not None and profile.expires_at <= now):
        return None
    return TaxPapers(profile.form, profile.country, profile.withholding_bp)
