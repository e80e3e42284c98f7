"""JSON Schemas of payloads and submissions: read once, compiled once, errors told by JSON pointer."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from core.problems import FieldError

FOLDER: Final = Path(__file__).parent / "task_types" / "schemas"
MOST_ERRORS: Final = 50
LONGEST_MESSAGE: Final = 300


@dataclass(frozen=True)
class Schema:
    """One version of one JSON Schema (draft 2020-12), kept in ``task_types/schemas/<name>.v<version>.json``."""

    name: str
    version: int

    @cached_property
    def document(self) -> dict[str, Any]:
        """The schema itself."""
        document: dict[str, Any] = json.loads((FOLDER / f"{self.name}.v{self.version}.json").read_text("utf-8"))
        return document

    @cached_property
    def sha256(self) -> str:
        """Of the document in canonical JSON, in hexadecimal."""
        canonical = json.dumps(self.document, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @cached_property
    def _validator(self) -> Draft202012Validator:
        Draft202012Validator.check_schema(self.document)
        return Draft202012Validator(self.document, format_checker=Draft202012Validator.FORMAT_CHECKER)

    def errors(self, value: Any, *, pointer: str = "") -> list[FieldError]:
        """Every rule that ``value`` breaks, at most fifty, with pointers below ``pointer``."""
        found = []
        for error in self._validator.iter_errors(value):
            found.append(_field_error(error, pointer))
            if len(found) == MOST_ERRORS:
                break
        return sorted(found, key=lambda error: error.pointer)


@cache
def of(name: str, version: int) -> Schema:
    """The schema, compiled once per process: compiling costs a hundred times what judging a payload does."""
    return Schema(name, version)


def _field_error(error: ValidationError, pointer: str) -> FieldError:
    path = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in error.absolute_path)
    return FieldError(f"{pointer}{path}", str(error.validator), error.message[:LONGEST_MESSAGE])
