"""Public ids: sorted by time or silent about it, and refused when malformed."""

from __future__ import annotations

import time
import uuid

import pytest

from core.ids import MalformedId, format_id, new_id, parse_id, uuid7


def test_an_id_is_a_prefix_and_twenty_six_characters() -> None:
    text = new_id("prj")
    prefix, body = text.split("_")
    assert (prefix, len(body)) == ("prj", 26)
    assert parse_id(text, "prj").version == 7


def test_ids_of_later_milliseconds_sort_later() -> None:
    first = new_id("bat")
    time.sleep(0.002)
    assert first < new_id("bat")


def test_a_uuid7_carries_the_millisecond_it_was_made_in() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7().int >> 80
    assert before <= made <= time.time_ns() // 1_000_000
    assert uuid7().variant == uuid.RFC_4122


def test_a_random_id_says_nothing_about_its_time() -> None:
    assert parse_id(new_id("tsk", random=True), "tsk").version == 4


def test_the_encoding_is_crockford_base32() -> None:
    value = uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    assert format_id("evt", value) == "evt_01h455vb4pex5vsknk084sn02q"
    assert parse_id("evt_01h455vb4pex5vsknk084sn02q", "evt") == value


GOOD = "01h455vb4pex5vsknk084sn02q"


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "prj",
        GOOD,
        f"opn_{GOOD}",
        f"prj-{GOOD}",
        f"PRJ_{GOOD}",
        f"prj_{GOOD.upper()}",
        f"prj_{GOOD}0",
        f"prj_{GOOD[:-1]}",
        f"prj_{GOOD[:-1]}u",
        f"prj_{GOOD[:-1]}é",
        f"prj_{GOOD}\n",
        "prj_8" + GOOD[1:],
        "prj_" + "0" * 26,
        "prj_" + "7" + "z" * 25,
        f"prj_{uuid.UUID(int=5)}",
        "prj_" + "'" * 26,
    ],
)
def test_junk_is_not_an_id(junk: str) -> None:
    with pytest.raises(MalformedId):
        parse_id(junk, "prj")


def test_an_id_of_another_type_is_junk_too() -> None:
    with pytest.raises(MalformedId):
        parse_id(None, "prj")  # type: ignore[arg-type]  # what a JSON client may send


@pytest.mark.parametrize("prefix", ["", "p", "PRJ", "prj_", "9rj", "muchtoolong", "é1"])
def test_a_prefix_is_a_short_lower_case_word(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        new_id(prefix)
