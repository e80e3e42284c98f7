"""Exchange rates, what was exchanged by them, and what banks charged us."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import clock
from core.desk import CadreAdmin, staff
from core.money import Money
from payments.admin.asking import CURRENCIES, ReasonedForm, ask, say_what_waits
from payments.admin.periods import periods
from payments.models import BankCharge, ExchangeInstruction, FxConversion, FxExchange, FxQuote
from payments.operations.bank import bank_charges
from payments.operations.bank.bank_charges import Charge
from payments.operations.exchange import quotes
from payments.queries import fx_results

QUOTE = "payments.quote_fx"
CHARGE = "payments.record_charge"


_PROVIDERS = gettext_lazy("By its name in the books, such as sepa_file or stripe_connect.")


class QuoteForm(forms.Form):
    """A pair, its rate, and how long it holds."""

    sell = forms.ChoiceField(label=gettext_lazy("sell"), choices=CURRENCIES)
    buy = forms.ChoiceField(label=gettext_lazy("buy"), choices=CURRENCIES)
    rate = forms.DecimalField(
        label=gettext_lazy("rate"),
        max_digits=24,
        decimal_places=12,
        help_text=gettext_lazy("Units bought for one sold."),
    )
    spread_bp = forms.IntegerField(label=gettext_lazy("spread in basis points"), min_value=0, initial=0)
    hours = forms.IntegerField(label=gettext_lazy("valid for hours"), min_value=1, max_value=24 * 31, initial=24)
    source = forms.CharField(label=gettext_lazy("source"), max_length=80)
    reason = forms.CharField(label=gettext_lazy("reason"), max_length=250)


class FeeForm(ReasonedForm):
    """What a bank took, and how it names it."""

    provider = forms.CharField(label=gettext_lazy("provider"), max_length=30, help_text=_PROVIDERS)
    reference = forms.CharField(label=gettext_lazy("the bank's reference"), max_length=80)


class CoverForm(FeeForm):
    """What we sold at a bank, and what we got."""

    bought_amount = forms.CharField(label=gettext_lazy("bought"), max_length=20)
    bought_currency = forms.ChoiceField(label=gettext_lazy("bought currency"), choices=CURRENCIES)

    def clean(self) -> dict[str, Any]:
        """Both amounts, exactly."""
        values = super().clean()
        if "bought_amount" in values and "bought_currency" in values:
            try:
                values["got"] = Money.parse(values["bought_amount"].strip(), values["bought_currency"])
            except ValueError as error:
                self.add_error("bought_amount", str(error))
        return values


class _Linked(CadreAdmin):
    """A list with buttons above it, for those who may."""

    change_list_template = "payments/admin/with_links.html"
    permission = ""

    def links(self) -> list[tuple[str, str]]:
        """Labels and addresses."""
        return []

    def told(self) -> str:
        """One line above the list."""
        return ""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With its buttons."""
        shown = self.links() if request.user.has_perm(self.permission) else []
        extra = {**(extra_context or {}), "links": shown, "told": self.told()}
        response: HttpResponse = super().changelist_view(request, extra)
        return response


@admin.register(FxQuote)
class FxQuoteAdmin(_Linked):
    """Quotes: added, never changed."""

    list_display = (
        "public_id",
        "sell",
        "buy",
        "rate",
        "spread_bp",
        "source",
        "quoted_by",
        "proposal",
        "quoted_at",
        "valid_until",
    )
    list_filter = ("sell", "buy")
    search_fields = ("public_id", "source")
    list_select_related = ("proposal",)
    permission = QUOTE

    def links(self) -> list[tuple[str, str]]:
        """Quote."""
        return [(_("Quote a rate"), reverse("admin:payments_fxquote_quote"))]

    def told(self) -> str:
        """Positions that exchanges left open."""
        lines = [
            f"{Money(row.position, row.currency)} ({Money(row.spread, row.currency)})" for row in fx_results.results()
        ]
        return _("Open positions (of which spread): %(lines)s") % {"lines": ", ".join(lines) or "–"}

    def get_urls(self) -> list[URLPattern]:
        """The page that quotes."""
        page = self.admin_site.admin_view(self.quote_view)
        return [path("quote/", page, name="payments_fxquote_quote"), *super().get_urls()]

    def quote_view(self, request: HttpRequest) -> HttpResponse:
        """From this instant on; the first of a pair, and one far from the last, once another person approves."""
        now = clock.now()

        def act(values: dict[str, Any]) -> object:
            offered = quotes.Offered(
                sell=values["sell"],
                buy=values["buy"],
                rate=values["rate"],
                spread_bp=values["spread_bp"],
                valid_until=now + dt.timedelta(hours=values["hours"]),
                source=values["source"],
            )
            made = quotes.quote(offered=offered, reason=values["reason"], by=staff(request), now=now)
            say_what_waits(request, made, about=offered)
            return made

        return ask(
            self,
            request,
            title=_("Quote a rate"),
            effect=_(
                "Labs and experts exchange at this rate from now on. The first rate of a pair, and one far from the "
                "last, takes another person's approval first."
            ),
            form=QuoteForm,
            permission=QUOTE,
            act=act,
            then=reverse("admin:payments_fxquote_changelist"),
            proven=True,
        )


