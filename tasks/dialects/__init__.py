"""The rubric dialects in use: what comes in one of them goes out again without loss.

What a dialect says and our model does not is kept word for word in `extra`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from tasks.dialects import ace, apex, healthbench, native, paperbench, verifiers
from tasks.dialects.reading import MalformedRubric, NotExpressible, Problem
from tasks.rubric_content import Rubric

_READERS: Final[Mapping[str, Callable[[object], Rubric]]] = MappingProxyType(
    {
        "native": native.read,
        "healthbench": healthbench.read,
        "paperbench": paperbench.read,
        "apex": apex.read,
        "ace": ace.read,
        "verifiers": verifiers.read,
    }
)
_WRITERS: Final[Mapping[str, Callable[[Rubric], Any]]] = MappingProxyType(
    {
        "native": native.write,
        "healthbench": healthbench.write,
        "paperbench": paperbench.write,
        "apex": apex.write,
        "ace": ace.write,
        "verifiers": verifiers.write,
    }
)
DIALECTS: Final = tuple(_READERS)

__all__ = ["DIALECTS", "MalformedRubric", "NotExpressible", "Problem", "read", "write"]


def read(dialect: str, document: object) -> Rubric:
    """The rubric in a parsed JSON document; KeyError for an unknown dialect, MalformedRubric for a wrong form."""
    return _READERS[dialect](document)


def write(dialect: str, rubric: Rubric) -> Any:
    """The JSON document of a rubric; NotExpressible when the dialect could not score it alike."""
    return _WRITERS[dialect](rubric)
