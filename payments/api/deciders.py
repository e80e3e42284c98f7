"""Who decides about a lab's money: every such request names a manager or admin, and asks for him in the same way."""

from __future__ import annotations

from typing import cast

from rest_framework import serializers

from core.api.call import Call
from core.api.fields import StrictCharField
from core.public import User
from marketplace.public import MONEY_DECIDER, deciding_member


class DecidedIn(serializers.Serializer[None]):
    """Who decides."""

    decided_by = StrictCharField(max_length=254, help_text=MONEY_DECIDER)


def decider(call: Call) -> User:
    """The member who decides about the lab's money, by a body that is a `DecidedIn`. Raises InvalidInput."""
    tenant_id = cast(int, call.principal.tenant_id)
    return deciding_member(tenant_id=tenant_id, who=call.body["decided_by"], by=call.principal, about_money=True)
