"""Pay beside the hours: looked at, taken back, paid by the platform, written off; every button asks first."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core import clock
from core.desk import CadreAdmin, confirmed, register_queue, staff
from core.money import Money
from core.problems import FieldError, InvalidInput
from payments.admin.staff import fresh_proof, require_proof
from payments.models import Adjustment, AdjustmentProposal, Debt, LoneAct, Payee, PlatformPay, WriteOff
from payments.operations.pay import clawbacks, four_eyes, platform_pay, write_offs

ADJUST = "payments.adjust_pay"
APPROVE = "payments.approve_adjustment"
WRITE_OFF = "payments.write_off_debt"
PROPOSING = (
    ADJUST,
    WRITE_OFF,
    "payments.confirm_funding",
    "payments.correct_hours",
    "payments.handle_bankfile",
    "payments.issue_invoice",
    "payments.quote_fx",
    "payments.reconcile",
    "payments.record_charge",
)
"""Whoever holds one of these may have proposed something."""
PLATFORM = AdjustmentProposal.Side.PLATFORM


def amount_of(row: Adjustment | PlatformPay | WriteOff | AdjustmentProposal | LoneAct) -> Money:
    """The expert's part."""
    return Money(row.amount_minor, row.currency)


def money_from(text: str, currency: str = "") -> Money:
    """ "150.00", or "150.00 USD" where no currency is given. Raises InvalidInput."""
    amount, _space, code = text.strip().partition(" ")
    try:
        return Money.parse(amount, code.strip() or currency)
    except ValueError as error:
        raise InvalidInput(str(error), errors=[FieldError("/amount", "amount", str(error))]) from None


@admin.register(Adjustment)
class AdjustmentAdmin(CadreAdmin):
    """What changed pay beside the hours, why, and who decided it."""

    list_display = ("public_id", "kind", "status", "expert", "contract", "amount", "fee", "decided_by", "decided_at")
    list_filter = ("kind", "status", "currency")
    search_fields = ("public_id", "entry__public_id", "contract__public_id", "expert__legal_name", "expert__public_id")
    list_select_related = ("expert", "contract", "decided_by")
    date_hierarchy = "decided_at"
    actions = ("take_back",)

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount(self, row: Adjustment) -> str:
        """The expert's part."""
        return str(amount_of(row))

    @admin.display(description=_("fee"))
    def fee(self, row: Adjustment) -> str:
        """The platform's part on top."""
        return str(Money(row.fee_minor, row.currency))

    @confirmed(
        description=_("Take back from the expert, for the lab"),
        effect=_(
            "What is taken back goes to the lab with the fee on it, and is set off against the expert's later pay, never "
            "collected. The expert is told the reason and may contest it. Above the threshold another person has to "
            "approve it first."
        ),
        permission=ADJUST,
        reason=True,
        amount=amount_of,
        asks=_("How much to take back of each, such as 150.00"),
        each=lambda row, given: money_from(given, row.currency),
        proof=fresh_proof,
    )
    def take_back(self, request: HttpRequest, row: Adjustment, *, reason: str, given: str) -> object:
        """Of a bonus, with its fee; above the threshold another person approves. Takes a fresh proof."""
        require_proof(request)
        return clawbacks.claw_back(
            source=row,
            amount=money_from(given, row.currency),
            reason=reason,
            decided_by=staff(request),
            now=clock.now(),
        )


@admin.register(PlatformPay)
class PlatformPayAdmin(CadreAdmin):
    """Bonuses and referrals at the platform's cost."""

    list_display = ("public_id", "kind", "expert", "amount", "reason", "decided_by", "decided_at")
    list_filter = ("kind", "currency")
    search_fields = ("public_id", "expert__legal_name", "expert__public_id")
    list_select_related = ("expert", "decided_by")
    actions = ("take_back",)

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount(self, row: PlatformPay) -> str:
        """Signed."""
        return str(amount_of(row))

    @confirmed(
        description=_("Take back from the expert"),
        effect=_(
            "All of it, once: set off against the expert's later pay, never collected. The expert is told the reason "
            "and may contest it. Above the threshold another person has to approve it first."
        ),
        permission=ADJUST,
        reason=True,
        amount=amount_of,
        proof=fresh_proof,
    )
    def take_back(self, request: HttpRequest, row: PlatformPay, *, reason: str) -> object:
        """All of it, once; with a fresh proof."""
        require_proof(request)
        return platform_pay.take_back(pay=row, reason=reason, decided_by=staff(request), now=clock.now())


@admin.register(Payee)
class PayeeAdmin(CadreAdmin):
    """Experts, to pay them something from the platform."""

    list_display = ("public_id", "legal_name", "country", "tier")
    list_filter = ("tier", "country")
    search_fields = ("public_id", "legal_name", "user__email")
    actions = ("pay_bonus",)

    @confirmed(
        description=_("Pay a bonus from the platform"),
        effect=_(
            "The expert is owed the bonus at the platform's cost, gets it with the next pay run, and is told the "
            "reason. Above the threshold, added up over everybody, another person has to approve it first."
        ),
        permission=ADJUST,
        reason=True,
        asks=_("Amount for each, such as 150.00 USD"),
        each=lambda _row, given: money_from(given),
        proof=fresh_proof,
    )
    def pay_bonus(self, request: HttpRequest, row: Payee, *, reason: str, given: str) -> object:
        """Above the threshold, added up over everybody, another person approves. Takes a fresh proof."""
        require_proof(request)
        return platform_pay.pay_bonus(
            expert=row, amount=money_from(given), reason=reason, decided_by=staff(request), now=clock.now()
        )


def debt_of(row: Debt) -> Money:
    """What the account's owner owes."""
    return Money(-row.running.balance, row.currency)


