"""Files that strangers send: looked into before they are kept, kept under random names, handed out by short-lived links.

What a file claims to be (its name, its Content-Type) is never believed: the type is read from its first bytes, images
are decoded, and everything waits in quarantine until a scanner (``core.scanning``) has passed it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import secrets
import time
import unicodedata
import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO, Any, ClassVar, Final
from urllib.parse import quote

from django.core import signing
from django.core.files import File
from django.core.files.storage import default_storage
from django.http import FileResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from PIL import Image, UnidentifiedImageError

from core.problems import BodyTooLarge, DomainError, FieldError, NotFound

PDF: Final = "application/pdf"
PNG: Final = "image/png"
JPEG: Final = "image/jpeg"
WEBP: Final = "image/webp"
ZIP: Final = "application/zip"
TEXT: Final = "text/plain"
JSON: Final = "application/json"

FORGOTTEN_AFTER: Final = dt.timedelta(hours=1)
LINK_LIFE: Final = dt.timedelta(minutes=5)
MEGABYTE: Final = 1024 * 1024
_MOST_PIXELS: Final = 60_000_000
_HEAD: Final = 16
_LINK_SALT: Final = "core.uploads.link"
_MAGIC: Final = (
    (b"%PDF-", PDF),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"PK\x03\x04", ZIP),
)
_IMAGES: Final = {PNG: "PNG", JPEG: "JPEG", WEBP: "WEBP"}
_EXTENSIONS: Final = {PDF: ".pdf", PNG: ".png", JPEG: ".jpg", WEBP: ".webp", ZIP: ".zip", TEXT: ".txt", JSON: ".json"}


class UploadTypeRefused(DomainError):
    """The file is not of a type that is accepted here.

    The type is read from the file's first bytes, not from its name or Content-Type; `accepted` lists the media types.
    An image or a PDF that is cut off or cannot be decoded is refused as well.
    """

    code = "upload_type_refused"
    status = 415
    title = gettext_lazy("This type of file is not accepted")
    example_members: ClassVar[dict[str, Any]] = {"accepted": [PDF, PNG, JPEG]}


class EmptyUpload(DomainError):
    """The uploaded file has no bytes."""

    code = "empty_upload"
    status = 400
    title = gettext_lazy("The file is empty")


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a file really is: hash in hexadecimal, size in bytes, type by content, and a name fit to be shown."""

    sha256: str
    size: int
    media_type: str
    name: str


def inspect(
    file: IO[bytes], *, name: str, allowed_types: Collection[str], max_bytes: int, pointer: str = "/file"
) -> Inspected:
    """Look into a file and leave it rewound. Raises BodyTooLarge, EmptyUpload, UploadTypeRefused."""
    sha256, size = _digest(file, max_bytes=max_bytes)
    if not size:
        raise EmptyUpload(errors=[FieldError(pointer, "empty", _("The file is empty."))])
    media_type = _type_of(file)
    if media_type not in allowed_types or not _is_whole(file, media_type):
        accepted = sorted(allowed_types)
        detail = _("Accepted are: %(types)s.") % {"types": ", ".join(accepted)}
        raise UploadTypeRefused(detail, errors=[FieldError(pointer, "type", detail)], accepted=accepted)
    file.seek(0)
    return Inspected(sha256=sha256, size=size, media_type=media_type, name=_shown_name(name, media_type))


def keep(file: IO[bytes], *, folder: str) -> str:
    """Store a file under a random name in ``folder`` and return that name; nothing of the sender's name is in it."""
    token = secrets.token_hex(24)
    stored: str = default_storage.save(f"{folder}/{token[:2]}/{token}", File(file))
    return stored


def open_kept(storage_name: str) -> File[bytes]:
    """The stored bytes."""
    return default_storage.open(storage_name, "rb")


def discard(storage_name: str) -> None:
    """Remove stored bytes; a name that is gone already is no error."""
    default_storage.delete(storage_name)


def forgotten(*, folder: str, known: Callable[[str], bool]) -> Iterator[str]:
    """Names of stored files older than an hour that no row knows: left by requests that failed after storing.

    Ages are real ones: a clock moved forward would make a file that is just being stored look old.
    """
    before = dt.datetime.fromtimestamp(time.time(), dt.UTC) - FORGOTTEN_AFTER
    try:
        shelves, _files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for shelf in shelves:
        for file in default_storage.listdir(f"{folder}/{shelf}")[1]:
            name = f"{folder}/{shelf}/{file}"
            if default_storage.get_modified_time(name) < before and not known(name):
                yield name


def link_token(*, kind: str, public_id: str) -> str:
    """A signed token that lets its bearer download one thing for five minutes (real time, as all cryptography)."""
    return signing.dumps([kind, public_id], salt=_LINK_SALT, compress=False)


def read_link_token(token: str, *, kind: str) -> str:
    """The public id in a token made for ``kind``. Raises NotFound for a forged, foreign or old one."""
    try:
        found, public_id = signing.loads(token, salt=_LINK_SALT, max_age=LINK_LIFE)
    except (signing.BadSignature, ValueError, TypeError):
        raise NotFound(_("This link is not valid any more. Ask for a new one.")) from None
    if found != kind or not isinstance(public_id, str):
        raise NotFound
    return public_id


def attachment(*, storage_name: str, name: str, media_type: str) -> FileResponse:
    """The stored file as a download that no browser renders or sniffs. Raises NotFound when its bytes are gone."""
    try:
        content = open_kept(storage_name)
    except FileNotFoundError:
        raise NotFound from None
    response = FileResponse(content, content_type=media_type)
    plain = name.encode("ascii", "ignore").decode().replace('"', "") or "download"
    response["Content-Disposition"] = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, no-store"
    return response


def _digest(file: IO[bytes], *, max_bytes: int) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while chunk := file.read(64 * 1024):
        size += len(chunk)
        if size > max_bytes:
            detail = _("The file is larger than %(limit)s bytes.") % {"limit": max_bytes}
            raise BodyTooLarge(detail, max_bytes=max_bytes)
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest(), size


def _type_of(file: IO[bytes]) -> str:
    file.seek(0)
    head = file.read(_HEAD)
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    return _textual_type(head + file.read())


def _textual_type(content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return ""
    if re.search(r"[\x00-\x08\x0e-\x1f]", text):
        return ""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return TEXT
    return JSON


def _is_whole(file: IO[bytes], media_type: str) -> bool:
    file.seek(0)
    if media_type == PDF:
        return b"%%EOF" in file.read()[-2048:]
    if media_type in _IMAGES:
        return _decodes(file, _IMAGES[media_type])
    return True


def _decodes(file: IO[bytes], format_name: str) -> bool:
    """Whether Pillow reads every pixel; bombs are refused by their header."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=[format_name]) as image:
                if image.width * image.height > _MOST_PIXELS:
                    return False
                image.load()
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return False
    except (OSError, ValueError, SyntaxError, IndexError, EOFError):  # what its decoders raise on damaged files
        return False
    return True


def _shown_name(name: str, media_type: str) -> str:
    """The sender's file name without folders and control characters, ending as its content demands."""
    last = PurePath(name.replace("\\", "/")).name
    visible = "".join(sign for sign in last if not unicodedata.category(sign).startswith("C")).strip(". ")
    stem = PurePath(visible).stem[:120] or "file"
    return stem + _EXTENSIONS[media_type]
