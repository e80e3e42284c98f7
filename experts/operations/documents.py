"""Taking in files, and letting them out of quarantine."""

from __future__ import annotations

import datetime as dt

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext as _

from core import states, uploads
from core.wake import wake_after_commit
from experts.models import Credential, Document, Expert, IdentityVerification
from experts.operations import notices, verifications

ACCEPTED = (uploads.PDF, uploads.PNG, uploads.JPEG, uploads.WEBP)
MAX_BYTES = 10 * uploads.MEGABYTE
FOLDER = "experts"
LINK_KIND = "document"


def take_in(*, expert: Expert, file: UploadedFile[bytes]) -> Document:
    """Keep an uploaded file in quarantine; the scanner is woken after the commit.

    Raises BodyTooLarge, EmptyUpload, UploadTypeRefused. The bytes of a request that fails later are swept away.
    """
    inspected = uploads.inspect(file, name=file.name or "", allowed_types=ACCEPTED, max_bytes=MAX_BYTES)
    document = Document.objects.create(
        expert=expert,
        name=inspected.name,
        storage_name=uploads.keep(file, folder=FOLDER),
        media_type=inspected.media_type,
        size=inspected.size,
        sha256=inspected.sha256,
    )
    wake_after_commit("experts.scan_documents")
    return document


def download_path(document: Document) -> str | None:
    """A link that works for five minutes, for somebody who may see the document; None until it is clean."""
    if document.status != Document.Status.CLEAN:
        return None
    token = uploads.link_token(kind=LINK_KIND, public_id=document.public_id)
    return f"/api/v1/expert/downloads/{token}"


def record_scan(*, document_id: int, finding: str, now: dt.datetime) -> None:
    """Let a clean file out of quarantine and its claim into the queue; a harmful one ends its claim. Runs once."""
    document = Document.objects.select_for_update(no_key=True, of=("self",)).get(pk=document_id)
    if document.status != Document.Status.QUARANTINED:
        return
    states.move(document, Document.Status.INFECTED if finding else Document.Status.CLEAN)
    document.finding, document.scanned_at = finding[:200], now
    document.save(update_fields=["status", "finding", "scanned_at"])
    claims = [
        *Credential.objects.filter(document=document).select_related("expert"),
        *IdentityVerification.objects.filter(document=document).select_related("expert"),
    ]
    if finding:
        _refuse(document, claims, now=now)
        return
    for claim in claims:
        verifications.let_in(claim)


def sweep() -> int:
    """Remove files of requests that failed after storing them; return how many."""
    orphans = uploads.forgotten(folder=FOLDER, known=lambda name: Document.objects.filter(storage_name=name).exists())
    removed = 0
    for name in orphans:
        uploads.discard(name)
        removed += 1
    return removed


def _refuse(document: Document, claims: list[Credential | IdentityVerification], *, now: dt.datetime) -> None:
    reason = _("The scanner refused the file %(name)s: %(finding)s") % {
        "name": document.name,
        "finding": document.finding,
    }
    transaction.on_commit(lambda: uploads.discard(document.storage_name))
    for claim in claims:
        verifications.turn_away(claim, reason=reason, now=now)
    if not claims:
        notices.send_notice(
            expert=document.expert,
            kind="document.infected",
            subject=document.public_id,
            title=_("A file was refused"),
            body=reason,
            now=now,
        )
