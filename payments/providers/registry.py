"""Which provider pays a currency into a country. The table is in the settings (`PAYOUT_RAILS`)."""

from __future__ import annotations

from django.conf import settings
from django.utils.module_loading import import_string

from payments.providers.port import Provider, ProviderUnavailable

ANYWHERE = "*"


class UnknownProvider(ProviderUnavailable):
    """No provider is configured under this name (any more): its payouts wait, those of the others go on."""


def provider(name: str) -> Provider:
    """The provider called ``name``. Raises UnknownProvider."""
    path = settings.PAYOUT_PROVIDERS.get(name)
    if path is None:
        raise UnknownProvider(name)
    made: Provider = import_string(path)()
    return made


def route(*, method_type: str, currency: str, country: str) -> str | None:
    """The name of the provider for a method, the most exact rail first; None when nobody pays there."""
    rails: dict[str, str] = settings.PAYOUT_RAILS
    for key in (f"{method_type}:{currency}:{country}", f"{method_type}:{currency}:{ANYWHERE}", f"{method_type}:*:*"):
        if key in rails:
            return rails[key]
    return None
