"""Bonuses, corrections and clawbacks: written once, only to look at."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from core.desk import CadreAdmin
from core.money import Money
from payments.models import Adjustment


@admin.register(Adjustment)
class AdjustmentAdmin(CadreAdmin):
    """What changed pay beside the hours, why, and who decided it."""

    list_display = ("public_id", "kind", "status", "expert", "contract", "amount", "fee", "decided_by", "decided_at")
    list_filter = ("kind", "status", "currency")
    search_fields = ("public_id", "entry__public_id", "contract__public_id", "expert__legal_name", "expert__public_id")
    list_select_related = ("expert", "contract", "decided_by")
    date_hierarchy = "decided_at"

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount(self, row: Adjustment) -> str:
        """The expert's part."""
        return str(Money(row.amount_minor, row.currency))

    @admin.display(description=_("fee"))
    def fee(self, row: Adjustment) -> str:
        """The platform's part on top."""
        return str(Money(row.fee_minor, row.currency))
