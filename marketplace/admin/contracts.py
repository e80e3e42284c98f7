"""Contracts and the terms frozen in them."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core import clock
from core.desk import CadreAdmin, ReadOnlyInline, confirmed, staff
from marketplace.models import Amendment, Contract, ContractPause, InstructionAcknowledgement, RateSnapshot
from marketplace.operations import amendments, contracts

MANAGE = "marketplace.manage_contract"
PAUSES = [
    ("quality", _("quality")),
    ("policy_question", _("a question of policy")),
    ("confidentiality", _("confidentiality")),
    ("availability", _("availability")),
    ("other", _("other")),
]
ENDS = [
    (reason.value, reason.label)
    for reason in Contract.EndReason
    if reason not in {Contract.EndReason.EXPERT_LEFT, Contract.EndReason.PROJECT_ENDED}
]


class SnapshotInline(ReadOnlyInline):
    """What was promised."""

    model = RateSnapshot
    fields = (
        "valid",
        "rate_minor",
        "currency",
        "fee_bp",
        "day_cap_seconds",
        "week_cap_seconds",
        "holdback_bp",
        "reason",
    )


class AmendmentInline(ReadOnlyInline):
    """Later terms that were proposed."""

    model = Amendment
    fields = ("public_id", "status", "rate", "week_cap_seconds", "effective_at", "decided_at")
    readonly_fields = ("public_id", "rate")


class PauseInline(ReadOnlyInline):
    """When it stood still."""

    model = ContractPause
    fields = ("cause", "period")


class AcknowledgementInline(ReadOnlyInline):
    """Which instructions he read."""

    model = InstructionAcknowledgement
    fields = ("version", "acknowledged_at")


@admin.register(Contract)
class ContractAdmin(CadreAdmin):
    """Seats that are held."""

    list_display = ("public_id", "expert", "project", "tenant", "status", "end_reason", "signed_at", "notice_ends_at")
    list_filter = ("status", "end_reason")
    search_fields = ("public_id", "expert__legal_name", "expert__public_id", "project__name", "tenant__name")
    list_select_related = ("expert", "project", "tenant")
    inlines = (SnapshotInline, AmendmentInline, PauseInline, AcknowledgementInline)
    actions = ("pause", "resume", "end")

    @confirmed(
        description=_("Pause"),
        effect=_(
            "The expert cannot work under this contract until it is resumed. The expert is told the reason and may "
            "contest it; the lab is told that it stands still."
        ),
        which=_("Ground"),
        permission=MANAGE,
        reason=True,
        choices=lambda: PAUSES,
    )
    def pause(self, request: HttpRequest, contract: Contract, *, reason: str, choice: str) -> None:
        """As a decision that can be contested."""
        contracts.pause(
            contract=contract,
            decided_by=staff(request),
            reason_code=choice,
            explanation=reason,
            now=clock.now(),
        )

    @confirmed(
        description=_("Resume"),
        effect=_("The expert can work under this contract again, and is told; so is the lab."),
        permission=MANAGE,
    )
    def resume(self, request: HttpRequest, contract: Contract) -> None:
        """Give access back."""
        contracts.resume(contract=contract, now=clock.now())

    @confirmed(
        description=_("End"),
        effect=_(
            "The contract ends after the notice that was promised, and at once for a violation; what was worked is "
            "paid. The expert is told the reason and may contest it."
        ),
        which=_("Ground"),
        permission=MANAGE,
        reason=True,
        choices=lambda: ENDS,
    )
    def end(self, request: HttpRequest, contract: Contract, *, reason: str, choice: str) -> None:
        """As a decision that can be contested; the notice runs first, except for a violation."""
        contracts.end(
            contract=contract,
            reason=choice,
            decided_by=staff(request),
            explanation=reason,
            now=clock.now(),
        )


@admin.register(Amendment)
class AmendmentAdmin(CadreAdmin):
    """Later terms that labs proposed, and what experts answered."""

    list_display = ("public_id", "contract", "tenant", "status", "rate", "effective_at", "expires_at", "decided_at")
    list_filter = ("status", "currency")
    search_fields = ("public_id", "contract__public_id", "contract__expert__legal_name", "tenant__name")
    list_select_related = ("contract", "tenant")
    actions = ("withdraw",)

    @confirmed(
        description=_("Withdraw"),
        effect=_("The proposed terms are off the table: the present ones go on. The expert is told."),
        permission=MANAGE,
    )
    def withdraw(self, request: HttpRequest, amendment: Amendment) -> None:
        """Before the expert has answered."""
        amendments.withdraw(amendment=amendment, now=clock.now())
