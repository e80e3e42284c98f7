"""Reading the body of a request: media type, size and syntax, before any field is looked at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils.translation import gettext as _
from rest_framework.request import Request

from core.api import wire
from core.problems import BodyTooLarge, FieldError, InvalidInput, MalformedBody, UnsupportedMediaType

MEGABYTE: Final = 1024 * 1024
JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
MULTIPART: Final = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Body:
    """What the caller sent: plain values, and a digest by which a repetition is recognised.

    `textual` is true for multipart forms, whose scalar values are always text.
    """

    data: Any
    digest: str
    textual: bool = False


EMPTY: Final = Body({}, hashlib.sha256(b"").hexdigest())


def read(request: HttpRequest, *, max_bytes: int, ndjson: str = "", multipart: bool = False) -> Body:
    """Read the body once. `ndjson` names the member that the lines of an NDJSON body become."""
    if _content_length(request) == 0:
        return EMPTY
    media_type = request.content_type or ""
    accepted = [MULTIPART] if multipart else [JSON, NDJSON] if ndjson else [JSON]
    if media_type not in accepted or _charset(request) not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType(
            _("Send the body as %(types)s in UTF-8.") % {"types": _(" or ").join(accepted)}, accepted=accepted
        )
    if multipart:
        return _read_form(request)
    raw = _read_bytes(request, max_bytes)
    if not raw.strip():
        return EMPTY
    data = {ndjson: wire.load_lines(raw, member=ndjson)} if media_type == NDJSON else wire.loads(raw)
    return Body(data, hashlib.sha256(wire.dumps(data, sort_keys=True)).hexdigest())


def read_raw(request: HttpRequest, *, max_bytes: int) -> Body:
    """The body as it came, whatever its media type says: somebody signed exactly these bytes."""
    raw = _read_bytes(request, max_bytes)
    return Body(raw, hashlib.sha256(raw).hexdigest())


def _read_bytes(request: HttpRequest, max_bytes: int) -> bytes:
    try:
        raw = request.read(max_bytes + 1)
    except UnreadablePostError:
        raise MalformedBody(_("The connection broke before the whole body had arrived.")) from None
    if len(raw) > max_bytes:
        raise BodyTooLarge(max_bytes=max_bytes)
    return raw


def _charset(request: HttpRequest) -> str:
    return (request.content_params or {}).get("charset", "utf-8").lower()


def refuse_too_large(request: HttpRequest | Request, max_bytes: int) -> None:
    """Look at the announced length before anybody reads. Raises BodyTooLarge, or MalformedBody for chunks."""
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower() and not request.META.get("CONTENT_LENGTH"):
        raise MalformedBody(_("Send the body with a Content-Length; chunked bodies are not read."))
    if (length := _content_length(request)) > max_bytes:
        detail = _("The body has %(length)s bytes; at most %(max)s are accepted here.")
        raise BodyTooLarge(detail % {"length": length, "max": max_bytes}, max_bytes=max_bytes)


def _content_length(request: HttpRequest | Request) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        raise MalformedBody(_("Content-Length is not a number.")) from None


def _read_form(request: HttpRequest) -> Body:
    try:
        fields, files = request.POST, request.FILES
    except RequestDataTooBig as error:
        raise BodyTooLarge(str(error)) from None
    except (MultiPartParserError, SuspiciousOperation, UnreadablePostError, ValueError) as error:
        raise MalformedBody(_("The form cannot be read: %(reason)s") % {"reason": error}) from None
    data: dict[str, Any] = {}
    digest = hashlib.sha256()
    for name, values in sorted(fields.lists()):
        if any("\x00" in value for value in (name, *values)):
            detail = _("NUL characters are not accepted.")
            pointer = f"/{wire.escape(name)}"
            raise InvalidInput(errors=[FieldError(pointer, "null_characters_not_allowed", detail)])
        data[name] = values if len(values) > 1 else values[0]
        digest.update(wire.dumps([name, values]))
    for name, uploads in sorted(files.lists()):
        data[name] = uploads if len(uploads) > 1 else uploads[0]
        for upload in uploads:
            digest.update(wire.dumps([name, upload.name, upload.content_type]))
            for chunk in upload.chunks():
                digest.update(chunk)
            upload.seek(0)
    return Body(data, digest.hexdigest(), textual=True)
