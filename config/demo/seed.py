"""Put the cast into the database of a development instance. Running it again changes nothing but the address.

Keys, tokens and passwords are random for each instance and known only to its credentials file; what the file does not
know is made anew, so a lost file is healed by the next start.
"""

from __future__ import annotations

import datetime as dt
import secrets
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.mfa.utils import decrypt
from django.contrib.auth.models import Group

from config.demo import cast
from config.demo.cast import ExpertRole, LabRole, StaffRole
from config.demo.credentials import Credentials
from core import tokens
from core.public import AccessToken, User
from experts.public import become_expert
from marketplace.models import ConflictEdge
from marketplace.operations import api_keys
from marketplace.public import Lab, LabMember, add_member, open_lab

COOLING_OFF_DAYS = 180


def plant(*, path: Path, base_url: str, now: dt.datetime) -> Credentials:
    """Make everybody who is missing, and write the credentials file. Call it as the platform, in one unit of work."""
    known = Credentials.read(path)
    fresh = Credentials(base_url=base_url)
    fresh.labs = [_lab(role, known.lab(role.name), now=now) for role in cast.LABS]
    fresh.experts = [_expert(role, known.expert(role.email), now=now) for role in cast.EXPERTS]
    fresh.staff = [_member_of_staff(role, known.member_of_staff(role.email)) for role in cast.STAFF]
    _make_rivals(now=now)
    fresh.write(path)
    return fresh


def _lab(role: LabRole, known: dict[str, Any], *, now: dt.datetime) -> dict[str, Any]:
    lab = Lab.objects.filter(tenant__name=role.name, tenant__live=None).select_related("tenant").first()
    lab = lab or open_lab(name=role.name, currency=role.currency, country=role.country, now=now)
    members = {
        local_part: add_member(lab=lab, email=role.address(local_part), role=rank, now=now)
        for local_part, rank in role.members
    }
    for member in members.values():
        _verify_address(member.user)
    return {
        "name": role.name,
        "api_key": _lab_key(lab, known.get("api_key", ""), now=now),
        "member_keys": {
            local_part: _lab_key(lab, known.get("member_keys", {}).get(local_part, ""), member=member, now=now)
            for local_part, member in members.items()
        },
        "tenant": lab.tenant.public_id,
        "currency": role.currency,
        "members": [{"email": role.address(local_part), "role": rank} for local_part, rank in role.members],
    }


def _lab_key(lab: Lab, known: str, *, now: dt.datetime, member: LabMember | None = None) -> str:
    usable = AccessToken.objects.usable(now=now).filter(tenant=lab.tenant, user=member.user_id if member else None)
    if known and usable.filter(digest=tokens.digest_of(known)).exists():
        return known
    return api_keys.issue(lab=lab, name="demo", member=member, now=now).secret


def _expert(role: ExpertRole, known: dict[str, Any], *, now: dt.datetime) -> dict[str, Any]:
    user, password = _person(role.email, role.name, known.get("password", ""))
    become_expert(user=user, now=now)
    return {
        "email": role.email,
        "password": password,
        "token": _personal_token(user, known.get("token", ""), now=now),
        "domain": role.domain,
        "name": role.name,
    }


def _personal_token(user: User, known: str, *, now: dt.datetime) -> str:
    if known and AccessToken.objects.usable(now=now).filter(digest=tokens.digest_of(known), user=user).exists():
        return known
    return tokens.mint_expert_token(user=user, name="demo").secret


def _member_of_staff(role: StaffRole, known: dict[str, Any]) -> dict[str, Any]:
    user, password = _person(role.email, role.name, known.get("password", ""))
    if not user.is_staff:
        user.is_staff = True
        user.save(update_fields=["is_staff"])
    user.groups.set([Group.objects.get(name=role.role)])
    return {
        "email": role.email,
        "password": password,
        "role": role.role,
        "totp_secret": _totp_secret(user, known.get("totp_secret", "")),
        "name": role.name,
    }


def _totp_secret(user: User, known: str) -> str:
    """The secret of the authenticator; another one is set up where the file does not know the one in use."""
    standing = Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).first()
    if standing is not None and known and decrypt(standing.data["secret"]) == known:
        return known
    if standing is not None:
        standing.delete()
    secret: str = known or generate_totp_secret()
    TOTP.activate(user, secret)
    return secret


def _person(email: str, name: str, known: str) -> tuple[User, str]:
    """The user and his password. A known password is believed: checking each would cost seconds at every start."""
    user = User.objects.filter(email=email).first()
    password = known or secrets.token_urlsafe(12)
    if user is None:
        user = User.objects.create_user(email, password, name=name)
    elif not known:
        user.set_password(password)
        user.save(update_fields=["password"])
    _verify_address(user)
    return user, password


def _verify_address(user: User) -> None:
    EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})


def _make_rivals(*, now: dt.datetime) -> None:
    tenants = Lab.objects.filter(tenant__name__in=[role.name for role in cast.LABS], tenant__live=None)
    low, high = sorted(tenants.values_list("tenant_id", flat=True))
    ConflictEdge.objects.get_or_create(
        tenant_low_id=low,
        tenant_high_id=high,
        defaults={"starts_on": now.date(), "cooling_off_days": COOLING_OFF_DAYS},
    )
