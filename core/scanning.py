"""The hook that looks for harm in quarantined files: a built-in look at structure, or ClamAV's daemon.

``settings.UPLOAD_SCANNER`` names a callable that takes an open file and returns what it found ("" means clean).
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable
from typing import IO, Final, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

Scanner = Callable[[IO[bytes]], str]

CHUNK: Final = 64 * 1024
TIMEOUT_SECONDS: Final = 30
# The harmless file that every scanner must report; see eicar.org.
_EICAR: Final = b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!"
_ACTIVE_PDF: Final = re.compile(rb"/(?:JavaScript|JS|Launch|EmbeddedFile|RichMedia|XFA)\b")


class ScannerUnavailable(RuntimeError):
    """The scanner gave no verdict: the file stays in quarantine and is tried again."""


def scan(file: IO[bytes]) -> str:
    """What the configured scanner finds in a file; empty means clean. Raises ScannerUnavailable."""
    scanner = cast(Scanner, import_string(settings.UPLOAD_SCANNER))
    file.seek(0)
    return scanner(file)


def look_at_structure(file: IO[bytes]) -> str:
    """The built-in scanner: refuses active content in PDFs and the antivirus test file. No substitute for ClamAV."""
    content = file.read()
    if _EICAR in content:
        return _("Antivirus test file")
    if content.startswith(b"%PDF-") and (found := _ACTIVE_PDF.search(content)):
        return _("Active content in a PDF: %(what)s") % {"what": found[0].decode()}
    return ""


def ask_clamd(file: IO[bytes]) -> str:
    """ClamAV's daemon at ``settings.CLAMD_URL`` (tcp://host:3310 or unix:///path), by its INSTREAM command."""
    try:
        with _connect(settings.CLAMD_URL) as connection:
            connection.sendall(b"zINSTREAM\0")
            while chunk := file.read(CHUNK):
                connection.sendall(struct.pack("!I", len(chunk)) + chunk)
            connection.sendall(struct.pack("!I", 0))
            answer = _read_answer(connection)
    except OSError as error:
        raise ScannerUnavailable(str(error)) from error
    if answer.endswith("OK"):
        return ""
    if answer.endswith("FOUND"):
        return answer.removeprefix("stream: ").removesuffix(" FOUND")
    raise ScannerUnavailable(answer)


def _connect(url: str) -> socket.socket:
    address = urlsplit(url)
    if address.scheme != "unix":
        return socket.create_connection((address.hostname or "localhost", address.port or 3310), TIMEOUT_SECONDS)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(TIMEOUT_SECONDS)
    connection.connect(address.path)
    return connection


def _read_answer(connection: socket.socket) -> str:
    answer = b""
    while not answer.endswith(b"\0"):
        part = connection.recv(4096)
        if not part:
            break
        answer += part
    return answer.rstrip(b"\0\n").decode(errors="replace")
