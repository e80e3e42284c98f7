"""Refusals that several nouns of this floor share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.problems import DomainError, map_constraint
from core.public import User

if TYPE_CHECKING:
    from experts.models import Expert


class OwnWork(DomainError):
    """Nobody decides about himself.

    A verifier cannot verify his own credential or identity, impose or lift his own restriction, set his own tier, or
    decide his own appeal. Somebody else has to.
    """

    code = "own_work"
    status = 403
    title = gettext_lazy("Nobody decides about himself")


class ReasonMissing(DomainError):
    """This act needs a reason in words: it is kept for ever and shown to the expert."""

    code = "reason_missing"
    status = 400
    title = gettext_lazy("A reason is needed")


map_constraint("experts_not_by_himself", OwnWork)


def require_other(expert: Expert, by: User) -> None:
    """Raise OwnWork when ``by`` is the expert himself."""
    if expert.user_id == by.pk:
        raise OwnWork


def require_reason(reason: str) -> str:
    """The reason, trimmed. Raises ReasonMissing when nothing is left."""
    reason = reason.strip()
    if not reason:
        raise ReasonMissing(_("Say why, in words the expert can understand."))
    return reason