@admin.register(FxConversion)
class FxConversionAdmin(CadreAdmin):
    """What labs exchanged."""

    list_display = ("public_id", "tenant", "sold", "bought", "quote", "made_by", "made_at")
    list_filter = ("quote__sell", "quote__buy", periods("made_at", gettext_lazy("made")))
    search_fields = ("public_id", "tenant__name", "quote__public_id")
    list_select_related = ("tenant", "quote")

    @admin.display(description=gettext_lazy("sold"))
    def sold(self, row: FxConversion) -> str:
        """With its currency."""
        return str(Money(row.sell_minor, row.quote.sell))

    @admin.display(description=gettext_lazy("bought"))
    def bought(self, row: FxConversion) -> str:
        """With its currency."""
        return str(Money(row.buy_minor, row.quote.buy))


@admin.register(FxExchange)
class FxExchangeAdmin(CadreAdmin):
    """What experts exchanged of what they were owed."""

    list_display = ("public_id", "expert", "sold", "bought", "quote", "instruction", "made_by", "made_at")
    list_filter = (
        "quote__sell", "quote__buy", ("instruction", admin.EmptyFieldListFilter), periods("made_at", gettext_lazy("made")),
    )  # fmt: skip
    search_fields = (
        "public_id", "expert__public_id", "expert__legal_name", "quote__public_id", "instruction__public_id",
    )  # fmt: skip
    list_select_related = ("expert__user", "quote", "instruction")


@admin.register(ExchangeInstruction)
class ExchangeInstructionAdmin(CadreAdmin):
    """What experts want to be exchanged before each cutoff. Theirs alone to make and to revoke."""

    list_display = (
        "public_id", "expert", "sell", "buy", "most_spread_bp", "least_rate", "status", "done_for", "obstacle", "agreed_at",
    )  # fmt: skip
    list_filter = ("status", "sell", "buy", "obstacle")
    search_fields = ("public_id", "expert__public_id", "expert__legal_name")
    list_select_related = ("expert__user",)


@admin.register(BankCharge)
class BankChargeAdmin(_Linked):
    """Fees of banks and providers, and our own exchanges."""

    list_display = ("public_id", "type", "provider", "reference", "amount", "got", "recorded_by", "reason", "booked_at")
    list_filter = ("type", "provider", "currency")
    search_fields = ("public_id", "reference")
    list_select_related = ("recorded_by",)
    permission = CHARGE

    @admin.display(description=gettext_lazy("amount"), ordering="amount_minor")
    def amount(self, row: BankCharge) -> str:
        """With its currency."""
        return str(Money(row.amount_minor, row.currency))

    @admin.display(description=gettext_lazy("bought"))
    def got(self, row: BankCharge) -> str:
        """With its currency."""
        return "–" if row.bought_minor is None else str(Money(row.bought_minor, row.bought_currency))

    def links(self) -> list[tuple[str, str]]:
        """Record."""
        return [
            (_("Record a fee"), reverse("admin:payments_bankcharge_fee")),
            (_("Record an exchange"), reverse("admin:payments_bankcharge_exchange")),
        ]

    def get_urls(self) -> list[URLPattern]:
        """The pages that record."""
        pages = (("fee", self.fee_view), ("exchange", self.exchange_view))
        own = [
            path(f"{name}/", self.admin_site.admin_view(view), name=f"payments_bankcharge_{name}")
            for name, view in pages
        ]
        return [*own, *super().get_urls()]

    def fee_view(self, request: HttpRequest) -> HttpResponse:
        """A fee from the bank's statement."""
        effect = _("The fee is booked as the platform's cost, from our money at the provider.")
        return self._record(request, _("Record a fee"), FeeForm, effect)

    def exchange_view(self, request: HttpRequest) -> HttpResponse:
        """An exchange of our own money."""
        effect = _("What was sold leaves our money at the provider, and what was bought comes to it.")
        return self._record(request, _("Record an exchange"), CoverForm, effect)

    def _record(self, request: HttpRequest, title: str, form: type[FeeForm], effect: str) -> HttpResponse:
        """With a reason and a fresh proof; above the threshold another person approves."""

        def act(values: dict[str, Any]) -> object:
            charge = Charge(values["provider"], values["reference"], values["money"], values.get("got"))
            made = bank_charges.by_hand(charge=charge, reason=values["reason"], by=staff(request), now=clock.now())
            say_what_waits(request, made, about=charge)
            return made

        return ask(
            self,
            request,
            title=title,
            effect=f"{effect} {_('Above the threshold another person has to approve it first.')}",
            form=form,
            permission=CHARGE,
            act=act,
            then=reverse("admin:payments_bankcharge_changelist"),
            proven=True,
        )
