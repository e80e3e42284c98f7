"""Keys for machines: lab keys and personal tokens. Only a hash is stored."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core import history
from core.models.base import CadreModel, PublicIdField
from core.models.tenant import Tenant
from core.principal import Kind, Principal
from core.walls import Wall


class AccessTokenQuerySet(models.QuerySet["AccessToken"]):
    """Tokens, as their owners may see them."""

    def visible_to(self, principal: Principal) -> AccessTokenQuerySet:
        """A lab sees its tenant's keys, a person his own tokens, the platform all."""
        if principal.is_platform:
            return self
        if principal.kind is Kind.LAB:
            return self.filter(kind=AccessToken.Kind.LAB, tenant=principal.tenant_id)
        if principal.user_id:
            return self.filter(user=principal.user_id).exclude(kind=AccessToken.Kind.LAB)
        return self.none()

    def usable(self, *, now: dt.datetime) -> AccessTokenQuerySet:
        """Neither revoked nor expired."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), Q(revoked_at=None) | Q(revoked_at__gt=now))


@history.tracked(exclude=["digest", "last_used_at"])
class AccessToken(CadreModel):
    """A key of a lab (a tenant and scopes) or a personal token (a user).

    A lab's key with a user is that member's: who holds it decides in nobody else's name.

    The look-up comes before any scope is bound, so the table stands outside the walls. ``revoked_at`` may lie in the
    future: a rotated key works until its overlap ends.
    """

    class Kind(models.TextChoices):
        """Whose key it is."""

        LAB = "lab"
        EXPERT = "expert"
        STAFF = "staff"

    wall = Wall.KERNEL

    public_id = PublicIdField(prefix="key")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=24, help_text="What is shown of it: never enough to use it.")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 in hexadecimal.")
    scopes = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True, blank=True, related_name="tokens")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="tokens"
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = AccessTokenQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(kind="lab", tenant__isnull=False) | (~Q(kind="lab") & Q(user__isnull=False)),
                name="core_accesstoken_has_owner",
            ),
        )
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.prefix}…"

    def is_usable(self, *, now: dt.datetime) -> bool:
        """Neither revoked nor expired at ``now``."""
        ends: list[Any] = [end for end in (self.expires_at, self.revoked_at) if end]
        return all(end > now for end in ends)
