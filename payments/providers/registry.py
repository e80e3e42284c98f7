"""Which provider pays a currency into a country. Providers and rails are in the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.utils.module_loading import import_string

from payments.providers.port import Capability, Host, Provider, ProviderUnavailable

ANYWHERE = "*"


class UnknownProvider(ProviderUnavailable):
    """No provider is configured under this name (any more): its payouts wait, those of the others go on."""


@dataclass(frozen=True, slots=True)
class Rail:
    """One line of `PAYOUT_RAILS`, ``type:currency:country=provider``; ``*`` stands for any currency or country."""

    method_type: str
    currency: str
    country: str
    provider: str

    @classmethod
    def read(cls, line: str, provider_name: str) -> Rail:
        """Raises ValueError for a line that does not have three parts."""
        method_type, currency, country = line.split(":")
        return cls(method_type, currency, country, provider_name)

    def serves(self, *, currency: str, country: str) -> bool:
        """Whether it takes this currency into this country."""
        return self.currency in {currency, ANYWHERE} and self.country in {country, ANYWHERE}

    @property
    def exactness(self) -> tuple[bool, bool]:
        """The greater one wins: the currency counts more than the country."""
        return self.currency != ANYWHERE, self.country != ANYWHERE


def provider(name: str) -> Provider:
    """The provider called ``name``. Raises UnknownProvider."""
    path = settings.PAYOUT_PROVIDERS.get(name)
    if path is None:
        raise UnknownProvider(name)
    made: Provider = import_string(path)()
    return made


def host(name: str) -> Host:
    """The provider called ``name`` as one that keeps accounts of payees. Raises UnknownProvider."""
    found = provider(name)
    if not isinstance(found, Host):
        raise UnknownProvider(name)
    return found


def route(*, method_type: str, currency: str, country: str) -> str | None:
    """The name of the provider for a method, the most exact rail first; None when nobody pays there."""
    return next(
        (rail.provider for rail in rails_for(currency=currency, country=country) if rail.method_type == method_type),
        None,
    )


def rails_for(*, currency: str, country: str) -> list[Rail]:
    """The rails that take this currency into this country: for each type of method the one that would be used."""
    serving = [
        rail
        for rail in rails()
        if rail.serves(currency=currency, country=country) and takes(rail.provider, currency=currency)
    ]
    best = {rail.method_type: rail for rail in sorted(serving, key=lambda rail: rail.exactness)}
    return [best[method_type] for method_type in sorted(best)]


def takes(name: str, *, currency: str) -> bool:
    """Whether a provider pays in a currency; one that is not configured is found by the start-up check."""
    try:
        return provider(name).takes(currency)
    except UnknownProvider:
        return True


def rails() -> Iterator[Rail]:
    """Every configured rail. Raises ValueError for a line that cannot be read; the start-up check finds it first."""
    table: Mapping[str, str] = settings.PAYOUT_RAILS
    for line, name in table.items():
        yield Rail.read(line, name)


def keeps_accounts(name: str) -> bool:
    """Whether payees open accounts of their own at the provider."""
    try:
        return Capability.ACCOUNTS in provider(name).capabilities
    except UnknownProvider:
        return False
