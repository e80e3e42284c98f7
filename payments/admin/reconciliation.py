"""What the providers' books and ours do not agree about: a queue, worked off by confirmed acts; days close by themselves."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core import clock
from core.confirming import Text
from core.desk import CadreAdmin, confirmed, register_queue, staff
from core.money import Money
from payments.admin.staff import fresh_proof, require_proof
from payments.models import DayClose, Funding, ProviderEntry, ReconciliationItem
from payments.operations.bank import reconciliation_acts as acts

RECONCILE = "payments.reconcile"
MOST_CHOICES = 300


def amount_of(row: ReconciliationItem | ProviderEntry) -> Money:
    """What moved, in positive."""
    return Money(row.amount_minor, row.currency)


def pending_fundings() -> Sequence[tuple[str, Text]]:
    """What labs announced and nobody confirmed, the newest first."""
    rows = Funding.objects.filter(status=Funding.Status.PENDING).select_related("tenant").order_by("-pk")
    return [
        (row.reference, f"{row.reference}: {Money(row.amount_minor, row.currency)}, {row.tenant.name}")
        for row in rows[:MOST_CHOICES]
    ]


def places() -> Sequence[tuple[str, Text]]:
    """What a movement can have been."""
    return list(acts.PLACES.items())


@admin.register(ReconciliationItem)
class ReconciliationItemAdmin(CadreAdmin):
    """Each row is open until what was missing comes, or a person decides and says why."""

    list_display = (
        "reference",
        "kind",
        "provider",
        "day",
        "amount",
        "status",
        "detail",
        "payout",
        "funding",
        "decided_by",
    )
    list_filter = ("status", "kind", "provider", "currency")
    search_fields = (
        "reference", "public_id", "detail", "payout__public_id", "funding__reference", "entry__text",
        "entry__counterparty",
    )  # fmt: skip
    list_select_related = ("payout", "funding", "decided_by")
    date_hierarchy = "day"
    actions = ("give_to_funding", "post", "take_over", "explain")

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount(self, row: ReconciliationItem) -> str:
        """With its currency; money in is positive."""
        return str(amount_of(row))

    @confirmed(
        description=_("It is this funding of a lab"),
        effect=_(
            "The transfer that you choose settles with what came, and the lab is told. A large amount that the bank "
            "does not name takes another person's approval first."
        ),
        which=_("Which transfer it is"),
        permission=RECONCILE,
        amount=amount_of,
        choices=pending_fundings,
        proof=fresh_proof,
    )
    def give_to_funding(self, request: HttpRequest, row: ReconciliationItem, *, choice: str) -> object:
        """The funding settles with what came; a large one that the bank does not name only when another approves."""
        require_proof(request)
        return acts.give_to_funding(item=row, reference=choice, by=staff(request), now=clock.now())

    @confirmed(
        description=_("Post it: say what it was"),
        effect=_(
            "Our books get the movement that the provider's have, on the account that you choose. A large amount "
            "takes another person's approval first."
        ),
        which=_("What it was"),
        permission=RECONCILE,
        reason=True,
        amount=amount_of,
        choices=places,
        proof=fresh_proof,
    )
    def post(self, request: HttpRequest, row: ReconciliationItem, *, reason: str, choice: str) -> object:
        """Our books get the movement that the provider's have; a large one only when somebody else approves."""
        require_proof(request)
        return acts.post(item=row, place=choice, reason=reason, by=staff(request), now=clock.now())

    @confirmed(
        description=_("Take over the opening balance"),
        effect=_(
            "The provider's opening balance is booked as the platform's own money. A large amount takes another "
            "person's approval first."
        ),
        permission=RECONCILE,
        reason=True,
        amount=amount_of,
        proof=fresh_proof,
    )
    def take_over(self, request: HttpRequest, row: ReconciliationItem, *, reason: str) -> object:
        """As the platform's own money; a large one only when somebody else approves."""
        require_proof(request)
        return acts.take_over(item=row, reason=reason, by=staff(request), now=clock.now())

    @confirmed(
        description=_("Explain: nothing is to be posted"),
        effect=_("Nothing is booked; the difference is closed with your reason, which auditors read."),
        permission=RECONCILE,
        reason=True,
        amount=amount_of,
    )
    def explain(self, request: HttpRequest, row: ReconciliationItem, *, reason: str) -> None:
        """A person has looked."""
        acts.explain(item=row, reason=reason, by=staff(request), now=clock.now())


