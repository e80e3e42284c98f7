"""Why matched and why not, in words for the expert."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.money import Money
from marketplace.matching import Failure, Reason

_TEXTS: Final[dict[Reason, Promise]] = {
    Reason.TIER_TOO_LOW: _("It asks for the tier %(needed)s; yours is %(has)s."),
    Reason.DOMAIN_MISSING: _("It asks for %(needed)s, which your profile does not name."),
    Reason.LEVEL_TOO_LOW: _("It asks for level %(needed)s; yours counts as %(has)s. A verified credential raises it."),
    Reason.YEARS_TOO_FEW: _("It asks for %(needed)s years; yours count as %(has)s. A verified credential raises them."),
    Reason.DEGREE_TOO_LOW: _("It asks for the degree %(needed)s; your highest verified one is %(has)s."),
    Reason.LICENCE_MISSING: _("It asks for the licence %(needed)s, and no verified one answers it."),
    Reason.LICENCE_EXPIRED: _("It asks for the licence %(needed)s; yours was valid until %(has)s."),
    Reason.LANGUAGE_MISSING: _("It asks for the language %(needed)s, which your profile does not name."),
    Reason.COUNTRY_NOT_ALLOWED: _("It is for people who live in %(needed)s."),
    Reason.COUNTRY_BLOCKED: _("It is not for people who live in %(has)s."),
    Reason.QUALIFICATION_MISSING: _("It asks for the qualification %(needed)s."),
    Reason.QUALIFICATION_EXPIRED: _("It asks for the qualification %(needed)s; yours was valid until %(has)s."),
    Reason.RATE_ABOVE_CEILING: _("Your rate of %(has)s is above the ceiling of %(needed)s."),
    Reason.HOURS_TOO_FEW: _("It asks for %(needed)s hours a week; you offer %(has)s."),
    Reason.CONFLICT_WALL: _("You have seen the work of a lab that competes with this one, not long enough ago."),
    Reason.RESTRICTED: _("You cannot take offers at the moment; your profile tells why."),
}


def in_words(failure: Failure, *, currency: str) -> str:
    """One failing requirement as a sentence; rates in ``currency``."""
    needed, has = failure.needed, failure.has
    if failure.code is Reason.RATE_ABOVE_CEILING:
        needed, has = (str(Money(int(minor), currency)) for minor in (needed, has))
    return str(_TEXTS[failure.code]) % {"needed": needed, "has": has}
