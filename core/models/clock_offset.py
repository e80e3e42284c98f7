"""The stored offset of the movable clock (development mode)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from core.walls import Wall


class ClockOffset(models.Model):
    """One row: how many seconds the clock has been moved forward."""

    wall: ClassVar[Wall] = Wall.KERNEL

    seconds = models.BigIntegerField(default=0)

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(id=1), name="core_clockoffset_single"),)

    def __str__(self) -> str:
        return f"{self.seconds} s"
