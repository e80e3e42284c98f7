"""What a handler is given and what it may give back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request

from core.models import Operation
from core.principal import Principal


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read and checked: everything a handler needs to make its one domain call.

    `body` and `query` are the validated values of the endpoint's serializers (empty when it declares none), `sent`
    the raw document as it came (for payloads that a schema judges later), `path` the URL's parameters, which handlers
    also receive as arguments, and `now` the instant at which the request is taken to happen.
    """

    principal: Principal
    now: dt.datetime
    request: Request
    body: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    path: Mapping[str, Any] = field(default_factory=dict)
    sent: Any = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer is not ready: 202 with the operation, and its address in `Location`."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class Listed:
    """The rows of a paginated endpoint with a renderer of their own, where an answer depends on who asks.

    ``render`` turns one row into its answer; with ``together`` it takes the list of a page's rows and gives the list of
    answers, so that what they need beside themselves is read once.
    """

    rows: QuerySet[Any] | Sequence[Any]
    render: Callable[[Any], Any] | None
    together: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with another status than the endpoint's usual one, or with headers of its own.

    The status must be declared by the endpoint (`also={200: EmptyQueueOut}`), or the docs would lie.
    """

    body: Any
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Download:
    """Declares, as `returns=`, that an endpoint answers with a file; the handler returns an HttpResponse itself."""

    media_types: tuple[str, ...]

    def __init__(self, *media_types: str) -> None:
        object.__setattr__(self, "media_types", media_types)
