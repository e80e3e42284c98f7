"""What the headless log-in tells apps about a person, and how second factors are kept."""

from __future__ import annotations

from typing import Any, Final

from allauth.headless.adapter import DefaultHeadlessAdapter
from allauth.mfa.adapter import DefaultMFAAdapter

from core import vault
from core.public import User

SECOND_FACTOR: Final = "second factor"


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth ships no types
    """Secrets of one-time codes and seeds of recovery codes lie in the database under the vault's key.

    Whoever has a copy of the database can make nobody's codes. allauth does not say whose secret it is, so that all are
    sealed for one owner.
    """

    def encrypt(self, text: str) -> str:
        """Seal."""
        return vault.seal_text(text, owner=SECOND_FACTOR)

    def decrypt(self, encrypted_text: str) -> str:
        """Open; what the code before wrote while it was being replaced is open already. Raises CannotOpen."""
        return vault.open_text(encrypted_text, owner=SECOND_FACTOR)


class HeadlessAdapter(DefaultHeadlessAdapter):  # type: ignore[misc]  # allauth ships no types
    """Names people by their public id: the key inside counts who joined before."""

    def serialize_user(self, user: User) -> dict[str, Any]:
        """The stock members, with the public id; somebody who is only signing up has none yet."""
        told: dict[str, Any] = super().serialize_user(user)
        return {**told, "id": user.public_id} if user.pk else told
