"""`/expert/documents` and the short-lived links by which files are downloaded."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from django.http.response import HttpResponseBase
from rest_framework import serializers

from core import uploads
from core.api.call import Call, Download
from core.api.endpoint import endpoint
from core.api.lookup import get_or_404
from core.api.types import Doc, Example, IdOf, Link, Timestamp
from core.api.views import ExpertView, PublicView
from core.public import Principal
from experts.api.me import me
from experts.models import Document
from experts.operations import documents

UPLOAD_BYTES = documents.MAX_BYTES + uploads.MEGABYTE
UPLOAD_ERRORS = [uploads.UploadTypeRefused, uploads.EmptyUpload]


class UploadedFileOut(TypedDict):
    """An uploaded file."""

    id: Annotated[str, IdOf("doc")]
    name: Annotated[str, Example("diploma.pdf")]
    media_type: Annotated[str, Doc("Read from the content."), Example("application/pdf")]
    size: Annotated[int, Doc("Bytes."), Example(184_201)]
    sha256: Annotated[str, Example("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    status: Annotated[str, Doc("quarantined, clean or infected."), Example("clean")]
    finding: Annotated[str, Doc("What the scanner found.")]
    created_at: Timestamp
    download: Annotated[Link | None, Doc("Works for five minutes; null until the file is clean.")]


class DocumentIn(serializers.Serializer[None]):
    """A file: PDF, PNG, JPEG or WebP, at most 10 MB."""

    file = serializers.FileField(max_length=200)


def render_document(document: Document) -> UploadedFileOut:
    """A file with its link."""
    return {
        "id": document.public_id,
        "name": document.name,
        "media_type": document.media_type,
        "size": document.size,
        "sha256": document.sha256,
        "status": document.status,
        "finding": document.finding,
        "created_at": document.created_at,
        "download": documents.download_path(document),
    }


class DocumentList(ExpertView):
    """The expert's own files."""

    @endpoint(summary="List my files", returns=UploadedFileOut, paginated=True, render=render_document)
    def get(self, call: Call) -> Any:
        """Newest first."""
        return Document.objects.visible_to(call.principal)

    @endpoint(
        summary="Upload a file",
        body=DocumentIn,
        multipart=True,
        max_body=UPLOAD_BYTES,
        returns=UploadedFileOut,
        status=201,
        errors=UPLOAD_ERRORS,
    )
    def post(self, call: Call) -> UploadedFileOut:
        """To be named in an appeal. It stays in quarantine until the scanner has passed it."""
        return render_document(documents.take_in(expert=me(call), file=call.body["file"]))


class DocumentDetail(ExpertView):
    """One file."""

    @endpoint(summary="Show one of my files", returns=UploadedFileOut)
    def get(self, call: Call, document_id: str) -> UploadedFileOut:
        """With a fresh link."""
        return render_document(get_or_404(Document.objects.visible_to(call.principal), document_id))


class DocumentDownload(PublicView):
    """The bytes, for whoever holds a link."""

    @endpoint(
        summary="Download a file by its link",
        returns=Download("application/pdf", "image/png", "image/jpeg", "image/webp"),
        operation_id="expert_document_download",
    )
    def get(self, call: Call, token: str) -> HttpResponseBase:
        """The link was signed for one file and works for five minutes; it needs no other credentials."""
        public_id = uploads.read_link_token(token, kind=documents.LINK_KIND)
        document = get_or_404(Document.objects.visible_to(LINK).clean(), public_id)
        return uploads.attachment(
            storage_name=document.storage_name, name=document.name, media_type=document.media_type
        )


LINK = Principal.system("experts.download")  # the signature was given after the bearer's own rights were looked at
