"""Durations as people write and read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.planning.durations import LONGEST, exact_duration, format_duration, parse_duration, parse_spread
from storage.errors import UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("15m", 15 * MINUTE),
        ("90 min", 90 * MINUTE),
        ("2s", 2 * SECOND),
        ("500ms", SECOND // 2),
        ("250us", 250),
        ("1h30m", 90 * MINUTE),
        ("1h 30m", 90 * MINUTE),
        ("1.5h", 90 * MINUTE),
        ("3d", 3 * DAY),
        ("2 Weeks", 14 * DAY),
        (" 1 hour ", HOUR),
        ("0", 0),
        ("0s", 0),
    ],
)
def test_a_duration_is_read(text, us):
    assert parse_duration(text) == us


@pytest.mark.parametrize("text", ["", " ", "15", "m", "-5m", "5 parsecs", "1h30", "1:30", "99999d", "1e3s", "5m\x00"])
def test_what_is_no_duration_is_refused_by_the_name_of_its_field(text):
    with pytest.raises(UsageError, match="gap_min"):
        parse_duration(text, field="gap_min")


@given(st.integers(0, LONGEST), st.sampled_from([1, SECOND, MINUTE, HOUR, DAY]))
def test_an_exact_duration_reads_back_to_itself(us, size):
    assert parse_duration(exact_duration(us // size * size)) == us // size * size


@given(st.integers(-(10**15), 10**15))
def test_a_formatted_duration_is_short_and_never_raises(us):
    assert 0 < len(format_duration(us)) <= 12


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "0s"),
        (1, "1us"),
        (SECOND // 2, "500ms"),
        (1_500_000, "1.5s"),
        (2 * SECOND, "2s"),
        (MINUTE - 1, "59.9s"),
        (2 * MINUTE, "2m"),
        (2 * MINUTE + 44 * SECOND, "2m44s"),
        (HOUR + 27 * MINUTE + 59 * SECOND, "1h27m"),
        (3 * DAY + 4 * HOUR, "3d4h"),
        (-2 * MINUTE, "-2m"),
    ],
)
def test_a_duration_is_shown_in_two_units(us, text):
    assert format_duration(us) == text


@pytest.mark.parametrize(("text", "us"), [("", 0), ("now", 0), ("2h", 2 * HOUR)])
def test_a_retry_is_spread_over_a_time_or_begins_now(text: str, us: int) -> None:
    assert parse_spread(text) == us


def test_a_spread_that_is_no_duration_is_refused_by_its_name() -> None:
    with pytest.raises(UsageError, match="spread"):
        parse_spread("soon")
