"""`/expert/payout-methods`: where the money goes."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, TypedDict

from django.db.models import QuerySet
from rest_framework import serializers

from core.api.call import Call, Listed
from core.api.endpoint import endpoint
from core.api.fields import CountryField, CurrencyField, StrictCharField
from core.api.lookup import get_or_404
from core.api.types import Currency, Doc, Example, IdOf, Timestamp
from core.api.views import ExpertView
from core.problems import InvalidTransition
from experts.public import Expert
from payments import payout_details
from payments.models import PayeeAccount, PayoutMethod
from payments.operations.payee import onboarding, payees
from payments.operations.payee.onboarding import NothingToOnboard
from payments.operations.payee.payees import NoPayoutRail
from payments.providers import registry


class OnboardingOut(TypedDict):
    """The account at the provider that a method pays to."""

    status: Annotated[str, Doc("opening, onboarding, ready, restricted, refused or closed."), Example("onboarding")]
    url: Annotated[
        str | None,
        Doc("The provider's pages, good once; ask for a fresh one at `/onboarding`."),
        Example("https://connect.stripe.com/setup/e/acct_1/x"),
    ]
    expires_at: Timestamp | None
    due: Annotated[list[str], Doc("What the provider still asks, in its own words."), Example(["external_account"])]


class PayoutMethodOut(TypedDict):
    """Where the money of one currency goes. The details are never shown again."""

    id: Annotated[str, IdOf("pmt")]
    type: Annotated[str, Doc("iban, us_bank, stripe_account or sandbox."), Example("iban")]
    currency: Currency
    country: Annotated[str, Example("DE")]
    holder: Annotated[str, Example("Ada Lovelace")]
    account: Annotated[str, Doc("Its last characters."), Example("DE••••3000")]
    provider: Annotated[str, Doc("Who pays to it."), Example("sepa_file")]
    status: Annotated[str, Doc("pending (verification), active, replaced or removed."), Example("active")]
    usable_from: Annotated[Timestamp, Doc("A new method waits, in case it was not you who added it.")]
    created_at: Timestamp
    onboarding: Annotated[OnboardingOut | None, Doc("Only for accounts that you have at the provider.")]


class DetailsIn(serializers.Serializer[None]):
    """What the type needs: `iban`; or `routing_number` and `account_number`; or the sandbox `account`."""

    iban = StrictCharField(max_length=42, required=False)
    routing_number = StrictCharField(max_length=12, required=False)
    account_number = StrictCharField(max_length=20, required=False)
    account = StrictCharField(max_length=40, required=False)


class PayoutMethodIn(serializers.Serializer[None]):
    """A new method; it replaces the current one of the same currency."""

    type = serializers.ChoiceField(choices=PayoutMethod.Type.choices)
    currency = CurrencyField()
    country = CountryField(help_text="Where the account is.")
    holder = StrictCharField(max_length=140, help_text="The name on the account.")
    details = DetailsIn()


class PayoutRailOut(TypedDict):
    """A way to be paid a currency into a country."""

    type: Annotated[str, Doc("The type of payout method to add."), Example("iban")]
    currency: Currency
    country: Annotated[str, Example("DE")]
    provider: Annotated[str, Doc("Who pays. A method keeps the provider it was added for."), Example("sepa_file")]
    details: Annotated[list[str], Doc("The members of `details` that the type needs."), Example(["iban"])]
    onboarding: Annotated[bool, Doc("Whether you open an account at the provider first."), Example(False)]


class RailFilters(serializers.Serializer[None]):
    """Which money, and where to."""

    currency = CurrencyField()
    country = CountryField(help_text="Where the account is.")


def render_rail(rail: registry.Rail, *, currency: str, country: str) -> PayoutRailOut:
    """A rail as it would be used."""
    return {
        "type": rail.method_type,
        "currency": currency,
        "country": country,
        "provider": rail.provider,
        "details": list(payout_details.FIELDS[rail.method_type]),
        "onboarding": registry.keeps_accounts(rail.provider),
    }


def render_onboarding(account: PayeeAccount, *, now: dt.datetime) -> OnboardingOut:
    """An account at a provider, as its owner sees it."""
    is_fresh = bool(account.link_url) and account.link_expires_at is not None and account.link_expires_at > now
    return {
        "status": account.status,
        "url": account.link_url if is_fresh else None,
        "expires_at": account.link_expires_at if is_fresh else None,
        "due": account.due,
    }


def render_method(row: PayoutMethod, *, now: dt.datetime) -> PayoutMethodOut:
    """A method, masked."""
    return {
        "id": row.public_id,
        "type": row.type,
        "currency": row.currency,
        "country": row.country,
        "holder": row.holder,
        "account": row.masked,
        "provider": row.provider,
        "status": row.status,
        "usable_from": row.usable_from,
        "created_at": row.created_at,
        "onboarding": render_onboarding(row.payee_account, now=now) if row.payee_account else None,
    }


def _mine(call: Call) -> QuerySet[PayoutMethod]:
    return PayoutMethod.objects.visible_to(call.principal).select_related("payee_account")


def _me(call: Call) -> Expert:
    return Expert.objects.visible_to(call.principal).get()


class PayoutMethodList(ExpertView):
    """The expert's payout methods."""

    @endpoint(summary="List my payout methods", returns=PayoutMethodOut, paginated=True)
    def get(self, call: Call) -> Listed:
        """Newest first, former ones included."""
        return Listed(_mine(call), lambda row: render_method(row, now=call.now))

    @endpoint(
        summary="Set my payout method",
        rate="money",
        body=PayoutMethodIn,
        returns=PayoutMethodOut,
        status=201,
        errors=[NoPayoutRail],
        idempotency="required",
        example={
            "type": "iban",
            "currency": "EUR",
            "country": "DE",
            "holder": "Ada Lovelace",
            "details": {"iban": "DE89 3704 0044 0532 0130 00"},
        },
    )
    def post(self, call: Call) -> PayoutMethodOut:
        """One method for each currency; it replaces the current one and can be paid to after its hold."""
        fields = call.body
        method = payees.add_method(
            expert=_me(call),
            method_type=fields["type"],
            currency=fields["currency"],
            country=fields["country"],
            holder=fields["holder"],
            details=fields["details"],
            now=call.now,
        )
        return render_method(method, now=call.now)


