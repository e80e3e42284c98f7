"""Reading foreign JSON strictly: every defect is collected with its JSON pointer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from tasks.rubric_content import Number

MOST_PROBLEMS: Final = 100
LARGEST_NUMBER: Final = 10**9


@dataclass(frozen=True, slots=True)
class Problem:
    """One defect: where (RFC 6901 pointer), a stable code, and the rule in words."""

    pointer: str
    code: str
    detail: str


class MalformedRubric(ValueError):
    """The document is not of the dialect it claims to be; `problems` says where."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{p.pointer or '/'}: {p.detail}" for p in problems[:5]))
        self.problems = tuple(problems)


class NotExpressible(ValueError):
    """The rubric says something this dialect has no words for; writing it would change its score."""


def below(pointer: str, key: str | int) -> str:
    """The pointer one step further down, with RFC 6901 escapes."""
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


class Reader:
    """Typed look-ups that note a problem and go on with a neutral value."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def note(self, pointer: str, code: str, detail: str) -> None:
        """Remember a defect."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(pointer, code, detail))

    def finish(self) -> None:
        """Raise MalformedRubric when anything was noted."""
        if self.problems:
            raise MalformedRubric(self.problems)

    def mapping(self, value: object, pointer: str) -> dict[str, Any]:
        """The value as an object."""
        if isinstance(value, dict):
            return value
        self.note(pointer, "not_an_object", "Must be an object.")
        return {}

    def objects(self, value: object, pointer: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each object of a list with its pointer; what is not an object is noted and skipped."""
        if not isinstance(value, list):
            self.note(pointer, "not_a_list", "Must be a list.")
            return
        for index, item in enumerate(value):
            here = below(pointer, index)
            if isinstance(item, dict):
                yield here, item
            else:
                self.note(here, "not_an_object", "Must be an object.")

    def text(self, raw: dict[str, Any], key: str, pointer: str) -> str:
        """A required string."""
        value = raw.get(key)
        if isinstance(value, str):
            return value
        self._wrong(raw, key, pointer, "a string")
        return ""

    def optional_text(self, raw: dict[str, Any], key: str, pointer: str) -> str | None:
        """A string, or None when absent or null."""
        return None if raw.get(key) is None else self.text(raw, key, pointer)

    def number(self, raw: dict[str, Any], key: str, pointer: str) -> Number | None:
        """A number within ±10^9 that is not a boolean, or None when absent or null."""
        value = raw.get(key)
        if value is None:
            return None
        # Comparing keeps NaN and integers of a thousand digits out without converting them.
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
            return cast(Number, value)
        self._wrong(raw, key, pointer, _NUMBER)
        return None

    def required_number(self, raw: dict[str, Any], key: str, pointer: str) -> Number:
        """A number within ±10^9 that must be there."""
        if raw.get(key) is None:
            self._wrong(raw, key, pointer, _NUMBER)
        return self.number(raw, key, pointer) or 0

    def flag(self, raw: dict[str, Any], key: str, pointer: str) -> bool:
        """true or false; false when absent."""
        value = raw.get(key, False)
        if not isinstance(value, bool):
            self._wrong(raw, key, pointer, "true or false")
            return False
        return value

    def texts(self, raw: dict[str, Any], key: str, pointer: str) -> tuple[str, ...]:
        """A list of strings; empty when absent."""
        value = raw.get(key, [])
        if is_texts(value):
            return tuple(value)
        self._wrong(raw, key, pointer, "a list of strings")
        return ()

    def only(self, raw: dict[str, Any], known: Collection[str], pointer: str) -> None:
        """Note every field that is not known."""
        for key in raw:
            if key not in known:
                self.note(below(pointer, key), "unknown_field", "This field is not known.")

    def _wrong(self, raw: dict[str, Any], key: str, pointer: str, form: str) -> None:
        code = "wrong_type" if key in raw else "required"
        self.note(below(pointer, key), code, f"Must be {form}.")


_NUMBER: Final = "a number between -10^9 and 10^9"


def is_texts(value: object) -> bool:
    """Whether the value is a list of strings."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def kept(extra: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What `extra` keeps for a dialect; empty for anything but an object, since extras come from outside."""
    value = extra.get(name)
    return dict(value) if isinstance(value, dict) else {}


def leftovers(raw: dict[str, Any], used: Collection[str]) -> dict[str, Any]:
    """The fields of `raw` that were not taken over, kept word for word."""
    return {key: value for key, value in raw.items() if key not in used}
