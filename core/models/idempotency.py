"""What was answered to a request that carried an Idempotency-Key."""

from __future__ import annotations

from django.db import models

from core.models.base import CadreModel
from core.walls import Wall


class IdempotencyRecord(CadreModel):
    """The answer to one keyed request, written in the transaction of its effect.

    `owner` is the tenant or user whose key it is: two labs may use the same key. `request_hash` tells a repetition
    from another request under the same key; `body` is the answer as it was sent, without secrets.
    """

    wall = Wall.KERNEL

    owner = models.CharField(max_length=60)
    key = models.CharField(max_length=255)
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=2000)
    request_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    content_type = models.CharField(max_length=100, blank=True)
    location = models.CharField(max_length=500, blank=True)
    body = models.BinaryField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("owner", "key"), name="core_idempotencyrecord_once"),)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"
