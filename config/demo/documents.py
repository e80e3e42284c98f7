"""Small real files for the demo: a one-page PDF and a PNG, written byte by byte."""

from __future__ import annotations

import struct
import textwrap
import zlib
from collections.abc import Sequence

_LINE_HEIGHT = 18


def pdf(*, title: str, lines: Sequence[str]) -> bytes:
    """A valid one-page PDF 1.4 with a title and some lines of text (Latin-1)."""
    wrapped = [part for line in lines for part in textwrap.wrap(line, 80) or [""]]
    shown = ["BT", "/F1 16 Tf", "72 760 Td", f"({_escaped(title)}) Tj", "/F1 11 Tf"]
    for line in wrapped:
        shown += [f"0 -{_LINE_HEIGHT} Td", f"({_escaped(line)}) Tj"]
    content = "\n".join([*shown, "ET"]).encode("latin-1", "replace")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
            b" /Resources << /Font << /F1 5 0 R >> >> >>"
        ),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    return _assemble(objects)


def png(*, width: int = 240, height: int = 120, colour: tuple[int, int, int] = (36, 84, 142)) -> bytes:
    """A valid PNG of one colour with a white frame."""
    frame = b"\xff\xff\xff"
    inner = bytes(colour)
    blank = b"\x00" + frame * width
    row = b"\x00" + frame + inner * (width - 2) + frame
    pixels = blank + row * (height - 2) + blank
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(pixels)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _assemble(objects: Sequence[bytes]) -> bytes:
    out = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    places = []
    for number, content in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + trailer


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
