"""The gate that queries for tenants' tables start from."""

from __future__ import annotations

from typing import ClassVar, Self, TypeVar

from django.db import models

from core.public import Kind, Principal

M = TypeVar("M", bound=models.Model)


class WalledQuerySet(models.QuerySet[M]):
    """Rows of a tenant's table, as the parties may see them."""

    expert_path: ClassVar[str] = ""
    """The look-up from a row to the expert whose own it is; empty where experts have no business."""
    for_labs: ClassVar[bool] = True
    """Whether the lab sees the rows of its tenant."""

    def visible_to(self, principal: Principal) -> Self:
        """A lab sees its tenant's rows, an expert his own, the platform all."""
        if principal.is_platform:
            return self
        if principal.kind is Kind.LAB and self.for_labs:
            return self.filter(tenant=principal.tenant_id)
        if principal.kind is Kind.EXPERT and principal.subject_id is not None and self.expert_path:
            return self.of_expert(principal.subject_id)
        return self.none()

    def of_expert(self, expert_id: int) -> Self:
        """Rows that are one expert's own."""
        return self.filter(**{self.expert_path: expert_id})
