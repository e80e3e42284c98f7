"""Gapless numbers for papers: a series per kind, issuer and year, that moves only when a paper takes its next number."""

from __future__ import annotations

from typing import Any

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core import guards
from core.public import CadreModel, Wall

WIDTH = 6
"""Digits of a number in a reference; larger numbers are simply longer."""


class FollowsPapers(guards.Guard):
    """A series is counted on by the papers themselves, one by one; nobody sets it, renames it or removes it."""

    name = "follows_papers"
    when = pgtrigger.Before
    operation = pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete
    func = """
        IF TG_OP = 'INSERT' AND NEW.last_number = 0 THEN
            RETURN NEW;
        END IF;
        IF TG_OP = 'UPDATE' AND pg_trigger_depth() > 1 AND NEW.last_number = OLD.last_number + 1
            AND to_jsonb(NEW) - 'last_number' = to_jsonb(OLD) - 'last_number' THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'a series of papers is counted by its papers alone' USING ERRCODE = 'insufficient_privilege';
    """


class DocumentSeries(CadreModel):
    """One gapless series: the invoices, credit notes or self-billing invoices of one issuer in one year.

    ``last_number`` moves by one with each paper and in its transaction: a paper that was not issued leaves no hole.
    ``issuer`` is the platform's legal person (``ISSUER["key"]``), or an expert's public id where he is billed for.
    """

    class Kind(models.TextChoices):
        """What is numbered."""

        INVOICE = "invoice", _("invoices")
        CREDIT_NOTE = "credit_note", _("credit notes")
        SELF_BILLING = "self_billing", _("self-billing invoices")

    wall = Wall.PLATFORM

    kind = models.CharField(max_length=20, choices=Kind.choices)
    issuer = models.CharField(max_length=60)
    year = models.PositiveSmallIntegerField()
    prefix = models.CharField(max_length=60, help_text=_("Stands before the number on the paper."))
    last_number = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("series of papers")
        verbose_name_plural = _("series of papers")
        constraints = (
            models.UniqueConstraint(fields=("kind", "issuer", "year"), name="payments_series_once"),
            models.UniqueConstraint(fields=("prefix",), name="payments_series_prefix"),
            models.CheckConstraint(condition=Q(year__gte=2000, year__lte=2100), name="payments_series_year"),
        )
        triggers = (FollowsPapers(),)

    def __str__(self) -> str:
        return self.prefix

    def reference(self, number: int) -> str:
        """How a number of the series is written on its paper: "INV-2026-000042"."""
        return f"{self.prefix}{number:0{WIDTH}d}"


class TakesNextNumber(guards.Guard):
    """A paper takes exactly the next number of its series, keeps it for ever and is never removed."""

    name = "takes_next_number"
    when = pgtrigger.Before
    operation = pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete
    declare = [("heading", "text")]
    func = """
        IF TG_OP = 'DELETE' THEN
            RAISE EXCEPTION 'an issued paper is not removed' USING ERRCODE = 'insufficient_privilege';
        END IF;
        IF TG_OP = 'UPDATE' THEN
            IF (NEW.series_id, NEW.number, NEW.reference) IS DISTINCT FROM (OLD.series_id, OLD.number, OLD.reference) THEN
                RAISE EXCEPTION 'an issued paper keeps its number' USING ERRCODE = 'insufficient_privilege';
            END IF;
            RETURN NEW;
        END IF;
        UPDATE payments_documentseries SET last_number = last_number + 1
            WHERE id = NEW.series_id AND last_number = NEW.number - 1 RETURNING prefix INTO heading;
        IF heading IS NULL THEN
            RAISE EXCEPTION 'the number % is not the next one of its series', NEW.number
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payments_series_no_hole';
        END IF;
        IF NEW.reference <> heading || lpad(NEW.number::text, greatest(6, length(NEW.number::text)), '0') THEN
            RAISE EXCEPTION 'the reference does not say the number' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    """


class Numbered(models.Model):
    """Base of papers with a number of a series; set from `operations.series.take`.

    Concrete models add ``TakesNextNumber()`` to their triggers and ``number_once(...)`` to their constraints.
    """

    series = models.ForeignKey(DocumentSeries, on_delete=models.PROTECT, related_name="+", db_index=False)
    number = models.PositiveIntegerField()
    reference = models.CharField(max_length=80, help_text=_("The number as it stands on the paper."))

    class Meta:
        abstract = True


def number_once(name: str) -> models.UniqueConstraint:
    """The constraint that no number of a series is borne by two papers of a table."""
    return models.UniqueConstraint(fields=("series", "number"), name=name)


def numbering(series: DocumentSeries, number: int) -> dict[str, Any]:
    """The fields of a :class:`Numbered` paper."""
    return {"series": series, "number": number, "reference": series.reference(number)}
