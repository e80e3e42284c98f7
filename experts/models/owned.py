"""What the tables of one person share: the gate, and that nobody decides about himself."""

from __future__ import annotations

from typing import Self, TypeVar

import pgtrigger
from django.db import models

from core import guards
from core.public import Kind, Principal

M = TypeVar("M", bound=models.Model)


class OwnedQuerySet(models.QuerySet[M]):
    """Rows that belong to one expert."""

    def visible_to(self, principal: Principal) -> Self:
        """The expert sees his own, the platform all, everybody else none."""
        if principal.is_platform:
            return self
        if principal.kind is Kind.EXPERT and principal.subject_id:
            return self.filter(expert_id=principal.subject_id)
        return self.none()


class NotByHimself(guards.Guard):
    """Refuse a row whose ``decided_by`` is the expert it is about."""

    when = pgtrigger.Before
    operation = pgtrigger.Insert | pgtrigger.Update
    func = (
        "IF NEW.decided_by_id = (SELECT user_id FROM experts_expert WHERE id = NEW.expert_id) THEN"
        " RAISE EXCEPTION 'nobody decides about himself'"
        " USING ERRCODE = 'check_violation', CONSTRAINT = 'experts_not_by_himself'; END IF; RETURN NEW;"
    )
