"""What every model of Cadre shares."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from pghistory.models import Event as PghistoryEvent

from core import clock, ids
from core.walls import Wall


class PublicIdField(models.CharField[str, str]):
    """The id the outside world sees: a prefix and a UUID, version 7, or version 4 where the time must not show."""

    def __init__(self, *args: Any, prefix: str = "", random: bool = False, **kwargs: Any) -> None:
        self.prefix = prefix
        self.random = random
        kwargs.setdefault("max_length", 40)
        kwargs.setdefault("unique", True)
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)

    def get_default(self) -> str:
        """A new id."""
        return ids.new_id(self.prefix, random=self.random)

    def has_default(self) -> bool:
        """Always: callers never invent ids."""
        return True

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        """Keep the prefix in migrations and copies, and uniqueness too: history tables have many rows of one id."""
        name, path, args, kwargs = super().deconstruct()
        kwargs |= {"prefix": self.prefix, "unique": self.unique} | ({"random": True} if self.random else {})
        return name, path, args, kwargs


class CadreModel(models.Model):
    """A table with a declared place before or behind the walls."""

    wall: ClassVar[Wall]

    created_at = models.DateTimeField(default=clock.stamp, editable=False)

    class Meta:
        abstract = True


class TenantModel(CadreModel):
    """A table whose every row belongs to one tenant; PostgreSQL shows it to that tenant alone."""

    wall = Wall.TENANT

    tenant = models.ForeignKey("core.Tenant", on_delete=models.PROTECT, related_name="+")

    class Meta:
        abstract = True


class HistoryRow(PghistoryEvent):
    """Base of all history tables: as many rows as the domain can make."""

    pgh_id = models.BigAutoField(primary_key=True)

    class Meta:
        abstract = True
