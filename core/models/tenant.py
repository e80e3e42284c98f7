"""Tenants, and who may act within which."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.db import models

from core import history
from core.models.base import CadreModel, PublicIdField
from core.walls import Wall


class TenantQuerySet(models.QuerySet["Tenant"]):
    """Both sides of every wall."""

    def sandboxes_among(self, tenant_ids: Iterable[int]) -> set[int]:
        """Those of ``tenant_ids`` in which nothing is real."""
        return set(self.filter(pk__in=tenant_ids, live__isnull=False).values_list("pk", flat=True))


@history.tracked()
class Tenant(CadreModel):
    """One side of the wall. A lab has two: the live one, and a sandbox that test keys reach."""

    wall = Wall.KERNEL

    public_id = PublicIdField(prefix="ten")
    name = models.CharField(max_length=200)
    live = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="sandbox")

    objects = TenantQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def is_sandbox(self) -> bool:
        """Whether nothing in here is real."""
        return self.live_id is not None


@history.tracked()
class TenantAccess(CadreModel):
    """This user may reach rows of this tenant.

    Read before any scope is bound, so it stands outside the walls. The floors above write it: a lab's member, an
    expert who applied or was offered something there.
    """

    wall = Wall.KERNEL

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tenant_access")
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="access")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("user", "tenant"), name="core_tenantaccess_once"),)
        verbose_name_plural = "tenant access"

    def __str__(self) -> str:
        return f"{self.user_id} in {self.tenant_id}"
