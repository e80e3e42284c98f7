"""The outbox: what happened, told to every subscriber at least once, in no promised order."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from core.models.base import CadreModel, PublicIdField
from core.models.tenant import Tenant
from core.principal import Kind, Principal
from core.walls import Wall


class EventQuerySet(models.QuerySet["Event"]):
    """Events, as the parties may see them."""

    def visible_to(self, principal: Principal) -> EventQuerySet:
        """A lab sees its tenant's news, a person what is addressed to him, the platform all."""
        if principal.is_platform:
            return self
        if principal.kind is Kind.LAB:
            return self.filter(tenant=principal.tenant_id, for_lab=True)
        if principal.user_id:
            return self.filter(user=principal.user_id)
        return self.none()


class Event(CadreModel):
    """One thing that happened. ``payload`` holds ids only: whoever cares reads the rows again."""

    wall = Wall.KERNEL

    public_id = PublicIdField(prefix="evt")
    name = models.CharField(max_length=80)
    subject = models.CharField(max_length=60, help_text="Public id of what it happened to.")
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True, related_name="+")
    for_lab = models.BooleanField(default=True, help_text="Whether the tenant may see it and get a webhook for it.")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    actor = models.CharField(max_length=80, blank=True)
    payload = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()

    objects = EventQuerySet.as_manager()

    class Meta:
        indexes = (models.Index(fields=("tenant", "-id")), models.Index(fields=("subject",)))

    def __str__(self) -> str:
        return f"{self.name} {self.subject}"


class EventHandling(models.Model):
    """One subscriber's debt to one event; gone into ``done_at`` when paid."""

    wall = Wall.KERNEL

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="handlings")
    subscriber = models.CharField(max_length=80)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("event", "subscriber"), name="core_eventhandling_once"),)
        indexes = (models.Index(fields=("next_attempt_at",), condition=Q(done_at=None), name="core_eventhandling_due"),)

    def __str__(self) -> str:
        return f"{self.subscriber}: {self.event_id}"
