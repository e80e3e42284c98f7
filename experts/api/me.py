"""Who is asking, as an Expert."""

from __future__ import annotations

from typing import cast

from core.api.call import Call
from core.public import User
from experts.models import Expert


def me(call: Call) -> Expert:
    """The calling expert; ExpertView has seen to it that there is one."""
    return Expert.objects.visible_to(call.principal).select_related("user").get()


def user_of(call: Call) -> User:
    """The signed-in user, who may not be an expert yet."""
    return cast(User, call.request.user)