@admin.register(ProviderEntry)
class ProviderEntryAdmin(CadreAdmin):
    """Every movement that a provider reported, with the posting of ours that it is."""

    list_display = ("reference", "kind", "provider", "booked_on", "amount", "counterparty", "text", "journal_entry")
    list_filter = ("provider", "kind", "currency", ("journal_entry", admin.EmptyFieldListFilter))
    search_fields = ("reference", "key", "text", "counterparty", "public_id", "journal_entry__source_id")
    list_select_related = ("journal_entry",)
    date_hierarchy = "booked_on"
    actions = ("give_suspense_to_funding",)

    @admin.display(description=_("amount"), ordering="amount_minor")
    def amount(self, row: ProviderEntry) -> str:
        """With its currency; money in is positive."""
        return str(amount_of(row))

    @confirmed(
        description=_("From suspense: it is this funding of a lab"),
        effect=_(
            "The posting to suspense is reversed, the transfer that you choose settles with the money, and the lab is "
            "told. A large amount takes another person's approval first."
        ),
        which=_("Which transfer it is"),
        permission=RECONCILE,
        amount=amount_of,
        choices=pending_fundings,
        proof=fresh_proof,
    )
    def give_suspense_to_funding(self, request: HttpRequest, row: ProviderEntry, *, choice: str) -> object:
        """The posting to suspense is reversed, and the funding settles; a large one only when another approves."""
        require_proof(request)
        return acts.give_suspense_to_funding(entry=row, reference=choice, by=staff(request), now=clock.now())


@admin.register(DayClose)
class DayCloseAdmin(CadreAdmin):
    """Days close by themselves when nothing is open and both sides are equal."""

    list_display = (
        "day",
        "provider",
        "currency",
        "status",
        "opening",
        "closing",
        "book",
        "outstanding",
        "late",
        "obstacle",
    )
    list_filter = ("status", "provider", "currency")
    date_hierarchy = "day"

    @admin.display(description=_("opening at the provider"))
    def opening(self, row: DayClose) -> str:
        """With its currency."""
        return str(Money(row.opening_minor, row.currency))

    @admin.display(description=_("closing at the provider"))
    def closing(self, row: DayClose) -> str:
        """With its currency."""
        return str(Money(row.closing_minor, row.currency))

    @admin.display(description=_("our cash account"))
    def book(self, row: DayClose) -> str:
        """With its currency."""
        return str(Money(row.book_minor, row.currency))

    @admin.display(description=_("booked by us only"))
    def outstanding(self, row: DayClose) -> str:
        """With its currency."""
        return str(Money(row.outstanding_minor, row.currency))

    @admin.display(description=_("booked by the provider first"))
    def late(self, row: DayClose) -> str:
        """With its currency."""
        return str(Money(row.late_minor, row.currency))


register_queue(
    name="payments.reconciliation",
    label=_("Differences with providers"),
    path="/admin/payments/reconciliationitem/?status__exact=open",
    permission=RECONCILE,
    waiting=lambda: ReconciliationItem.objects.filter(status=ReconciliationItem.Status.OPEN),
)
register_queue(
    name="payments.days_open",
    label=_("Days that cannot be closed"),
    path="/admin/payments/dayclose/?status__exact=open",
    permission=RECONCILE,
    waiting=lambda: DayClose.objects.filter(status=DayClose.Status.OPEN),
)
