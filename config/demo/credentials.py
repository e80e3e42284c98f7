"""``demo-credentials.json``: the log-ins and keys of a development instance, readable by its owner only.

The file is the only place where a key is known after it was made, so a second seed reads it before it writes it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE_NAME = "demo-credentials.json"


@dataclass
class Credentials:
    """What the file holds. Each list is of plain objects; see README for the members."""

    base_url: str = ""
    labs: list[dict[str, Any]] = field(default_factory=list)
    experts: list[dict[str, Any]] = field(default_factory=list)
    staff: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Credentials:
        """What the file says; nothing when there is none."""
        if not path.exists():
            return cls()
        known = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{name: known[name] for name in ("base_url", "labs", "experts", "staff") if name in known})

    def write(self, path: Path) -> None:
        """Replace the file at once; never, not even for a moment, readable by others."""
        fresh = path.with_suffix(".tmp")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(vars(self), file, indent=2, ensure_ascii=False)
            file.write("\n")
        fresh.replace(path)

    def lab(self, name: str) -> dict[str, Any]:
        """One lab's entry, empty when it is not there."""
        return _entry(self.labs, "name", name)

    def expert(self, email: str) -> dict[str, Any]:
        """One expert's entry, empty when it is not there."""
        return _entry(self.experts, "email", email)

    def member_of_staff(self, email: str) -> dict[str, Any]:
        """One operator's entry, empty when it is not there."""
        return _entry(self.staff, "email", email)


def _entry(entries: Iterable[dict[str, Any]], name: str, value: str) -> dict[str, Any]:
    return next((entry for entry in entries if entry.get(name) == value), {})
