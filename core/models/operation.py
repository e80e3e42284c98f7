"""Long work with an address: bulk creation, matching, deliveries, winding down."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from core import history
from core.models.base import CadreModel, PublicIdField
from core.models.tenant import Tenant
from core.principal import Kind, Principal
from core.states import Transitions
from core.walls import Wall


class OperationQuerySet(models.QuerySet["Operation"]):
    """Operations, as their starters may see them."""

    def visible_to(self, principal: Principal) -> OperationQuerySet:
        """A lab sees its tenant's operations, a person his own, the platform all."""
        if principal.is_platform:
            return self
        if principal.kind is Kind.LAB:
            return self.filter(tenant=principal.tenant_id)
        if principal.user_id:
            return self.filter(user=principal.user_id)
        return self.none()


@history.tracked(exclude=["params", "results", "errors"])
class Operation(CadreModel):
    """A job that somebody waits for: ``pending → running → succeeded | partially_succeeded | failed``."""

    class State(models.TextChoices):
        """How far it is."""

        PENDING = "pending"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        PARTIALLY_SUCCEEDED = "partially_succeeded"
        FAILED = "failed"

    STATE_TRANSITIONS: ClassVar[Transitions] = {
        State.PENDING: {State.RUNNING, State.FAILED},
        State.RUNNING: {State.RUNNING, State.SUCCEEDED, State.PARTIALLY_SUCCEEDED, State.FAILED},
        State.SUCCEEDED: set(),
        State.PARTIALLY_SUCCEEDED: set(),
        State.FAILED: set(),
    }

    wall = Wall.KERNEL

    public_id = PublicIdField(prefix="op")
    kind = models.CharField(max_length=60)
    state = models.CharField(max_length=24, choices=State.choices, default=State.PENDING)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    actor = models.CharField(max_length=80)
    scopes = ArrayField(models.CharField(max_length=60), default=list)
    params = models.JSONField(default=dict)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    results = models.JSONField(default=list)
    errors = models.JSONField(default=list)
    lease_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = OperationQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"
