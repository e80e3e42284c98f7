"""What the headless log-in tells apps about a person."""

from __future__ import annotations

from typing import Any

from allauth.headless.adapter import DefaultHeadlessAdapter

from core.public import User


class HeadlessAdapter(DefaultHeadlessAdapter):  # type: ignore[misc]  # allauth ships no types
    """Names people by their public id: the key inside counts who joined before."""

    def serialize_user(self, user: User) -> dict[str, Any]:
        """The stock members, with the public id; somebody who is only signing up has none yet."""
        told: dict[str, Any] = super().serialize_user(user)
        return {**told, "id": user.public_id} if user.pk else told
