"""Lists in pages: `?limit=50&cursor=…` walks along a unique column, so pages neither skip nor repeat rows.

A cursor is encrypted and authenticated: it tells nobody how many rows there are, cannot be invented, and belongs to the
list that gave it. There is no total count: it would cost a scan and be wrong a moment later.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal
from urllib.parse import urlencode

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from django.conf import settings
from django.db.models import QuerySet
from django.utils.encoding import escape_uri_path
from django.utils.translation import gettext as _
from rest_framework.request import Request

from core.api import queries
from core.problems import FieldError, InvalidInput

DEFAULT_LIMIT: Final = 50
LARGEST_LIMIT: Final = 200
PARAMETERS: Final = ("limit", "cursor")
Direction = Literal["next", "previous"]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is wanted: rows beyond `position` in `direction`, at most `limit`."""

    limit: int
    direction: Direction
    position: Any
    kept: Mapping[str, list[str]]


def read(request: Request) -> PageRequest:
    """The page that the query asks for. Raises InvalidInput for a limit outside 1–200 or a foreign cursor."""
    limit_text = queries.single(request, "limit")
    limit = DEFAULT_LIMIT
    if limit_text is not None:
        limit = int(limit_text) if limit_text.isascii() and limit_text.isdigit() and len(limit_text) <= 3 else 0
        if not 1 <= limit <= LARGEST_LIMIT:
            detail = _("Ask for 1 to %(largest)s rows.") % {"largest": LARGEST_LIMIT}
            raise InvalidInput(errors=[FieldError("?limit", "out_of_range", detail)])
    cursor = queries.single(request, "cursor")
    direction: Direction = "next"
    position = None
    if cursor is not None:
        direction, position = _decode(cursor, request.path)
    kept = {name: values for name, values in request.query_params.lists() if name != "cursor"}
    return PageRequest(limit=limit, direction=direction, position=position, kept=kept)


def paginate(
    rows: QuerySet[Any] | Sequence[Any],
    page: PageRequest,
    *,
    order: str,
    render: Callable[..., Any] | None,
    path: str,
    together: bool = False,
) -> dict[str, Any]:
    """One page of `rows` with the addresses of its neighbours; one query.

    `render` takes a row, or with `together` all rows of the page. A QuerySet is walked along its unique column `order`; a sequence (a ranking made by one SQL query) by position.
    """
    found: Sequence[Any]
    if isinstance(rows, QuerySet):
        found, before, after = _walk(rows, page, order)
    else:
        found, before, after = _slice(rows, page)

    def address(direction: Direction, position: Any) -> str | None:
        if position is None:
            return None
        query = urlencode({**page.kept, "cursor": [_encode(direction, position, path)]}, doseq=True)
        return f"{escape_uri_path(path)}?{query}"

    return {
        "next": address("next", after),
        "previous": address("previous", before),
        "results": _rendered(list(found), render, together=together),
    }


def _rendered(found: list[Any], render: Callable[..., Any] | None, *, together: bool) -> list[Any]:
    if render is None:
        return found
    return list(render(found)) if together else [render(row) for row in found]


def _walk(rows: QuerySet[Any], page: PageRequest, order: str) -> tuple[list[Any], Any, Any]:
    column = order.removeprefix("-")
    backwards = page.direction == "previous"
    descending = order.startswith("-") != backwards
    if page.position is not None:
        rows = rows.filter(**{f"{column}__{'lt' if descending else 'gt'}": page.position})
    found = list(rows.order_by(f"-{column}" if descending else column)[: page.limit + 1])
    more = len(found) > page.limit
    found = found[: page.limit]
    if backwards:
        found.reverse()
    if not found:
        return [], None, None
    first, last = (_value(row, column) for row in (found[0], found[-1]))
    came_from = page.position is not None
    before = first if (more if backwards else came_from) else None
    after = last if (came_from if backwards else more) else None
    return found, before, after


def _value(row: Any, column: str) -> Any:
    return row[column] if isinstance(row, dict) else getattr(row, column)


def _slice(rows: Sequence[Any], page: PageRequest) -> tuple[Sequence[Any], Any, Any]:
    start = int(page.position or 0)
    end = start + page.limit
    before = max(0, start - page.limit) if start else None
    return rows[start:end], before, end if end < len(rows) else None


@lru_cache(maxsize=4)
def _cipher(secret: str) -> AESSIV:
    return AESSIV(hashlib.sha256(b"cadre.pagination:" + secret.encode()).digest())


def _encode(direction: Direction, position: Any, path: str) -> str:
    plain = orjson.dumps([direction, position])
    sealed = _cipher(settings.SECRET_KEY).encrypt(plain, [path.encode()])
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _decode(cursor: str, path: str) -> tuple[Direction, Any]:
    try:
        sealed = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        direction, position = orjson.loads(_cipher(settings.SECRET_KEY).decrypt(sealed, [path.encode()]))
    except (InvalidTag, ValueError, UnicodeEncodeError, binascii.Error):
        detail = _("This cursor does not belong to this list; start again without one.")
        raise InvalidInput(errors=[FieldError("?cursor", "foreign_cursor", detail)]) from None
    return direction, position
