"""What labs and the programme promise: milestones and referrals, to look at."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from core.desk import CadreAdmin
from core.money import Money
from payments.models import Milestone, MilestoneAward, Referral


@admin.register(Milestone)
class MilestoneAdmin(CadreAdmin):
    """Bonuses that labs promise beforehand."""

    list_display = ("title", "tenant", "project", "opening", "basis", "threshold", "amount", "status", "ends_at")
    list_filter = ("status", "basis", "currency")
    search_fields = ("public_id", "title", "project__public_id", "tenant__name")
    list_select_related = ("tenant", "project", "opening")

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount(self, row: Milestone) -> str:
        """For each expert."""
        return str(Money(row.amount_minor, row.currency))


@admin.register(MilestoneAward)
class MilestoneAwardAdmin(CadreAdmin):
    """Milestones that were reached; those that wait for a lab's money are tried again by themselves."""

    list_display = ("public_id", "milestone", "expert", "contract", "status", "reached_at", "adjustment")
    list_filter = ("status",)
    search_fields = ("public_id", "milestone__public_id", "expert__public_id", "expert__legal_name")
    list_select_related = ("milestone", "expert", "contract", "adjustment")


@admin.register(Referral)
class ReferralAdmin(CadreAdmin):
    """Who invited whom, under which terms, and what became of it."""

    list_display = ("public_id", "referrer", "referred", "status", "programme", "bonus", "expires_at", "pay", "note")
    list_filter = ("status", "programme", "currency")
    search_fields = ("public_id", "code", "referrer__legal_name", "referrer__public_id", "referred__public_id")
    list_select_related = ("referrer", "referred", "pay")
    exclude = ("email_hash",)

    @admin.display(description=_("bonus"), ordering="bonus_minor")
    def bonus(self, row: Referral) -> str:
        """Of the inviter."""
        return str(Money(row.bonus_minor, row.currency))
