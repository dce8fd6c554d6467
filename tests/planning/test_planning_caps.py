"""Caps as text, and the rolling cap under a clock that may step back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.planning.caps import Cap, Ramp, parse_cap, parse_ramp, parse_rate
from storage.errors import UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND


@pytest.mark.parametrize(
    ("text", "cap"),
    [
        ("400/day", Cap(400, DAY)),
        ("60/min", Cap(60, MINUTE)),
        ("30 / h", Cap(30, HOUR)),
        ("5/s", Cap(5, SECOND)),
        ("100 per week", Cap(100, 7 * DAY)),
        ("5/90m", Cap(5, 90 * MINUTE)),
    ],
)
def test_a_cap_is_read_from_text(text, cap):
    assert parse_cap(text) == cap


@given(st.integers(1, 10**9 - 1), st.sampled_from([SECOND, MINUTE, HOUR, DAY, 7 * DAY, 90 * MINUTE, 500_000]))
def test_a_cap_is_written_as_it_is_read(n, period):
    assert parse_cap(str(Cap(n, period))) == Cap(n, period)


@pytest.mark.parametrize("text", ["", "many", "60", "60/", "/min", "-1/min", "0/min", "5/0", "5/fortnight", "1.5/min"])
def test_what_is_no_cap_is_refused_by_the_name_of_its_field(text):
    with pytest.raises(UsageError, match=r"queue\.cap"):
        parse_cap(text, field="queue.cap")


def test_a_rate_is_at_most_per_day():
    assert parse_rate("60/min") == Cap(60, MINUTE)
    with pytest.raises(UsageError, match="rate"):
        parse_rate("100/week")


@pytest.mark.parametrize(("n", "period"), [(0, DAY), (1, 0), (-1, DAY)])
def test_a_cap_allows_at_least_one_start_in_some_time(n, period):
    with pytest.raises(UsageError):
        Cap(n, period)


@pytest.mark.parametrize(
    ("text", "ramp"),
    [("5+1..20", Ramp(5, step=1, ceiling=20)), (" 10 + 7.5% .. 200 ", Ramp(10, growth=0.075, ceiling=200))],
)
def test_a_ramp_is_read_and_written(text: str, ramp: Ramp) -> None:
    assert parse_ramp(text) == ramp
    assert parse_ramp(str(ramp)) == ramp


@pytest.mark.parametrize("text", ["", "5", "5..20", "5+1", "5+1.5..20", "5+0..20", "30+1..20", "5+1%%..20"])
def test_a_ramp_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_ramp(text)


@pytest.mark.parametrize(
    ("cap", "rate"), [("60/min", True), ("30/h", True), ("400/day", False), ("30/h calendar", False), ("2/90m", False)]
)
def test_a_rate_is_a_rolling_cap_of_an_hour_at_most(cap: str, rate: bool) -> None:
    assert parse_cap(cap).is_rate is rate