class PayoutMethodOptions(ExpertView):
    """How a currency can be paid into a country."""

    @endpoint(summary="List ways to be paid", query=RailFilters, returns=list[PayoutRailOut])
    def get(self, call: Call) -> list[PayoutRailOut]:
        """One for each type of method; empty where nobody we work with pays."""
        where = {"currency": call.query["currency"], "country": call.query["country"]}
        return [render_rail(rail, **where) for rail in registry.rails_for(**where)]


class PayoutMethodDetail(ExpertView):
    """One payout method."""

    @endpoint(summary="Show a payout method", returns=PayoutMethodOut)
    def get(self, call: Call, method_id: str) -> PayoutMethodOut:
        """Masked."""
        return render_method(get_or_404(_mine(call), method_id), now=call.now)


class PayoutMethodRemove(ExpertView):
    """Taking a method away."""

    @endpoint(
        summary="Remove a payout method",
        rate="money",
        returns=PayoutMethodOut,
        errors=[InvalidTransition],
        idempotency="required",
    )
    def post(self, call: Call, method_id: str) -> PayoutMethodOut:
        """What is owed stays owed; payouts on their way to it are stopped where that is still possible."""
        method = get_or_404(_mine(call), method_id)
        return render_method(payees.remove_method(method=method, now=call.now), now=call.now)


class PayoutMethodOnboarding(ExpertView):
    """The way to the provider's own pages."""

    @endpoint(
        summary="Ask for a link to the provider",
        rate="money",
        returns=PayoutMethodOut,
        status=202,
        errors=[NothingToOnboard],
        idempotency="required",
    )
    def post(self, call: Call, method_id: str) -> PayoutMethodOut:
        """The provider is asked for a fresh link; show the method again in a moment to read it.

        It leads to the provider's own pages, where you say who you are and where your bank account is. We see neither.
        """
        method = get_or_404(_mine(call), method_id)
        method.payee_account = onboarding.ask_for_link(method=method, now=call.now)
        return render_method(method, now=call.now)
