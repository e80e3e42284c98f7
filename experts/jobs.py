"""Celery entry points of the experts' floor."""

from __future__ import annotations

import datetime as dt

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.utils.translation import gettext as _

from core import clock, scanning, uploads
from core.jobs import job
from core.public import Principal, unit_of_work
from experts.models import Credential, Document, IdentityVerification
from experts.operations import appeals, credentials, documents

SCANS = 50
MOST_SILENT = 20
"""A scanner that gave no verdict about so many files one after the other is not there: it is asked later."""

log = structlog.get_logger(__name__)


@job(name="experts.scan_documents", bound=False)
def scan_documents() -> None:
    """Look into quarantined files, each outside any transaction; without a verdict they wait for the next run."""
    last, silent = 0, 0
    while rows := _waiting(after=last):
        for document_id, storage_name in rows:
            last = document_id
            silent = 0 if _scan(document_id, storage_name) else silent + 1
            if silent >= MOST_SILENT:
                return


@job(name="experts.expire_credentials", bound=False)
def expire_credentials(after: int = 0) -> None:
    """Expire credentials that are over."""
    by = Principal.system("experts.expire_credentials")
    credentials.expire_due(by=by, model=Credential, now=clock.now(), after=after)


@job(name="experts.expire_identities", bound=False)
def expire_identities(after: int = 0) -> None:
    """Expire identity papers that are over."""
    by = Principal.system("experts.expire_identities")
    credentials.expire_due(by=by, model=IdentityVerification, now=clock.now(), after=after)


@job(name="experts.warn_of_expiry", bound=False)
def warn_of_expiry(after: int = 0) -> None:
    """Warn of credentials that soon will be over."""
    credentials.warn_of_expiry(by=Principal.system("experts.warn_of_expiry"), now=clock.now(), after=after)


@job(name="experts.resolve_appeals", bound=False)
def resolve_appeals(after: int = 0) -> None:
    """Silence past the deadline is resolved in the expert's favour."""
    appeals.resolve_overdue(now=clock.now(), after=after)


@job(name="experts.sweep_documents")
def sweep_documents() -> None:
    """Remove files that no row knows."""
    documents.sweep()


_SCANNER = Principal.system("experts.scan_documents")


def _waiting(*, after: int) -> list[tuple[int, str]]:
    with unit_of_work(_SCANNER):
        waiting = Document.objects.filter(status=Document.Status.QUARANTINED, pk__gt=after).order_by("pk")
        return list(waiting.values_list("pk", "storage_name")[:SCANS])


def _scan(document_id: int, storage_name: str) -> bool:
    """Scan one file; whether there is a verdict. One that breaks the scan must not stop the others."""
    try:
        finding = _finding(storage_name)
        with unit_of_work(_SCANNER):
            documents.record_scan(document_id=document_id, finding=finding, now=clock.now())
    except scanning.ScannerUnavailable as error:
        log.warning("scanner_unavailable", reason=str(error))
        return False
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        log.exception("scan_failed", document=document_id)
        return False
    return True


def _finding(storage_name: str) -> str:
    try:
        with uploads.open_kept(storage_name) as file:
            return scanning.scan(file)
    except FileNotFoundError:
        return _("The file is gone.")


PERIODIC = {
    "experts.scan_documents": dt.timedelta(minutes=1),
    "experts.expire_credentials": dt.timedelta(hours=1),
    "experts.expire_identities": dt.timedelta(hours=1),
    "experts.warn_of_expiry": dt.timedelta(hours=1),
    "experts.resolve_appeals": dt.timedelta(minutes=1),
    "experts.sweep_documents": dt.timedelta(hours=6),
}
