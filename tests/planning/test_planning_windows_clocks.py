"""Every change of the clocks of twenty zones in 2024-2028: nothing outside the hours, nobody lost, to the minute.

The judge looks at the local clock for each minute and knows nothing of offsets.
"""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.planning.pacing import Pacing, plan
from engine.planning.windows import Window
from storage.model import DAY, HOUR, MINUTE
from tests.support.window_oracle import ZONES, local, minutes, open_by_the_clock, transitions, us, wall_time

HOURS = (
    "daily 01:00-03:00",
    "daily 02:15-02:45, 03:15-04:00",
    "daily 22:00-06:00",
    "mon-fri 09:00-12:00, 13:00-17:00; sat 10:00-14:00",
    "daily 00:00-00:30, 23:30-24:00",
    "sat 23:45-02:30; sun 00:10-01:50",
)
AROUND = 8 * HOUR
UNCHANGING = {"America/Sao_Paulo", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Apia", "Asia/Tehran"}

CHANGES = {zone: list(transitions(zone)) for zone in ZONES}


def moments(zone):
    """The changes of a zone's clocks; for one that has none, the nights in which Europe changes its own."""
    return CHANGES[zone] or CHANGES["Europe/Berlin"]


def test_the_twenty_zones_change_their_clocks_twice_a_year_or_never():
    assert len(ZONES) == len(set(ZONES)) == 20
    assert {zone: len(CHANGES[zone]) for zone in ZONES} == {zone: 0 if zone in UNCHANGING else 10 for zone in ZONES}


@pytest.mark.parametrize("zone", ZONES)
def test_around_every_change_of_the_clocks_the_open_minutes_are_those_that_the_clock_shows(zone):
    windows = [Window.from_dict({"hours": hours, "zone": zone}) for hours in HOURS]
    for change in moments(zone):
        shown = [(at, wall_time(at, zone)) for at in minutes(change - AROUND, change + AROUND)]
        for window in windows:
            expected = [at for at, wall in shown if open_by_the_clock(window, wall)]
            assert [at for at, _ in shown if window.is_open(at)] == expected, (window, local(change, zone))
            assert window.open_time(change - AROUND, change + AROUND) == len(expected) * MINUTE
            for at, _ in shown[::7]:
                place = bisect_left(expected, at)
                if place + 60 < len(expected):
                    assert window.next_open(at) == expected[place]
                    assert window.advance(at, 60 * MINUTE) == expected[place + 60]


@pytest.mark.parametrize("zone", ZONES)
def test_a_plan_over_every_change_lies_in_the_hours_keeps_its_gaps_and_loses_nobody(zone):
    window = Window.from_dict({"hours": "daily 22:00-03:30", "zone": zone})
    pacing = Pacing("human", gap_min=3 * MINUTE, gap_max=20 * MINUTE)
    for change in moments(zone):
        made = list(plan(pacing, 150, start=change - DAY, seed=change, window=window))
        assert len(made) == 150
        before = change - DAY
        for due, gap in made:
            assert open_by_the_clock(window, wall_time(due, zone))
            assert due - before >= gap
            assert window.open_time(before, due) == gap
            before = due


@given(
    st.sampled_from(sorted(set(ZONES) - UNCHANGING)),
    st.integers(0, 9),
    st.integers(-AROUND, AROUND),
    st.integers(0, 1439),
    st.integers(1, 1440),
)
def test_any_daily_hours_are_true_to_the_clock_at_any_moment_around_a_change(zone, number, away, start, length):
    change = CHANGES[zone][number]
    late = start + length
    window = Window.from_dict(
        {"hours": f"daily {start // 60}:{start % 60:02}-{late // 60}:{late % 60:02}", "zone": zone}
    )
    assert window.is_open(change + away) == open_by_the_clock(window, wall_time(change + away, zone))


def berlin(hours):
    return Window.from_dict({"hours": hours, "zone": "Europe/Berlin"})


def test_where_clocks_go_forward_a_window_opens_at_the_first_minute_that_exists():
    window = berlin("daily 02:30-05:00")
    assert window.span(us("2026-03-29T00:00+01:00")) == (us("2026-03-29T03:00+02:00"), us("2026-03-29T05:00+02:00"))


def test_hours_that_a_day_skips_wait_for_the_next_day():
    window = berlin("daily 02:10-02:50")
    assert window.next_open(us("2026-03-29T00:00+01:00")) == us("2026-03-30T02:10+02:00")


def test_where_clocks_go_back_two_hours_on_the_wall_are_three():
    window = berlin("daily 01:00-03:00")
    opens, closes = window.span(us("2026-10-25T00:00+02:00"))
    assert (opens, closes) == (us("2026-10-25T01:00+02:00"), us("2026-10-25T03:00+01:00"))
    assert closes - opens == 3 * HOUR


def test_minutes_that_are_shown_twice_are_open_twice():
    window = berlin("daily 02:15-02:45")
    first = window.span(us("2026-10-25T00:00+02:00"))
    second = window.span(first[1])
    assert first == (us("2026-10-25T02:15+02:00"), us("2026-10-25T02:45+02:00"))
    assert second == (us("2026-10-25T02:15+01:00"), us("2026-10-25T02:45+01:00"))


def test_a_day_has_23_24_or_25_hours():
    window = berlin("always")
    days = ("2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00")
    spring, after, autumn, later = (us(day) for day in days)
    sunday = berlin("sun 00:00-24:00")
    assert window.open_time(spring, after) == sunday.open_time(spring, after) == 23 * HOUR
    assert window.open_time(autumn, later) == sunday.open_time(autumn, later) == 25 * HOUR
