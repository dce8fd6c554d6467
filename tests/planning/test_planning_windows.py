"""Windows: what they are open for, what they say of themselves, and how open time adds up."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.planning.timeline import FAR
from engine.planning.windows import Span, Window, place
from storage.errors import UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND
from tests.support.window_oracle import ZONES, local, open_by_the_clock, us, wall_time

BERLIN = "Europe/Berlin"
WEEKDAYS = Window.from_dict({"hours": "mon-fri 09:00-12:00, 13:00-17:00", "zone": BERLIN})
MONDAY = us("2026-11-23T00:00+01:00")

TIMES = st.integers(us("2024-01-01T00:00Z"), us("2028-12-31T00:00Z"))
LENGTHS = st.integers(0, 3 * DAY)


@st.composite
def spans(draw):
    start = draw(st.integers(0, 1439))
    return Span(draw(st.integers(0, 6)), start, start + draw(st.integers(1, 1440)))


WINDOWS = st.builds(
    Window,
    st.sampled_from(ZONES),
    st.lists(spans(), min_size=1, max_size=8).map(tuple),
    closed=st.lists(st.dates(date(2024, 1, 1), date(2028, 12, 31)), max_size=5).map(tuple),
)


@given(WINDOWS, TIMES)
@settings(max_examples=500)
def test_a_window_is_open_when_the_local_clock_shows_its_hours(window, at):
    closed = frozenset(window.closed)
    assert window.is_open(at) == open_by_the_clock(window, wall_time(at, window.zone), closed)


@given(WINDOWS, TIMES)
def test_a_span_holds_the_moment_or_follows_it_and_is_open_throughout_and_not_around(window, at):
    opens, closes = window.span(at)
    assert closes > at
    assert (opens <= at) == window.is_open(at)
    if closes - at < FAR:
        assert window.is_open(closes - 1)
        assert not window.is_open(closes)
    if at - opens < FAR:
        assert window.is_open(opens)
        assert not window.is_open(opens - 1)
    assert window.open_time(opens, closes) == closes - opens
    assert window.open_time(min(at, opens), opens) == 0


@given(WINDOWS, TIMES)
def test_the_next_opening_is_open_and_stays_what_it_is(window, at):
    opened = window.next_open(at)
    assert opened >= at
    assert window.is_open(opened)
    assert window.next_open(opened) == opened
    assert opened == (at if window.is_open(at) else window.span(at)[0])


@given(WINDOWS, TIMES, LENGTHS, LENGTHS)
def test_open_time_in_two_steps_is_open_time_in_one(window, at, one, two):
    assert window.advance(at, one + two) == window.advance(window.advance(at, one), two)


@given(WINDOWS, TIMES, LENGTHS)
def test_advancing_passes_as_much_open_time_as_was_asked_for(window, at, duration):
    ended = window.advance(at, duration)
    assert window.is_open(ended)
    assert ended - at >= duration
    assert window.open_time(at, ended) == duration


@given(WINDOWS, TIMES, LENGTHS, LENGTHS)
def test_open_time_of_two_stretches_is_that_of_both_together(window, at, one, two):
    middle, end = at + one, at + one + two
    assert window.open_time(at, middle) + window.open_time(middle, end) == window.open_time(at, end)
    assert window.open_time(end, at) == 0


@given(WINDOWS)
def test_a_window_survives_being_written_and_read(window):
    again = Window.from_dict(window.to_dict())
    assert again == window
    assert hash(again) == hash(window)
    assert "\n" not in window.describe()


def test_a_day_with_a_break_opens_twice():
    assert WEEKDAYS.span(MONDAY) == (MONDAY + 9 * HOUR, MONDAY + 12 * HOUR)
    assert WEEKDAYS.span(MONDAY + 12 * HOUR) == (MONDAY + 13 * HOUR, MONDAY + 17 * HOUR)
    assert WEEKDAYS.open_time(MONDAY, MONDAY + 7 * DAY) == 5 * 7 * HOUR
    assert WEEKDAYS.advance(MONDAY, 4 * HOUR) == MONDAY + 14 * HOUR


def test_a_closing_is_not_open_any_more_and_the_end_of_open_time_is_the_next_morning():
    assert WEEKDAYS.is_open(MONDAY + 17 * HOUR - 1)
    assert not WEEKDAYS.is_open(MONDAY + 17 * HOUR)
    assert WEEKDAYS.advance(MONDAY + 16 * HOUR, HOUR) == MONDAY + (24 + 9) * HOUR


def test_a_night_is_one_span_that_belongs_to_its_evening():
    night = Window.from_dict({"hours": "fri 22:00-06:00", "zone": BERLIN})
    friday = MONDAY + 4 * DAY
    assert night.span(friday) == (friday + 22 * HOUR, friday + 30 * HOUR)
    assert night.is_open(friday + 29 * HOUR)
    assert not night.is_open(friday + 5 * HOUR)


def test_a_closed_day_closes_what_starts_on_it_and_leaves_what_the_evening_before_began():
    nights = Window.from_dict({"hours": "daily 22:00-06:00", "zone": BERLIN, "closed": ["2026-12-24"]})
    eve = us("2026-12-24T00:00+01:00")
    assert nights.is_open(eve + 5 * HOUR)
    assert not nights.is_open(eve + 23 * HOUR)
    assert not nights.is_open(eve + 29 * HOUR)
    assert nights.span(eve + 6 * HOUR) == (eve + 46 * HOUR, eve + 54 * HOUR)


@pytest.mark.parametrize(
    ("region", "day", "open_"),
    [
        ("DE", "2026-10-03", False),
        ("DE", "2026-06-04", True),
        ("DE-BY", "2026-06-04", False),
        ("de-by", "2026-06-04", False),
        ("US", "2026-11-26", False),
        ("US", "2026-07-03", False),
        ("US", "2026-10-03", True),
    ],
)
def test_public_holidays_of_a_country_and_of_a_part_of_it_are_closed(region, day, open_):
    window = Window.from_dict({"hours": "daily 09:00-17:00", "zone": BERLIN, "holidays": region})
    assert window.is_open(us(f"{day}T12:00+01:00")) == open_


def test_spans_that_touch_over_midnight_are_one():
    window = Window.from_dict({"hours": "mon 09:00-24:00; tue 00:00-12:00", "zone": BERLIN})
    assert window.span(MONDAY) == (MONDAY + 9 * HOUR, MONDAY + 36 * HOUR)


def test_an_opening_over_the_end_of_a_week_of_utc_is_told_whole():
    window = Window.from_dict({"hours": "wed 20:00-24:00; thu 00:00-08:00", "zone": "UTC"})
    wednesday = us("2026-11-25T00:00Z")
    whole = (wednesday + 20 * HOUR, wednesday + 32 * HOUR)
    assert window.span(wednesday) == window.span(wednesday + 23 * HOUR) == window.span(wednesday + 25 * HOUR) == whole


@pytest.mark.parametrize("zone", ZONES)
def test_always_never_closes(zone):
    window = Window.from_dict({"hours": "always", "zone": zone})
    opens, closes = window.span(MONDAY)
    assert opens <= MONDAY
    assert closes - MONDAY >= FAR
    assert window.advance(MONDAY, 100 * DAY) == MONDAY + 100 * DAY
    assert window.open_time(MONDAY, MONDAY + 400 * DAY) == 400 * DAY


def test_what_is_closed_on_one_day_a_year_is_open_until_then():
    window = Window.from_dict({"hours": "always", "zone": BERLIN, "closed": ["2026-12-24"]})
    eve = us("2026-12-24T00:00+01:00")
    assert window.span(MONDAY)[1] == eve
    opens, closes = window.span(eve)
    assert (opens, closes - eve > FAR) == (eve + DAY, True)
    # Asked again a year on, what was remembered must still reach far enough.
    assert window.span(eve + 300 * DAY)[1] - (eve + 300 * DAY) >= FAR


def test_a_window_that_does_not_open_in_400_days_says_so():
    days = [date.fromordinal(date(2026, 1, 1).toordinal() + n).isoformat() for n in range(900)]
    window = Window.from_dict({"hours": "daily 09:00-17:00", "zone": BERLIN, "closed": days})
    assert window.span(MONDAY) is None
    assert window.next_open(MONDAY) is None
    assert window.advance(MONDAY, HOUR) is None
    assert not window.is_open(MONDAY)
    assert window.open_time(MONDAY, MONDAY + 300 * DAY) == 0
    before = us("2025-12-31T16:00+01:00")
    assert window.advance(before, 59 * MINUTE) == before + 59 * MINUTE
    assert window.advance(before, HOUR) is None


def test_the_end_of_the_calendar_is_closed_and_no_error():
    window = Window.from_dict({"hours": "always", "zone": BERLIN})
    assert window.next_open(us("9998-01-01T00:00Z")) is None


def test_time_goes_forward_only():
    with pytest.raises(ValueError):
        WEEKDAYS.advance(MONDAY, -1)


@pytest.mark.parametrize(
    ("zone", "opened"),
    [
        ("", "2026-11-23T09:00+01:00"),
        (BERLIN, "2026-11-23T09:00+01:00"),
        ("America/New_York", "2026-11-23T09:00-05:00"),
        ("Asia/Kolkata", "2026-11-23T09:00+05:30"),
        ("Pacific/Auckland", "2026-11-23T13:00+13:00"),
    ],
)
def test_a_person_is_placed_by_their_own_clock(zone, opened):
    assert place(MONDAY, WEEKDAYS, zone) == us(opened)


def test_what_is_due_in_a_persons_hours_stays_where_it_is():
    due = us("2026-11-23T16:00+01:00")
    assert place(due, WEEKDAYS, "America/New_York") == due
    assert place(due + 5 * SECOND + 7, WEEKDAYS, "America/New_York") == due + 5 * SECOND + 7


def test_another_zone_keeps_hours_holidays_and_dates():
    window = Window.from_dict({"hours": "daily 9-17", "zone": BERLIN, "holidays": "DE", "closed": ["2026-12-24"]})
    moved = window.in_zone("Asia/Tokyo")
    assert {**moved.to_dict(), "zone": BERLIN} == window.to_dict()
    assert window.in_zone(BERLIN) is window
    assert local(moved.next_open(MONDAY), "Asia/Tokyo") == "2026-11-23 09:00"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "mon-fri 09:00-12:00, 13:00-17:00 Europe/Berlin"),
        ({"holidays": ["DE-BY", "AT"]}, "mon-fri 09:00-12:00, 13:00-17:00 Europe/Berlin, not on holidays of AT, DE-BY"),
        (
            {"closed": ["2026-12-24"], "recipient_zone": "timezone"},
            "mon-fri 09:00-12:00, 13:00-17:00 Europe/Berlin, not on 2026-12-24, in each person's own zone "
            "(field timezone)",
        ),
        (
            {"holidays": "DE", "closed": [date(2026, 12, 24), "2026-12-31"]},
            "mon-fri 09:00-12:00, 13:00-17:00 Europe/Berlin, not on holidays of DE or 2 own dates",
        ),
    ],
)
def test_a_window_describes_itself(data, words):
    assert Window.from_dict({**WEEKDAYS.to_dict(), **data}).describe() == words


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"zone": ""}, "zone"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"zone": "America"}, "zone"),
        ({"zone": "../secret"}, "zone"),
        ({"zone": "a\0b"}, "zone"),
        ({"zone": 1}, "zone"),
        ({"hours": ""}, "hours"),
        ({"hours": None}, "hours"),
        ({"hours": 9}, "hours"),
        ({"hours": ["daily 9-17", 3]}, "hours"),
        ({"holidays": "XX"}, "holidays"),
        ({"holidays": ["DE-ZZ"]}, "holidays"),
        ({"holidays": [7]}, "holidays"),
        ({"closed": ["24.12.2026"]}, "closed"),
        ({"closed": 20261224}, "closed"),
        ({"closed": [f"{year}-{month:02}-01" for year in range(2000, 2099) for month in range(1, 13)]}, "closed"),
        ({"recipient_zone": "a\nb"}, "recipient_zone"),
        ({"recipient_zone": ["zone"]}, "recipient_zone"),
        ({"days": "mon"}, "days"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(data, field):
    with pytest.raises(UsageError, match=rf"window\.{field}"):
        Window.from_dict({**WEEKDAYS.to_dict(), **data})


def test_a_zone_that_is_nearly_right_is_suggested():
    with pytest.raises(UsageError) as refused:
        WEEKDAYS.in_zone("europe/berlin")
    assert refused.value.hint == "did you mean Europe/Berlin?"


@pytest.mark.parametrize("data", ["daily 9-17", None, 3])
def test_a_window_is_a_table(data):
    with pytest.raises(UsageError, match="window"):
        Window.from_dict(data)
