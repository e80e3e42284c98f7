"""`/expert/tokens`: personal tokens, made and revoked by a signed-in person only."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers

from core import tokens
from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import InstantField, StrictCharField
from core.api.lookup import get_or_404
from core.api.types import Doc, Example, KeyId, Timestamp
from core.api.views import ExpertView
from core.problems import DomainError, FieldError, InvalidInput
from core.public import AccessToken
from experts.api.me import user_of


class SessionNeeded(DomainError):
    """Personal tokens are made and revoked by a signed-in person: in the browser, or with `X-Session-Token`.

    A token cannot make or revoke tokens, so one that leaks cannot multiply.
    """

    code = "session_needed"
    status = 403
    title = gettext_lazy("Sign in to manage tokens")


class TokenOut(TypedDict):
    """A personal token, without its secret."""

    id: KeyId
    name: Annotated[str, Example("laptop")]
    prefix: Annotated[str, Doc("How it begins."), Example("cadre_exp_4fQz")]
    created_at: Timestamp
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    last_used_at: Timestamp | None


class NewTokenOut(TokenOut):
    """A new personal token."""

    secret: Annotated[str | None, Doc("Shown this once; null in a replay."), Example("cadre_exp_4fQz…")]


class TokenIn(serializers.Serializer[None]):
    """A new personal token."""

    name = StrictCharField(max_length=100, help_text="What it is for.")
    expires_at = InstantField(required=False, allow_null=True)


def require_session(call: Call) -> None:
    """Raise SessionNeeded for a caller who came with a token."""
    if call.principal.token_id is not None:
        raise SessionNeeded


def render_token(token: AccessToken) -> TokenOut:
    """A token without its secret."""
    return {
        "id": token.public_id,
        "name": token.name,
        "prefix": token.prefix,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "last_used_at": token.last_used_at,
    }


class TokenList(ExpertView):
    """The caller's own tokens."""

    needs_profile = False

    @endpoint(summary="List my tokens", returns=TokenOut, paginated=True, render=render_token, tag="tokens")
    def get(self, call: Call) -> Any:
        """Revoked and expired ones too."""
        return AccessToken.objects.visible_to(call.principal)

    @endpoint(
        summary="Make a token",
        body=TokenIn,
        returns=NewTokenOut,
        status=201,
        errors=[SessionNeeded],
        secrets=["secret"],
        example={"name": "laptop"},
        tag="tokens",
    )
    def post(self, call: Call) -> NewTokenOut:
        """The secret is in this answer and nowhere else."""
        require_session(call)
        expires_at = call.body.get("expires_at")
        if expires_at is not None and expires_at <= call.now:
            raise InvalidInput(errors=[FieldError("/expires_at", "in_the_past", _("This instant has passed."))])
        minted = tokens.mint_expert_token(user=user_of(call), name=call.body["name"], expires_at=expires_at)
        return {**render_token(minted.token), "secret": minted.secret}


class TokenRevoke(ExpertView):
    """The end of a token."""

    needs_profile = False

    @endpoint(summary="Revoke a token", returns=TokenOut, errors=[SessionNeeded, tokens.TokenRevoked], tag="tokens")
    def post(self, call: Call, token_id: str) -> TokenOut:
        """It stops working at once."""
        require_session(call)
        token = get_or_404(AccessToken.objects.visible_to(call.principal), token_id)
        return render_token(tokens.revoke(token=token, now=call.now))
