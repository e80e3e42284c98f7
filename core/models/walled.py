"""The gates that queries start from: for tenants' tables, and for those of one person."""

from __future__ import annotations

from typing import ClassVar, Self, TypeVar

from django.db import models

from core.principal import Kind, Principal

M = TypeVar("M", bound=models.Model)


class WalledQuerySet(models.QuerySet[M]):
    """Rows of a tenant's table, as the parties may see them: the lab its own, an expert what concerns him."""

    expert_path: ClassVar[str] = ""
    """The look-up from a row to the expert it concerns; empty where experts have no business."""
    has_many_paths: ClassVar[bool] = False
    """Whether several rows may lead from one row to one expert, so that a join would repeat it."""
    for_labs: ClassVar[bool] = True
    """Whether the lab sees the rows of its tenant."""

    def visible_to(self, principal: Principal) -> Self:
        """A lab sees its tenant's rows, an expert those that concern him in every lab, the platform all."""
        if principal.is_platform:
            return self
        if principal.kind is Kind.LAB and self.for_labs:
            return self.filter(tenant=principal.tenant_id)
        if principal.kind is Kind.EXPERT and principal.subject_id is not None and self.expert_path:
            return self.of_expert(principal.subject_id)
        return self.none()

    def of_expert(self, expert_id: int) -> Self:
        """Rows that concern one expert, each once."""
        rows = self.filter(**{self.expert_path: expert_id})
        return rows.distinct() if self.has_many_paths else rows


class OwnedQuerySet(models.QuerySet[M]):
    """Rows about one expert, beyond any lab's wall."""

    owner_path: ClassVar[str] = "expert"
    """The look-up from a row to its owner."""

    def visible_to(self, principal: Principal) -> Self:
        """An expert sees his own, the platform all, labs nothing."""
        if principal.is_platform:
            return self
        if principal.kind is Kind.EXPERT and principal.subject_id is not None:
            return self.filter(**{self.owner_path: principal.subject_id})
        return self.none()
