"""Who sees hours: the lab that pays them, the expert who worked them, the platform."""

from __future__ import annotations

from typing import Self, TypeVar

from django.db import models

from core.principal import Kind, Principal

M = TypeVar("M", bound=models.Model)


class HoursQuerySet(models.QuerySet[M]):
    """Rows that carry a tenant and an expert."""

    def visible_to(self, principal: Principal) -> Self:
        """A lab sees its tenant's rows, an expert his own in every lab, the platform all."""
        if principal.is_platform:
            return self
        if principal.kind is Kind.LAB and principal.tenant_id is not None:
            return self.filter(tenant=principal.tenant_id)
        if principal.kind is Kind.EXPERT and principal.subject_id is not None:
            return self.filter(expert=principal.subject_id)
        return self.none()
