"""Laws of public ids."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from core.ids import MalformedId, format_id, parse_id


def _as_version_7(value: uuid.UUID) -> uuid.UUID:
    return uuid.UUID(int=value.int & ~(0xF << 76) | 7 << 76)


uuids = st.uuids(version=4) | st.uuids(version=4).map(_as_version_7)


@given(value=uuids)
def test_an_id_round_trips(value: uuid.UUID) -> None:
    assert parse_id(format_id("sub", value), "sub") == value


@given(one=uuids, other=uuids)
def test_ids_sort_like_their_uuids(one: uuid.UUID, other: uuid.UUID) -> None:
    assert (format_id("evt", one) < format_id("evt", other)) == (one.int < other.int)


@given(body=st.text("0123456789abcdefghjkmnpqrstvwxyzILOU", min_size=24, max_size=28))
def test_one_id_has_one_spelling(body: str) -> None:
    try:
        value = parse_id(f"evt_{body}", "evt")
    except MalformedId:
        return
    assert format_id("evt", value) == f"evt_{body}"