@admin.register(Debt)
class DebtAdmin(CadreAdmin):
    """Experts' balances below zero, and what labs owe."""

    list_display = ("key", "owner", "owed")
    list_filter = ("kind", "currency")
    search_fields = ("key", "expert__public_id", "expert__legal_name", "tenant__name")
    list_select_related = ("expert", "tenant", "running")
    actions = ("write_off",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Debt]:
        """Real debts only: nothing of a sandbox."""
        rows: QuerySet[Debt] = super().get_queryset(request)
        return rows.filter(kind__in=write_offs.DEBTORS, detail="", running__balance__lt=0)

    @admin.display(description=_("who"))
    def owner(self, row: Debt) -> str:
        """The debtor."""
        return str(row.expert or row.tenant)

    @admin.display(description=_("owed"))
    def owed(self, row: Debt) -> str:
        """How much."""
        return str(debt_of(row))

    @confirmed(
        description=_("Propose to write off"),
        effect=_(
            "Nothing happens yet: another person has to approve it first, under “Proposals”. Then the debt is gone "
            "and the platform bears the loss; an expert is told."
        ),
        permission=WRITE_OFF,
        reason=True,
        amount=debt_of,
    )
    def write_off(self, request: HttpRequest, row: Debt, *, reason: str) -> object:
        """All of it, once another person approves."""
        return write_offs.propose(
            account=row, amount=debt_of(row), reason=reason, proposed_by=staff(request), now=clock.now()
        )


@admin.register(WriteOff)
class WriteOffAdmin(CadreAdmin):
    """Debts that were given up."""

    list_display = ("public_id", "expert", "tenant", "amount", "reason", "decided_by", "decided_at")
    list_filter = ("currency",)
    search_fields = ("public_id", "expert__legal_name", "tenant__name")
    list_select_related = ("expert", "tenant", "decided_by")

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount(self, row: WriteOff) -> str:
        """The platform's loss."""
        return str(amount_of(row))


@admin.register(AdjustmentProposal)
class AdjustmentProposalAdmin(CadreAdmin):
    """What waits for a second person; without one it lapses."""

    list_display = (
        "public_id", "act", "side", "status", "expert", "tenant", "amount", "counted_with", "reason", "proposed_by",
        "expires_at", "decided_by",
    )  # fmt: skip
    list_filter = ("status", "side", "act", "currency")
    search_fields = ("public_id", "expert__legal_name", "expert__public_id", "tenant__name", "outcome")
    list_select_related = ("expert", "tenant", "proposed_by", "decided_by")
    ordering = ("expires_at",)
    actions = ("approve", "refuse", "withdraw")

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount(self, row: AdjustmentProposal) -> str:
        """What is at stake."""
        return str(amount_of(row))

    @admin.display(description=_("counted with"))
    def counted_with(self, row: AdjustmentProposal) -> str:
        """What its proposer did alone lately that counts with it."""
        return str(Money(row.before_minor, row.currency)) if row.before_minor else "–"

    @confirmed(
        description=_("Approve, as the second person"),
        effect=_(
            "It takes effect at once. You can approve neither what you proposed nor what you gain by. Whoever it "
            "concerns is told as if one person had done it."
        ),
        permission=APPROVE,
        amount=amount_of,
        proof=fresh_proof,
    )
    def approve(self, request: HttpRequest, row: AdjustmentProposal) -> None:
        """It takes effect at once; with a fresh proof of who approves."""
        require_proof(request)
        four_eyes.approve(proposal=row, decided_by=staff(request), side=PLATFORM, now=clock.now())

    @confirmed(
        description=_("Refuse"),
        effect=_(
            "It does not happen. An expert who would have gained by a correction is told the reason and may contest "
            "it. You cannot decide about your own proposal."
        ),
        permission=APPROVE,
        reason=True,
        amount=amount_of,
    )
    def refuse(self, request: HttpRequest, row: AdjustmentProposal, *, reason: str) -> None:
        """It does not happen."""
        four_eyes.refuse(proposal=row, decided_by=staff(request), side=PLATFORM, note=reason, now=clock.now())

    @confirmed(
        description=_("Withdraw my own"),
        effect=_("It does not happen. Only the person who proposed it can withdraw it."),
        permission=PROPOSING,
        amount=amount_of,
    )
    def withdraw(self, request: HttpRequest, row: AdjustmentProposal) -> None:
        """By whoever proposed it."""
        four_eyes.withdraw(proposal=row, by=staff(request), side=PLATFORM, now=clock.now())


@admin.register(LoneAct)
class LoneActAdmin(CadreAdmin):
    """What one person did alone below the threshold: what is added up, to look at. A row on nobody is over everybody."""

    list_display = ("sort", "actor", "expert", "tenant", "amount", "threshold", "since", "done_at")
    list_filter = ("sort", "currency")
    search_fields = ("actor__email", "expert__legal_name", "expert__public_id", "tenant__name")
    list_select_related = ("actor", "expert", "tenant")
    date_hierarchy = "done_at"
    ordering = ("-done_at", "-pk")

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount(self, row: LoneAct) -> str:
        """With its currency."""
        return str(amount_of(row))

    @admin.display(description=_("threshold"))
    def threshold(self, row: LoneAct) -> str:
        """What it was held against, with all since the beginning of the window."""
        return str(Money(row.threshold_minor, row.currency))


register_queue(
    name="payments.proposals",
    label=_("Acts on money for a second person"),
    path="/admin/payments/adjustmentproposal/?status__exact=proposed&side__exact=platform",
    permission=APPROVE,
    waiting=lambda: AdjustmentProposal.objects.waiting().filter(side=PLATFORM),
)
