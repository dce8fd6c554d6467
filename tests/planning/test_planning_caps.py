"""Caps as text, and the rolling cap under a clock that may step back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.planning.caps import Cap, Ramp, RollingCap, parse_cap, parse_ramp, parse_rate
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


def test_the_next_start_is_free_when_the_oldest_of_the_last_n_has_left_the_period():
    cap = RollingCap(Cap(2, HOUR), [10 * MINUTE, 0])
    assert cap.next_free(20 * MINUTE) == HOUR
    assert cap.next_free(2 * HOUR) == 2 * HOUR
    cap.add(HOUR)
    assert cap.next_free(HOUR) == HOUR + 10 * MINUTE


def test_only_the_last_n_starts_are_kept():
    cap = RollingCap(Cap(3, HOUR), range(100))
    assert len(cap) == 3
    cap.add(100)
    assert len(cap) == 3
    assert cap.next_free(100) == HOUR + 98


def test_a_start_in_the_future_counts_as_now_and_never_blocks_longer_than_a_period():
    cap = RollingCap(Cap(1, HOUR), [365 * DAY])
    assert cap.next_free(DAY) == DAY + HOUR
    assert cap.next_free(DAY + HOUR) == DAY + HOUR


@given(
    st.integers(1, 5),
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 40), st.one_of(st.just(0), st.integers(0, 200))), max_size=60),
    st.booleans(),
)
def test_no_rolling_period_ever_holds_more_than_n_starts_although_the_clock_steps_back(n, period, moves, restart):
    cap = RollingCap(Cap(n, period))
    real, behind = 1_000, 0
    wall_starts: list[int] = []
    real_starts: list[int] = []
    for forward, back in moves:
        real += forward
        behind += back
        now = real - behind
        if restart:
            cap = RollingCap(Cap(n, period), wall_starts)
        if cap.next_free(now) <= now:
            cap.add(now)
            wall_starts.append(now)
            real_starts.append(real)
    for first, later in zip(real_starts, real_starts[n:], strict=False):
        assert later - first >= period


@given(st.integers(1, 5), st.integers(1, 50), st.lists(st.integers(-100, 100), max_size=60), st.integers(0, 1_000))
def test_the_next_free_time_is_within_one_period_and_a_start_is_always_allowed_then(n, period, times, now):
    cap = RollingCap(Cap(n, period), times)
    free = cap.next_free(now)
    assert now <= free <= now + period
    assert cap.next_free(free) == free


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
