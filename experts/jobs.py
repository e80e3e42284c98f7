"""Celery entry points of the experts' floor."""

from __future__ import annotations

import datetime as dt

import structlog
from django.utils.translation import gettext as _

from core import clock, scanning, uploads
from core.jobs import job
from core.public import Principal, unit_of_work
from experts.models import Document
from experts.operations import appeals, credentials, documents

SCANS = 50

log = structlog.get_logger(__name__)


@job(name="experts.scan_documents", bound=False)
def scan_documents() -> None:
    """Look into quarantined files, each outside any transaction; without a verdict they wait for the next run."""
    with unit_of_work(_SCANNER):
        waiting = Document.objects.filter(status=Document.Status.QUARANTINED).order_by("pk")
        rows = list(waiting.values_list("pk", "storage_name")[:SCANS])
    for document_id, storage_name in rows:
        _scan(document_id, storage_name)


@job(name="experts.expire_credentials")
def expire_credentials() -> None:
    """Expire what is over, and warn of what soon will be."""
    now = clock.now()
    credentials.expire_due(now=now)
    credentials.warn_of_expiry(now=now)


@job(name="experts.resolve_appeals")
def resolve_appeals() -> None:
    """Silence past the deadline is resolved in the expert's favour."""
    appeals.resolve_overdue(now=clock.now())


@job(name="experts.sweep_documents")
def sweep_documents() -> None:
    """Remove files that no row knows."""
    documents.sweep()


_SCANNER = Principal.system("experts.scan_documents")


def _scan(document_id: int, storage_name: str) -> None:
    try:
        with uploads.open_kept(storage_name) as file:
            finding = scanning.scan(file)
    except FileNotFoundError:
        finding = _("The file is gone.")
    except scanning.ScannerUnavailable as error:
        log.warning("scanner_unavailable", reason=str(error))
        return
    with unit_of_work(_SCANNER):
        documents.record_scan(document_id=document_id, finding=finding, now=clock.now())


PERIODIC = {
    "experts.scan_documents": dt.timedelta(minutes=1),
    "experts.expire_credentials": dt.timedelta(hours=1),
    "experts.resolve_appeals": dt.timedelta(minutes=1),
    "experts.sweep_documents": dt.timedelta(hours=6),
}
