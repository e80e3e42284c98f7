"""`/files` for labs, and the same files for whoever works on a task that refers to them."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from django.http.response import HttpResponseBase
from rest_framework import serializers

from core import uploads
from core.api.call import Call, Download
from core.api.endpoint import endpoint
from core.api.lookup import get_or_404
from core.api.types import Example, Link, Timestamp
from core.api.views import ExpertView, LabView
from tasks.api.names import FileId, Sha256
from tasks.models import StoredFile
from tasks.operations import files
from tasks.operations.files import FileRefused

ACCEPTED = sorted(files.ACCEPTED)


class FileOut(TypedDict):
    """An uploaded file."""

    id: FileId
    name: Annotated[str, Example("ecg-17.pdf")]
    size: Annotated[int, Example(482113)]
    sha256: Sha256
    media_type: Annotated[str, Example("application/pdf")]
    created_at: Timestamp
    download: Annotated[Link, Example("/api/v1/files/fil_01k9w3v6z8f2qr5t4h7xnm0ceg/download")]


class FileIn(serializers.Serializer[None]):
    """A file, at most 25 MB: PDF, PNG, JPEG, WebP, plain text, JSON or ZIP."""

    file = serializers.FileField(max_length=200)


def render_file(file: StoredFile, *, base: str = "/api/v1/files") -> FileOut:
    """A file with where to get it."""
    return {
        "id": file.public_id,
        "name": file.name,
        "size": file.size,
        "sha256": file.sha256,
        "media_type": file.media_type,
        "created_at": file.created_at,
        "download": f"{base}/{file.public_id}/download",
    }


def send(call: Call, file_id: str) -> HttpResponseBase:
    """The bytes of a file that the caller may see."""
    file = get_or_404(StoredFile.objects.visible_to(call.principal), file_id)
    return uploads.attachment(storage_name=file.storage_name, name=file.name, media_type=file.media_type)


class FileList(LabView):
    """The lab's files."""

    @endpoint(summary="List files", scope="files:read", returns=FileOut, paginated=True, render=render_file)
    def get(self, call: Call) -> Any:
        """Newest first."""
        return StoredFile.objects.visible_to(call.principal)

    @endpoint(
        summary="Upload a file",
        scope="files:write",
        body=FileIn,
        multipart=True,
        max_body=files.LARGEST + uploads.MEGABYTE,
        returns=FileOut,
        status=201,
        errors=[uploads.UploadTypeRefused, uploads.EmptyUpload, FileRefused],
    )
    def post(self, call: Call) -> FileOut:
        """Name its id in `context_files` of a task. The type is read from the content, not from the name."""
        upload = call.body["file"]
        tenant_id: Any = call.principal.tenant_id
        return render_file(
            files.store(file=upload, name=upload.name, tenant_id=tenant_id, by=call.principal, now=call.now)
        )


class FileDetail(LabView):
    """One file."""

    @endpoint(summary="Show a file", scope="files:read", returns=FileOut)
    def get(self, call: Call, file_id: str) -> FileOut:
        """Its size, type and hash."""
        return render_file(get_or_404(StoredFile.objects.visible_to(call.principal), file_id))


class FileDownload(LabView):
    """The bytes, for the lab."""

    @endpoint(summary="Download a file", scope="files:read", returns=Download(*ACCEPTED))
    def get(self, call: Call, file_id: str) -> HttpResponseBase:
        """As an attachment."""
        return send(call, file_id)


class ExpertFileDownload(ExpertView):
    """The bytes, for whoever has or had a claim on a task that refers to the file."""

    @endpoint(summary="Download a file of a task", returns=Download(*ACCEPTED))
    def get(self, call: Call, file_id: str) -> HttpResponseBase:
        """As an attachment."""
        return send(call, file_id)
