"""Take the next number of a gapless series."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from payments.models import DocumentSeries
from payments.models.document_series import numbering


@transaction.atomic
def take(*, kind: str, issuer: str, year: int, prefix: str) -> dict[str, Any]:
    """The fields ``series``, ``number`` and ``reference`` of the next paper, to be created in the same transaction.

    The series stays locked until the transaction ends, so two papers never ask for the same number; the number is
    counted by the paper's own insert, so one that is not written after all leaves no hole. ``prefix`` ("INV-2026-") is
    fixed by the first paper of a series.
    """
    DocumentSeries.objects.bulk_create(
        [DocumentSeries(kind=kind, issuer=issuer, year=year, prefix=prefix)], ignore_conflicts=True
    )
    locked = DocumentSeries.objects.select_for_update(no_key=True, of=("self",))
    series = locked.get(kind=kind, issuer=issuer, year=year)
    return numbering(series, series.last_number + 1)
