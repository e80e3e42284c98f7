"""Payout methods of experts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import states, vault
from core.problems import Conflict, FieldError, InvalidInput
from core.public import User
from experts.public import Expert, require_other, send_notice
from payments import payout_details, turns
from payments.models import PayoutMethod
from payments.operations.payee import onboarding
from payments.payout_details import BadDetails
from payments.providers import registry

CURRENT = (PayoutMethod.Status.PENDING, PayoutMethod.Status.ACTIVE)
_METHODS = "/api/v1/expert/payout-methods"


class NoPayoutRail(Conflict):
    """Nobody we work with pays this currency into this country by this method.

    Choose another type of method, or an account in another country; the money stays yours meanwhile.
    """

    code = "no_payout_rail"
    title = gettext_lazy("This method cannot be paid")


class ProviderVerifies(Conflict):
    """The account is at the provider, who alone can say that it may be paid out; the method becomes active by itself."""

    code = "provider_verifies"
    title = gettext_lazy("The provider verifies this method")


def add_method(
    *,
    expert: Expert,
    method_type: str,
    currency: str,
    country: str,
    holder: str,
    details: Mapping[str, str],
    now: dt.datetime,
) -> PayoutMethod:
    """Set where this currency goes from now on; it waits out a hold, and replaces the former method at once.

    Of two that are set at once the later one stays. Raises InvalidInput for details that break a rule, NoPayoutRail
    where nobody pays.
    """
    clean = _normalised(method_type, details)
    provider = registry.route(method_type=method_type, currency=currency, country=country)
    if provider is None:
        raise NoPayoutRail
    turns.take("payout_methods", expert.pk)
    _replace_current(expert, currency)
    method = PayoutMethod(
        expert=expert,
        type=method_type,
        currency=currency,
        country=country,
        holder=holder,
        masked=payout_details.masked(method_type, clean),
        provider=provider,
        usable_from=now + dt.timedelta(hours=settings.PAYOUT_METHOD_HOLD_HOURS),
    )
    method.sealed_details = vault.seal(clean, owner=method.public_id)
    if registry.keeps_accounts(provider):
        onboarding.attach(method=method, expert=expert, now=now)
    if method_type == PayoutMethod.Type.SANDBOX:  # nothing to prove: its provider is made up
        states.move(method, PayoutMethod.Status.ACTIVE)
        method.verified_at = now
    method.save()
    _warn(method, now=now)
    return method


def _normalised(method_type: str, details: Mapping[str, str]) -> dict[str, str]:
    try:
        return payout_details.normalise(method_type, details)
    except BadDetails as error:
        broken = FieldError(f"/details/{error.member}", error.code, str(error))
        raise InvalidInput(errors=[broken]) from None


def verify_method(*, method: PayoutMethod, by: User, now: dt.datetime) -> PayoutMethod:
    """Finance saw proof that the account is the expert's. Raises OwnWork when it is the verifier's own, ProviderVerifies."""
    method = _locked(method)
    if method.payee_account_id is not None:
        raise ProviderVerifies
    require_other(method.expert, by)
    states.move(method, PayoutMethod.Status.ACTIVE)
    method.verified_at = now
    method.save(update_fields=["status", "verified_at"])
    return method


def remove_method(*, method: PayoutMethod, now: dt.datetime) -> PayoutMethod:
    """The expert takes his method away; payouts already released to it wait until finance decided."""
    method = _locked(method)
    states.move(method, PayoutMethod.Status.REMOVED)
    method.save(update_fields=["status"])
    send_notice(
        expert=method.expert,
        kind="payout_method.removed",
        subject=method.public_id,
        title=_("A payout method was removed"),
        body=_("%(currency)s no longer goes to %(account)s.") % {"currency": method.currency, "account": method.masked},
        link=_METHODS,
        now=now,
    )
    return method


def _locked(method: PayoutMethod) -> PayoutMethod:
    rows = PayoutMethod.objects.select_for_update(no_key=True, of=("self",)).select_related("expert")
    return rows.get(pk=method.pk)


def _replace_current(expert: Expert, currency: str) -> None:
    mine = PayoutMethod.objects.select_for_update(no_key=True, of=("self",)).order_by("pk")
    for former in mine.filter(expert=expert, currency=currency, status__in=CURRENT):
        states.move(former, PayoutMethod.Status.REPLACED)
        former.save(update_fields=["status"])


def _warn(method: PayoutMethod, *, now: dt.datetime) -> None:
    """If it was not the expert himself, this is how he hears of it before any money moves."""
    send_notice(
        expert=method.expert,
        kind="payout_method.added",
        subject=method.public_id,
        title=_("A payout method was added"),
        body=_("%(currency)s goes to %(account)s from %(day)s on. Was it not you? Remove it and tell us at once.")
        % {"currency": method.currency, "account": method.masked, "day": method.usable_from.date().isoformat()},
        link=_METHODS,
        now=now,
    )
