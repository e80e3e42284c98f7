"""Bytes that no row knows: of uploads and deliveries that failed after they were stored."""

from __future__ import annotations

from collections.abc import Callable

from core import uploads
from tasks.models import Delivery, StoredFile
from tasks.operations import delivering, files


def sweep() -> int:
    """Remove them; return how many. The caller sees the rows of all labs: what he does not see would be removed."""
    removed = 0
    for folder, known in ((files.FOLDER, _is_file), (delivering.FOLDER, _is_delivery)):
        removed += _sweep(folder, known)
    return removed


def _sweep(folder: str, known: Callable[[str], bool]) -> int:
    removed = 0
    for name in uploads.forgotten(folder=folder, known=known):
        uploads.discard(name)
        removed += 1
    return removed


def _is_file(name: str) -> bool:
    return StoredFile.objects.filter(storage_name=name).exists()


def _is_delivery(name: str) -> bool:
    return Delivery.objects.filter(storage_name=name).exists()
