"""How files reach the bank and come back. Built in: two directories that something else carries (SFTP, an EBICS client).

Another channel is a class with the same two methods, named by `BANK_CHANNEL`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import structlog
from django.conf import settings
from django.utils.module_loading import import_string

TAKEN, REFUSED = "taken", "refused"
log = structlog.get_logger(__name__)
_UNFINISHED: Final = (".tmp", ".part", ".filepart")


class NotDelivered(Exception):
    """Proof that the bank did not get the file: it may be written anew or given up."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """One file that the bank left. ``content`` is None when it is larger than what is read."""

    name: str
    content: bytes | None
    size: int


class BankChannel(Protocol):
    """Carries files between us and one bank."""

    def deliver(self, name: str, content: bytes) -> None:
        """Hand a file over. Raises NotDelivered with proof; any other exception leaves the outcome open.

        The same name with the same bytes may come again after silence.
        """
        ...

    def collect(self, *, most_bytes: int) -> Iterator[Inbound]:
        """What the bank left and nobody put away yet."""
        ...

    def put_away(self, name: str, *, refused: bool) -> None:
        """Do not show this file again; it is kept."""
        ...


def channel() -> BankChannel:
    """The configured one."""
    made: BankChannel = import_string(settings.BANK_CHANNEL)()
    return made


class DirectoryChannel:
    """`BANK_FILES/out` and `BANK_FILES/in`. A file appears whole or not at all, since it is renamed into its place."""

    def __init__(self) -> None:
        self.out, self.into = Path(settings.BANK_FILES, "out"), Path(settings.BANK_FILES, "in")

    def deliver(self, name: str, content: bytes) -> None:
        """Write beside, sync, rename: until the rename nobody can have read it."""
        half = self.out / f".{name}.tmp"
        try:
            self.out.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise NotDelivered(str(error)) from error
        try:
            half.rename(self.out / name)
        except OSError as error:
            with suppress(OSError):
                half.unlink()
            raise NotDelivered(str(error)) from error
        folder = os.open(self.out, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def collect(self, *, most_bytes: int) -> Iterator[Inbound]:
        """Plain files by name; what is still being written is left for later."""
        if not self.into.is_dir():
            return
        for path in sorted(self.into.iterdir()):
            if path.name.startswith(".") or path.name.endswith(_UNFINISHED) or path.is_symlink() or not path.is_file():
                continue
            try:
                size = path.stat().st_size
                content = path.read_bytes() if size <= most_bytes else None
            except OSError as error:  # somebody else took it, or we may not read it: that must not stop the others
                log.warning("bank_file_unreadable", name=path.name, error=str(error))
                continue
            yield Inbound(path.name, content, size)

    def put_away(self, name: str, *, refused: bool) -> None:
        """Into `in/taken` or `in/refused`, never over another file."""
        folder = self.into / (REFUSED if refused else TAKEN)
        folder.mkdir(parents=True, exist_ok=True)
        target, number = folder / name, 0
        while target.exists():
            number += 1
            target = folder / f"{number}-{name}"
        with suppress(FileNotFoundError):  # another worker did it
            (self.into / name).rename(target)
