"""`/api-keys`: keys of the lab's programs."""

from __future__ import annotations

from typing import Annotated, TypedDict

from django.db.models import QuerySet
from rest_framework import serializers

from core.api.call import Call
from core.api.endpoint import endpoint
from core.api.fields import InstantField, StrictCharField
from core.api.lookup import get_or_404
from core.api.types import Doc, Example, KeyId, Timestamp
from core.api.views import LabView
from core.public import AccessToken
from core.tokens import Minted, TokenRevoked
from marketplace.operations import api_keys
from marketplace.scopes import SCOPES


class ApiKeyOut(TypedDict):
    """A key, without its secret."""

    id: KeyId
    name: Annotated[str, Example("nightly import")]
    prefix: Annotated[str, Doc("How the secret begins."), Example("cadre_live_4f9a")]
    scopes: Annotated[list[str], Example(["projects:read", "tasks:write"])]
    member: Annotated[
        str | None, Doc("E-mail address of the member whose own key it is; only he decides with it."), Example(None)
    ]
    expires_at: Timestamp | None
    revoked_at: Annotated[Timestamp | None, Doc("May lie in the future: a rotated key works until then.")]
    last_used_at: Timestamp | None
    created_at: Timestamp


class NewApiKeyOut(ApiKeyOut):
    """A key with its secret, which is shown this once and stored nowhere; null in a replay."""

    secret: Annotated[str | None, Example("cadre_live_4f9a…")]


class ApiKeyIn(serializers.Serializer[None]):
    """A key to make."""

    name = StrictCharField(max_length=100)
    scopes = serializers.ListField(
        child=serializers.CharField(max_length=60), min_length=1, max_length=len(SCOPES), allow_empty=False
    )
    sandbox = serializers.BooleanField(required=False, default=False, help_text="A test key, for the sandbox.")
    expires_at = InstantField(required=False, allow_null=True)
    member = StrictCharField(
        required=False,
        max_length=254,
        help_text="A member's own key, by his id (mem_…) or e-mail address: it decides in nobody else's name.",
    )


def keys_of(call: Call) -> QuerySet[AccessToken]:
    """The lab's keys."""
    return AccessToken.objects.visible_to(call.principal).select_related("user")


def render_key(token: AccessToken) -> ApiKeyOut:
    """One key."""
    return {
        "id": token.public_id,
        "name": token.name,
        "prefix": token.prefix,
        "scopes": token.scopes,
        "member": token.user.email if token.user else None,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "last_used_at": token.last_used_at,
        "created_at": token.created_at,
    }


def _render_new(minted: Minted) -> NewApiKeyOut:
    return {**render_key(minted.token), "secret": minted.secret}


class ApiKeyList(LabView):
    """The lab's keys."""

    @endpoint(summary="List API keys", scope="keys:read", returns=ApiKeyOut, paginated=True, render=render_key)
    def get(self, call: Call) -> QuerySet[AccessToken]:
        """Keys of the tenant that the calling key reaches, revoked ones too."""
        return keys_of(call)

    @endpoint(
        summary="Make an API key",
        scope="keys:write",
        body=ApiKeyIn,
        returns=NewApiKeyOut,
        status=201,
        secrets=["secret"],
        example={"name": "nightly import", "scopes": ["projects:read", "tasks:write"]},
    )
    def post(self, call: Call) -> NewApiKeyOut:
        """With some of the rights of the calling key, never more. A live key can make test keys for its sandbox.

        A key with `member` is that person's own. Whoever approves what another member proposed needs one.
        """
        return _render_new(api_keys.create(by=call.principal, now=call.now, **call.body))


class ApiKeyRotate(LabView):
    """A new secret."""

    @endpoint(
        summary="Rotate an API key",
        scope="keys:write",
        returns=NewApiKeyOut,
        status=201,
        errors=[TokenRevoked],
        secrets=["secret"],
    )
    def post(self, call: Call, key_id: str) -> NewApiKeyOut:
        """A new key with the same rights; the old one works for 24 hours longer. Never a stronger key than your own."""
        token = get_or_404(keys_of(call), key_id)
        return _render_new(api_keys.rotate(token=token, by=call.principal, now=call.now))


class ApiKeyRevoke(LabView):
    """An end."""

    @endpoint(summary="Revoke an API key", scope="keys:write", returns=ApiKeyOut, errors=[TokenRevoked])
    def post(self, call: Call, key_id: str) -> ApiKeyOut:
        """At once; a key can revoke itself."""
        return render_key(api_keys.revoke(token=get_or_404(keys_of(call), key_id), now=call.now))
