"""Keys with which a lab's programs call: made with some of the maker's rights, rotated with an overlap, revoked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import outbox, tokens
from core.problems import Conflict, FieldError, InvalidInput, PermissionDenied
from core.public import AccessToken, Principal, Tenant, User
from core.tokens import Minted
from marketplace.models import Lab, LabMember
from marketplace.queries import member_of
from marketplace.scopes import SCOPES


class LabHasKeys(Conflict):
    """The lab has a key that makes keys, so that it makes its own; the platform gives it none."""

    code = "lab_has_keys"
    title = gettext_lazy("The lab makes its own keys")


class LabHasNobody(Conflict):
    """The lab has no admin who could be told that the platform made it a key. Open an account for one first."""

    code = "lab_has_nobody"
    title = gettext_lazy("There is nobody to tell of the key")


ISSUED_IN_NEED: Final = "api_key.issued_by_support"
LONGEST_NAME: Final = 100


@transaction.atomic
def create(
    *,
    by: Principal,
    name: str,
    scopes: Sequence[str],
    now: dt.datetime,
    sandbox: bool = False,
    expires_at: dt.datetime | None = None,
    member: str = "",
) -> Minted:
    """A key for the caller's lab, or with ``sandbox`` for its sandbox; the secret is in the answer and nowhere else.

    ``member`` names whose own key it is: it decides in nobody else's name. Raises InvalidInput for scopes that do not
    exist, for an end after the caller's own and for an unknown member, PermissionDenied for scopes the caller does not
    have himself, and for anybody else's key made with a member's own.
    """
    _require_known(scopes)
    if expires_at is not None and expires_at <= now:
        raise InvalidInput(errors=[FieldError("/expires_at", "in_the_past", _("The key would be expired at once."))])
    _require_held(scopes, by)
    if _outlives(expires_at, by):
        detail = _("A key that ends makes no key that ends later.")
        raise InvalidInput(errors=[FieldError("/expires_at", "outlives_maker", detail)])
    if by.tenant_id is None:
        raise PermissionDenied(_("Keys belong to labs."))
    tenant = Tenant.objects.get(pk=by.tenant_id)
    if sandbox and not tenant.is_sandbox:
        tenant = tenant.sandbox
    whose = member_of(tenant_id=tenant.pk, who=member, pointer="/member").user if member else None
    _require_own(whose.pk if whose else None, by)
    return _mint(tenant, name=name, scopes=scopes, expires_at=expires_at, user=whose, now=now)


@transaction.atomic
def issue(
    *, lab: Lab, name: str, now: dt.datetime, scopes: Sequence[str] = SCOPES, member: LabMember | None = None
) -> Minted:
    """A lab's first key, or a member's own, where the platform sets it up."""
    _require_known(scopes)
    whose = member.user if member else None
    return _mint(lab.tenant, name=name, scopes=scopes, expires_at=None, user=whose, now=now)


@transaction.atomic
def issue_in_need(*, lab: Lab, by: User, reason: str, now: dt.datetime) -> Minted:
    """A key from the support desk for a lab that has none with which it could make its own.

    The lab's admins are told by mail who made it and why, and can revoke it; the lab's list of keys says it too.
    Raises LabHasKeys, LabHasNobody.
    """
    tenant = lab.tenant
    if AccessToken.objects.usable(now=now).filter(tenant=tenant, scopes__contains=["keys:write"]).exists():
        raise LabHasKeys
    members = LabMember.objects.filter(tenant_id=tenant.live_id or tenant.pk, user__is_active=True)
    if not members.filter(role=LabMember.Role.ADMIN).exists():
        raise LabHasNobody
    name = _("support (%(who)s): %(why)s") % {"who": by.get_full_name(), "why": reason}
    minted = _mint(tenant, name=name[:LONGEST_NAME], scopes=SCOPES, expires_at=None, user=None, now=now)
    outbox.publish(
        ISSUED_IN_NEED,
        subject=minted.token.public_id,
        tenant_id=tenant.pk,
        payload={"by": by.public_id, "reason": reason},
        now=now,
    )
    return minted


@transaction.atomic
def rotate(*, token: AccessToken, by: Principal, now: dt.datetime) -> Minted:
    """A new secret with the same rights; the old one works for a day longer.

    Whoever rotates a key holds it afterwards, so that is for keys with at least its rights and its end alone, and for a
    member's own key for his own keys. Raises TokenRevoked, PermissionDenied.
    """
    _require_held(token.scopes, by)
    _require_own(token.user_id, by)
    if token.user_id is not None and by.only_member_id is None:
        raise PermissionDenied(_("A member's own key is rotated with a key of his."))
    if token.pk != by.token_id and _outlives(token.expires_at, by):
        raise PermissionDenied(_("A key that ends rotates no key that ends later."))
    minted = tokens.rotate(token=token, now=now)
    _tell("api_key.rotated", minted.token, now=now)
    return minted


@transaction.atomic
def revoke(*, token: AccessToken, now: dt.datetime) -> AccessToken:
    """End a key at once. Raises TokenRevoked."""
    revoked = tokens.revoke(token=token, now=now)
    _tell("api_key.revoked", revoked, now=now)
    return revoked


def revoke_all_of(*, member: LabMember, now: dt.datetime) -> None:
    """End every key that is this member's own, in the lab and in its sandbox."""
    own = AccessToken.objects.usable(now=now).filter(kind=AccessToken.Kind.LAB, user=member.user_id)
    for token in own.filter(Q(tenant=member.tenant_id) | Q(tenant__live=member.tenant_id)).order_by("pk"):
        revoke(token=token, now=now)


def _require_held(scopes: Sequence[str], by: Principal) -> None:
    denied = [scope for scope in scopes if not by.can(scope)]
    if denied:
        detail = _("A key cannot give rights that it does not have: %(scopes)s.") % {"scopes": ", ".join(denied)}
        raise PermissionDenied(detail, required_scope=denied[0])


def _require_own(whose: int | None, by: Principal) -> None:
    """A member's own key makes and rotates keys of that member alone."""
    if by.only_member_id not in {None, whose}:
        raise PermissionDenied(_("A member's own key gives nobody else a key."))


def _outlives(expires_at: dt.datetime | None, by: Principal) -> bool:
    """Whether a key with this end would work longer than the caller's own, which may be in its overlap already."""
    own = AccessToken.objects.filter(pk=by.token_id).first() if by.token_id else None
    ends = [end for end in (own.expires_at, own.revoked_at) if end] if own else []
    return bool(ends) and (expires_at is None or expires_at > min(ends))


def _require_known(scopes: Sequence[str]) -> None:
    errors = [
        FieldError(f"/scopes/{index}", "unknown_scope", _("There is no such scope."))
        for index, scope in enumerate(scopes)
        if scope not in SCOPES
    ]
    if errors:
        raise InvalidInput(errors=errors)


def _mint(
    tenant: Tenant,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: dt.datetime | None,
    user: User | None,
    now: dt.datetime,
) -> Minted:
    minted = tokens.mint_lab_key(tenant=tenant, name=name, scopes=scopes, expires_at=expires_at, user=user)
    _tell("api_key.created", minted.token, now=now)
    return minted


def _tell(name: str, token: AccessToken, *, now: dt.datetime) -> None:
    outbox.publish(name, subject=token.public_id, tenant_id=token.tenant_id, now=now)
