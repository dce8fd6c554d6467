"""Schedules over every change of the clocks of fourteen zones in 2024-2028, judged minute by minute."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.planning.cron import Cron, Firing
from storage.model import DAY, HOUR, MINUTE, SECOND
from tests.support.cron_oracle import fires_at, times
from tests.support.window_oracle import local, minutes, transitions, us, wall_time

ZONES = (
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/Santiago",
    "America/Havana",
    "America/St_Johns",
    "America/Nuuk",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Beirut",
    "Antarctica/Troll",
    "Asia/Kolkata",
)
"""Half an hour, two hours, midnight, the day before, the Moon, negative winter time; and one that never changes."""
SCHEDULES = (
    times("30 2 * * *", {30}, {2}, False),
    times("0 0 * * *", {0}, {0}, False),
    times("0,30 1-3 * * *", {0, 30}, {1, 2, 3}, False),
    times("15,45 23,0 * * *", {15, 45}, {23, 0}, False),
    times("10 2 * * SUN", {10}, {2}, False, {6}),
    times("5 */2 * * *", {5}, range(0, 24, 2), False),
    times("*/60 2 * * *", {0}, {2}, False),
    times("0 * * * *", {0}, range(24), True),
    times("30 0-23 * * *", {30}, range(24), True),
    times("0 */1 * * *", {0}, range(24), True),
    times("*/7 * * * *", range(0, 60, 7), range(24), True),
    times("*/20 0-2 * * *", range(0, 60, 20), {0, 1, 2}, True),
)
AROUND = 4 * HOUR
CHANGES = {zone: list(transitions(zone)) for zone in ZONES}
BERLIN = "Europe/Berlin"


def told(expression: str, zone: str, after: str, n: int) -> list[tuple[str, str]]:
    """The next firings as local time with its offset, and what is said of each."""
    found = Cron.parse(expression, zone).firings(us(after), n)
    return [(f"{local(at, zone)} {(us(local(at, zone) + 'Z') - at) / HOUR:+g}", note) for at, note in map(parts, found)]


def parts(firing: Firing) -> tuple[int, str]:
    return firing.at, firing.note


def test_the_zones_change_their_clocks_ten_times_in_these_years_or_never():
    assert {zone: len(found) for zone, found in CHANGES.items()} == {
        zone: 0 if zone == "Asia/Kolkata" else 10 for zone in ZONES
    }


@pytest.mark.parametrize("zone", ZONES)
def test_around_every_change_it_fires_when_the_clock_says_so(zone):
    for change in CHANGES[zone] or CHANGES[BERLIN]:
        shown = [(at, wall_time(at, zone)) for at in minutes(change - AROUND, change + AROUND)]
        for meant in SCHEDULES:
            fired = Cron.parse(meant.expression, zone).between(shown[0][0] - 1, shown[-1][0], 1000)
            assert fired == list(fires_at(meant, shown)), (meant.expression, local(change, zone))


@given(
    st.sampled_from(ZONES),
    st.integers(0, 9),
    st.sets(st.integers(0, 59), min_size=1, max_size=8),
    st.one_of(st.sets(st.integers(0, 23), min_size=1, max_size=8), st.just(set(range(24)))),
    st.sets(st.integers(0, 6), min_size=1),
)
def test_any_minutes_hours_and_weekdays_fire_when_the_clock_says_so(zone, change, in_hour, hours, weekdays):
    at = (CHANGES[zone] or CHANGES[BERLIN])[change]
    shown = [(minute, wall_time(minute, zone)) for minute in minutes(at - AROUND, at + AROUND)]
    fields = [",".join(map(str, sorted(values))) for values in (in_hour, hours, {day + 1 for day in weekdays})]
    meant = times("{} {} * * {}".format(*fields), in_hour, hours, len(hours) == 24, weekdays)
    fired = Cron.parse(meant.expression, zone).between(shown[0][0] - 1, shown[-1][0], 1000)
    assert fired == list(fires_at(meant, shown))


@given(
    st.sampled_from(ZONES),
    st.integers(0, 9),
    st.sampled_from(SCHEDULES),
    st.integers(-AROUND, AROUND),
    st.integers(1, 6),
)
@example(BERLIN, 5, SCHEDULES[0], 10 * MINUTE, 1)
def test_asked_at_any_moment_it_answers_as_if_asked_before(zone, change, meant, offset, most):
    changes = CHANGES[zone] or CHANGES[BERLIN]
    start, end = changes[change] - 2 * AROUND, changes[change] + 2 * DAY
    cron = Cron.parse(meant.expression, zone)
    every = cron.between(start, end, 10_000)
    at = changes[change] + offset
    place = bisect_right(every, at)
    assert cron.between(at, end, most) == every[place:][:most]
    assert cron.newest(at, start, most) == every[:place][-most:]
    assert cron.last_before_or_at(at, start) == (every[place - 1] if place else None)
    if place < len(every):
        assert cron.next_after(at) == every[place]
    assert all(before < after for before, after in pairwise(every))


@pytest.mark.parametrize("zone", ["Africa/Casablanca", "America/New_York", "Asia/Kolkata"])
def test_a_time_of_day_fires_once_on_each_local_day_of_five_years(zone):
    fired = Cron.parse("30 2 * * *", zone).between(us("2023-12-31T20:00Z"), us("2028-12-31T10:00Z"), 5_000)
    days = [local(at, zone)[:10] for at in fired]
    assert len(days) == len(set(days))
    assert len(days) in (1826, 1827)
    assert {local(at, zone)[11:] for at in fired} <= {"02:30", "03:00"}


@pytest.mark.parametrize("zone", ["Africa/Casablanca", "America/New_York", "Antarctica/Troll"])
def test_an_hourly_schedule_fires_each_real_hour_over_five_years(zone):
    first = us("2024-01-01T00:00Z")
    fired = Cron.parse("0 * * * *", zone).between(first - 1, first + 1827 * DAY, 50_000)
    assert {after - before for before, after in pairwise(fired)} == {HOUR}


def test_a_time_that_the_clocks_skip_fires_at_the_first_minute_after_and_says_so():
    assert told("30 2 * * *", BERLIN, "2026-03-28T12:00Z", 2) == [
        ("2026-03-29 03:00 +2", "02:30 does not exist on 2026-03-29: fires at 03:00"),
        ("2026-03-30 02:30 +2", ""),
    ]


def test_several_times_that_the_clocks_skip_fire_once_together():
    assert [when for when, _ in told("0,30 1-3 * * *", BERLIN, "2026-03-29T00:00Z", 4)] == [
        "2026-03-29 01:30 +1",
        "2026-03-29 03:00 +2",
        "2026-03-29 03:30 +2",
        "2026-03-30 01:00 +2",
    ]


def test_a_time_that_comes_twice_fires_at_the_first_and_says_so():
    assert told("30 2 * * *", BERLIN, "2026-10-24T12:00Z", 2) == [
        ("2026-10-25 02:30 +2", "02:30 happens twice on 2026-10-25: fires at the first"),
        ("2026-10-26 02:30 +1", ""),
    ]


def test_asked_within_the_second_pass_a_time_of_day_is_over_for_that_day():
    assert told("45 2 * * *", BERLIN, "2026-10-25T01:10Z", 1) == [("2026-10-26 02:45 +1", "")]


@pytest.mark.parametrize("expression", ["0 * * * *", "0 */1 * * *", "0 0-23 * * *"])
def test_an_hourly_schedule_fires_in_both_passes_however_it_is_written(expression):
    assert told(expression, BERLIN, "2026-10-24T23:30Z", 3) == [
        ("2026-10-25 02:00 +2", "02:00 happens twice on 2026-10-25: this is the first"),
        ("2026-10-25 02:00 +1", "02:00 happens twice on 2026-10-25: this is the second"),
        ("2026-10-25 03:00 +1", ""),
    ]


def test_minutes_of_an_hour_that_the_clocks_skip_are_left_out_and_the_next_firing_says_so():
    assert told("*/30 2 * * *", BERLIN, "2026-03-28T12:00Z", 2) == [
        ("2026-03-30 02:00 +2", "02:00 does not exist on 2026-03-29: left out"),
        ("2026-03-30 02:30 +2", ""),
    ]


def test_every_second_hour_is_times_of_day_and_never_doubled_or_left_out():
    assert [when for when, _ in told("0 */2 * * *", BERLIN, "2026-10-24T21:30Z", 3)] == [
        "2026-10-25 00:00 +2",
        "2026-10-25 02:00 +2",
        "2026-10-25 04:00 +1",
    ]


def test_half_an_hour_of_lord_howe_island_loses_no_minute():
    first = told("* 2 * * *", "Australia/Lord_Howe", "2026-04-04T12:00Z", 1)
    assert first == [("2026-04-05 02:00 +10.5", "")]
    assert told("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00Z", 1) == [
        ("2026-10-04 02:30 +11", "02:15 does not exist on 2026-10-04: fires at 02:30")
    ]


def test_a_midnight_that_does_not_exist_fires_at_one():
    assert told("0 0 * * *", "Asia/Beirut", "2026-03-28T12:00Z", 1) == [
        ("2026-03-29 01:00 +3", "00:00 does not exist on 2026-03-29: fires at 01:00")
    ]


def test_a_whole_day_that_does_not_exist_is_made_up_for_as_the_next_begins():
    assert told("30 12 * * *", "Pacific/Apia", "2011-12-30T01:00Z", 2) == [
        ("2011-12-31 00:00 +14", "12:30 does not exist on 2011-12-30: fires at 2011-12-31 00:00"),
        ("2011-12-31 12:30 +14", ""),
    ]


def test_next_is_strictly_after_to_the_microsecond():
    cron = Cron.parse("0 8 * * *", "UTC")
    eight = us("2026-11-22T08:00Z")
    assert cron.next_after(eight - 1) == eight
    assert cron.next_after(eight - SECOND) == eight
    assert cron.next_after(eight) == eight + DAY
    assert cron.between(eight - 1, eight, 5) == [eight]
    assert cron.between(eight, eight + DAY - 1, 5) == []
    assert cron.last_before_or_at(eight, eight - 1) == eight
    assert cron.last_before_or_at(eight, eight) is None


def test_nothing_fires_from_the_year_9000_on():
    cron = Cron.parse("0 0 1 1 *", "Pacific/Auckland")
    last = cron.last_before_or_at(us("9000-01-01T00:00Z"), us("8990-01-01T00:00Z"))
    assert last is not None
    assert local(last, "Pacific/Auckland") == "9000-01-01 00:00"
    assert cron.next_after(last) is None
    assert cron.firings(10**30, 5) == []


def test_a_rare_day_is_found_decades_ahead():
    cron = Cron.parse("0 9 */28 2 MON#5", "Europe/Berlin")
    assert [local(at, BERLIN) for at in cron.between(us("2026-01-01T00:00Z"), us("2130-01-01T00:00Z"), 9)] == [
        "2044-02-29 09:00",
        "2072-02-29 09:00",
        "2112-02-29 09:00",
    ]
