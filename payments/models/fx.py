"""Exchange between currencies: quotes that never change, and what was exchanged by them."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from core import guards
from core.public import CadreModel, Kind, Principal, PublicIdField, TenantModel, Wall, WalledQuerySet
from payments.models.own_work import ApprovedByTwo

NEAR = "payments_fx_near_what_two_decided"


class NearWhatTwoDecided(guards.Guard):
    """A quote without an approved proposal pays within its tolerance of the pair's last quote that has one.

    What two people decided is the measure, not the last quote: small steps of one person lead nowhere.
    """

    when = pgtrigger.Before
    operation = pgtrigger.Insert
    func = """
        IF NEW.proposal_id IS NULL AND NOT EXISTS (
            SELECT 1 FROM (
                SELECT rate * (10000 - spread_bp) AS pays FROM payments_fxquote
                WHERE sell = NEW.sell AND buy = NEW.buy AND proposal_id IS NOT NULL ORDER BY id DESC LIMIT 1
            ) decided
            WHERE abs(NEW.rate * (10000 - NEW.spread_bp) - decided.pays) * 10000 <= decided.pays * NEW.tolerance_bp
        ) THEN
            RAISE EXCEPTION 'a rate so far from the last one takes a second person'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_fx_near_what_two_decided';
        END IF;
        RETURN NEW;
    """

    def __init__(self) -> None:
        super().__init__(name="near_what_two_decided")


class FxQuoteQuerySet(models.QuerySet["FxQuote"]):
    """Quotes."""

    def visible_to(self, principal: Principal) -> FxQuoteQuerySet:
        """Labs, experts and the platform see all: a price list."""
        return self if principal.is_platform or principal.kind in {Kind.LAB, Kind.EXPERT} else self.none()

    def valid_at(self, now: dt.datetime) -> FxQuoteQuerySet:
        """Quotes that can be used at an instant."""
        return self.filter(quoted_at__lte=now, valid_until__gt=now)

    def decided_by_two(self) -> FxQuoteQuerySet:
        """Quotes that one person proposed and another approved."""
        return self.filter(proposal__isnull=False)


class FxQuote(CadreModel):
    """At what rate one currency buys another, until when. It may be used any number of times until it expires.

    ``rate`` is exact: major units of ``buy`` for one major unit of ``sell`` in the middle of the market, with up to
    twelve decimals. Who exchanges gets ``rate x (10000 - spread_bp) / 10000``. ``tolerance_bp`` is how far that may be from
    the pair's last quote with a ``proposal``, in basis points of it, where this one has none.
    """

    wall = Wall.PLATFORM
    sealed: ClassVar[bool] = True

    public_id = PublicIdField(prefix="fxq")
    sell = models.CharField(max_length=3)
    buy = models.CharField(max_length=3)
    rate = models.DecimalField(max_digits=24, decimal_places=12)
    spread_bp = models.PositiveIntegerField(default=0)
    quoted_at = models.DateTimeField()
    valid_until = models.DateTimeField()
    source = models.CharField(max_length=80, help_text=_("Where the rate comes from: a bank, a central bank's list."))
    quoted_by = models.CharField(max_length=80, help_text=_("Person or job that entered it."))
    entered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    reason = models.CharField(max_length=300, blank=True)
    proposal = models.ForeignKey(
        "payments.AdjustmentProposal", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    tolerance_bp = models.PositiveIntegerField(default=0)

    objects = FxQuoteQuerySet.as_manager()

    class Meta:
        verbose_name = _("exchange quote")
        permissions = (("quote_fx", _("Can quote exchange rates")),)
        constraints = (
            models.CheckConstraint(condition=~Q(sell=F("buy")), name="payments_fx_two_currencies"),
            models.CheckConstraint(condition=Q(rate__gt=0), name="payments_fx_rate_positive"),
            models.CheckConstraint(condition=Q(spread_bp__lt=10_000), name="payments_fx_spread"),
            models.CheckConstraint(condition=Q(valid_until__gt=F("quoted_at")), name="payments_fx_validity"),
        )
        indexes = (models.Index(fields=("sell", "buy", "-quoted_at"), name="payments_fx_latest"),)
        triggers = (guards.Refuse(name="append_only"), NearWhatTwoDecided(), ApprovedByTwo())

    def __str__(self) -> str:
        return f"{self.sell}/{self.buy} {self.rate.normalize():f}"


class FxConversionQuerySet(WalledQuerySet["FxConversion"]):
    """Conversions: a lab sees its own."""


class FxConversion(TenantModel):
    """A lab turned prepaid money of one currency into another, by one quote. Final when it is written."""

    sealed: ClassVar[bool] = True

    public_id = PublicIdField(prefix="fxc")
    quote = models.ForeignKey(FxQuote, on_delete=models.PROTECT, related_name="conversions")
    sell_minor = models.BigIntegerField()
    buy_minor = models.BigIntegerField()
    made_by = models.CharField(max_length=80)
    made_at = models.DateTimeField()

    objects = FxConversionQuerySet.as_manager()

    class Meta:
        verbose_name = _("conversion")
        constraints = (
            models.CheckConstraint(condition=Q(sell_minor__gt=0, buy_minor__gt=0), name="payments_fx_moves_something"),
        )
        indexes = (models.Index(fields=("tenant", "-id"), name="payments_fx_tenant"),)
        triggers = (guards.Refuse(name="append_only"),)

    def __str__(self) -> str:
        return self.public_id


class BankCharge(CadreModel):
    """What a bank or provider took from our account: a fee, or one side of an exchange of our own.

    ``kind`` fee: ``amount_minor`` of ``currency`` went. ``kind`` exchange: it went, and ``bought_minor`` of
    ``bought_currency`` came; that covers what labs and experts exchanged with us. ``reference`` is the bank's.
    """

    class Type(models.TextChoices):
        """What it was."""

        FEE = "fee", _("fee")
        EXCHANGE = "exchange", _("exchange")

    wall = Wall.PLATFORM
    sealed: ClassVar[bool] = True

    public_id = PublicIdField(prefix="bkc")
    type = models.CharField(max_length=10, choices=Type.choices)
    provider = models.CharField(max_length=30)
    reference = models.CharField(max_length=80)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    bought_minor = models.BigIntegerField(null=True, blank=True)
    bought_currency = models.CharField(max_length=3, blank=True)
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=300, blank=True, help_text=_("Why a person recorded it."))
    proposal = models.ForeignKey(
        "payments.AdjustmentProposal", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    booked_at = models.DateTimeField()

    class Meta:
        verbose_name = _("bank charge")
        permissions = (("record_charge", _("Can record what banks charge and exchange")),)
        constraints = (
            models.UniqueConstraint(fields=("provider", "reference"), name="payments_charge_once"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payments_charge_positive"),
            models.CheckConstraint(
                condition=Q(type="fee", bought_minor__isnull=True, bought_currency="")
                | Q(type="exchange", bought_minor__gt=0) & ~Q(bought_currency=F("currency")),
                name="payments_charge_sides",
            ),
        )
        triggers = (guards.Refuse(name="append_only"), ApprovedByTwo())

    def __str__(self) -> str:
        return f"{self.provider} {self.reference}"
