"""ISO 8601 durations, strictly."""

from __future__ import annotations

import pytest

from core.durations import format_clock, format_duration, in_words, parse_clock, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT2H30M", 9_000),
        ("PT45M", 2_700),
        ("PT90S", 90),
        ("PT0S", 0),
        ("P7D", 604_800),
        ("P1W", 604_800),
        ("P1DT1S", 86_401),
        ("PT168H", 604_800),
        ("PT1H1S", 3_601),
    ],
)
def test_reads_whole_units(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1DT",
        "2H",
        "PT2.5H",
        "PT2,5H",
        "-PT2H",
        "+PT2H",
        "PT-2H",
        "P1Y",
        "P1M",
        "pt2h",
        "PT2H ",
        "PT2H\n",
        "PT30M2H",
        "P1W1D",
        "PT1H2H",
        "PT٢H",
        "P5000D",
        "PT99999999999S",
    ],
)
def test_refuses_everything_else(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_writes_the_shortest_form() -> None:
    assert format_duration(9_000) == "PT2H30M"
    assert format_duration(0) == "PT0S"
    assert format_duration(604_800) == "PT168H"
    assert format_duration(3_601) == "PT1H1S"
    with pytest.raises(ValueError, match="negative"):
        format_duration(-1)


@pytest.mark.parametrize(
    ("text", "seconds"), [("6:40", 24_000), ("0:00", 0), ("0:05:09", 309), ("23:59:59", 86_399), ("168:00", 604_800)]
)
def test_reads_and_writes_what_people_write(text: str, seconds: int) -> None:
    assert parse_clock(text) == seconds
    assert format_clock(seconds) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "6",
        "6:4",
        "6:60",
        "6:40:60",
        "6:40:",
        "-6:40",
        "+6:40",
        " 6:40",
        "6:40\n",
        "6.5",
        "6:40.5",
        "٦:٤٠",
        "10000:00",
    ],
)
def test_refuses_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="time"):
        parse_clock(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 min"), (45, "45 s"), (1_200, "20 min"), (9_000, "2 h 30 min"), (604_800, "168 h"), (3_601, "1 h 1 s")],
)
def test_people_read_words(seconds: int, words: str) -> None:
    assert in_words(seconds) == words


def test_less_than_no_time_has_no_words() -> None:
    with pytest.raises(ValueError, match="negative"):
        in_words(-1)
