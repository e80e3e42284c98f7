"""Files that labs upload and tasks refer to."""

from __future__ import annotations

import datetime as dt
from typing import IO, ClassVar, Final

from django.utils.translation import gettext_lazy

from core import scanning, uploads
from core.problems import DomainError
from core.public import Principal
from tasks.models import StoredFile

LARGEST: Final = 25 * 1024 * 1024
ACCEPTED: Final = frozenset(
    {uploads.PDF, uploads.PNG, uploads.JPEG, uploads.WEBP, uploads.TEXT, uploads.JSON, uploads.ZIP}
)
FOLDER: Final = "files"


class FileRefused(DomainError):
    """A scanner found something in the file that does not belong there, so it was not kept. `finding` names it."""

    code = "file_refused"
    status = 400
    title = gettext_lazy("The file was refused")
    example_members: ClassVar[dict[str, str]] = {"finding": "Active content in a PDF"}


def store(*, file: IO[bytes], name: str, tenant_id: int, by: Principal, now: dt.datetime) -> StoredFile:
    """Look into a file and keep it. Raises BodyTooLarge, EmptyUpload, UploadTypeRefused, FileRefused."""
    seen = uploads.inspect(file, name=name, allowed_types=ACCEPTED, max_bytes=LARGEST)
    finding = scanning.scan(file)
    if finding:
        raise FileRefused(finding=finding)
    return StoredFile.objects.create(
        tenant_id=tenant_id,
        name=seen.name,
        storage_name=uploads.keep(file, folder=FOLDER),
        size=seen.size,
        sha256=seen.sha256,
        media_type=seen.media_type,
        uploaded_by=by.label,
        created_at=now,
    )
