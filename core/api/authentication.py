"""Who is calling: keys of labs, personal tokens and sessions become a Principal, or the request ends with 401."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from allauth.headless.internal.sessionkit import authenticate_by_x_session_token
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.db.models import Q
from rest_framework import authentication
from rest_framework.request import Request

from core import clock, ports, tokens
from core.api.errors import CHALLENGE
from core.models import AccessToken, TenantAccess, User
from core.principal import Kind, Principal
from core.problems import NotAuthenticated

SCHEME: Final = "bearer"
TOUCH_EVERY: Final = dt.timedelta(minutes=1)

Authenticated = tuple[User | AnonymousUser, Principal]


class BearerAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer cadre_…`: a lab's key or an expert's personal token."""

    def authenticate(self, request: Request) -> Authenticated | None:
        """The caller, or None when another scheme is used. Raises NotAuthenticated for a token that does not count."""
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        secret = secret.strip()
        if scheme.lower() != SCHEME or not tokens.is_well_formed(secret):
            raise NotAuthenticated
        now = clock.now()
        usable = AccessToken.objects.usable(now=now).select_related("tenant", "user")
        token = usable.filter(digest=tokens.digest_of(secret)).first()
        if token is None or (token.user is not None and not token.user.is_active):
            raise NotAuthenticated
        _touch(token, now)
        return _caller(token)

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return CHALLENGE


class BrowserSession(authentication.SessionAuthentication):
    """The session cookie of a browser; unsafe methods need the CSRF token in `X-CSRFToken`."""

    def authenticate(self, request: Request) -> Authenticated | None:
        """The signed-in person, or None."""
        found = super().authenticate(request)
        return (found[0], person(found[0])) if found else None

    def enforce_csrf(self, request: Request) -> None:
        """Check the plain request: DRF's would read the body to look for the token, and leave nothing to the endpoint."""
        super().enforce_csrf(request._request)  # type: ignore[arg-type]  # noqa: SLF001  # it has no public name


class HeadlessSession(authentication.BaseAuthentication):
    """`X-Session-Token`: a session that an app opened through the headless log-in."""

    def authenticate(self, request: Request) -> Authenticated | None:
        """The signed-in person, or None without the header. Raises NotAuthenticated for a session that is over."""
        token = request.headers.get("X-Session-Token")
        if not token:
            return None
        found = authenticate_by_x_session_token(token)
        if found is None:
            raise NotAuthenticated
        return found[0], person(found[0])

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return CHALLENGE


def person(user: User, *, token: AccessToken | None = None) -> Principal:
    """The Principal of a signed-in user: an expert where he has a profile, else staff where he works for us."""
    subject_id = ports.subjects.get().subject_of(user.pk)
    if subject_id is None and user.is_staff:
        return Principal(kind=Kind.STAFF, label=f"user:{user.public_id}", user_id=user.pk)
    return Principal(
        kind=Kind.EXPERT,
        label=f"user:{user.public_id}",
        user_id=user.pk,
        tenant_ids=tuple(
            TenantAccess.objects.filter(user=user).order_by("tenant_id").values_list("tenant_id", flat=True)
        ),
        subject_id=subject_id,
        token_id=token.pk if token else None,
    )


def _caller(token: AccessToken) -> Authenticated:
    if token.kind != AccessToken.Kind.LAB and token.user is not None:
        return token.user, person(token.user, token=token)
    if token.tenant is None:
        raise NotAuthenticated
    return AnonymousUser(), Principal(
        kind=Kind.LAB,
        label=f"key:{token.public_id}",
        tenant_id=token.tenant.pk,
        tenant_ids=(token.tenant.pk,),
        scopes=frozenset(token.scopes),
        token_id=token.pk,
        only_member_id=token.user_id,
        sandbox=token.tenant.is_sandbox,
    )


def _touch(token: AccessToken, now: dt.datetime) -> None:
    """Note the use after the commit: inside it, all requests with this key would queue for the row's lock."""
    if token.last_used_at is not None and now - token.last_used_at < TOUCH_EVERY:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - TOUCH_EVERY)

    def note() -> Any:
        return AccessToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)

    transaction.on_commit(note, robust=True)
