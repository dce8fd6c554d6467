"""What a cron expression may say, how it is told in words, and what is said of one that cannot be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.planning.cron import LONGEST_EXPRESSION, SHORTCUTS, Cron
from storage.errors import UsageError
from tests.support.window_oracle import local, us

ZONE = "Europe/Berlin"


def cron(expression: str) -> Cron:
    return Cron.parse(expression, ZONE)


def refused(expression: str, zone: str = ZONE) -> UsageError:
    with pytest.raises(UsageError) as caught:
        Cron.parse(expression, zone)
    return caught.value


def next_three(expression: str, after: str = "2026-01-01T12:00Z") -> list[str]:
    return [local(firing.at, ZONE) for firing in cron(expression).firings(us(after), 3)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 8 * * MON-FRI", ["2026-01-02 08:00", "2026-01-05 08:00", "2026-01-06 08:00"]),
        ("0 8 * jan,mar 1", ["2026-01-05 08:00", "2026-01-12 08:00", "2026-01-19 08:00"]),
        ("0 */1 * * *", ["2026-01-01 14:00", "2026-01-01 15:00", "2026-01-01 16:00"]),
        ("*/25 * * * *", ["2026-01-01 13:25", "2026-01-01 13:50", "2026-01-01 14:00"]),
        ("10-30/10 6 * * *", ["2026-01-02 06:10", "2026-01-02 06:20", "2026-01-02 06:30"]),
        ("0 9 L * *", ["2026-01-31 09:00", "2026-02-28 09:00", "2026-03-31 09:00"]),
        ("0 9 LW * *", ["2026-01-30 09:00", "2026-02-27 09:00", "2026-03-31 09:00"]),
        ("0 9 * * 5L", ["2026-01-30 09:00", "2026-02-27 09:00", "2026-03-27 09:00"]),
        ("0 9 * * MON#1", ["2026-01-05 09:00", "2026-02-02 09:00", "2026-03-02 09:00"]),
        ("0 9 * * 0", ["2026-01-04 09:00", "2026-01-11 09:00", "2026-01-18 09:00"]),
        ("0 9 * * 7", ["2026-01-04 09:00", "2026-01-11 09:00", "2026-01-18 09:00"]),
        ("0 9 13 * FRI", ["2026-01-02 09:00", "2026-01-09 09:00", "2026-01-13 09:00"]),
        ("0 9 */13 * FRI", ["2026-02-27 09:00", "2026-03-27 09:00", "2026-05-01 09:00"]),
        ("0 0 29 2 *", ["2028-02-29 00:00", "2032-02-29 00:00", "2036-02-29 00:00"]),
    ],
)
def test_lists_ranges_steps_names_and_last_days_are_read(expression, expected):
    assert next_three(expression) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("@hourly", "2026-01-01 14:00"),
        ("@daily", "2026-01-02 00:00"),
        ("@midnight", "2026-01-02 00:00"),
        ("@weekly", "2026-01-04 00:00"),
        ("@Monthly", "2026-02-01 00:00"),
        ("@yearly", "2027-01-01 00:00"),
        ("@annually", "2027-01-01 00:00"),
    ],
)
def test_a_shortcut_stands_for_its_five_fields(name, expected):
    assert next_three(name)[0] == expected
    assert cron(name).expression == SHORTCUTS[name.lower()]


def test_two_spellings_of_one_expression_are_equal():
    assert cron("  0\t8 * *  mon-fri ") == cron("0 8 * * MON-FRI")
    assert cron("@daily") == cron("0 0 * * *")


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("60 * * * *", "cron: minute: '60' cannot be read"),
        ("*/0 * * * *", "cron: minute: '*/0' cannot be read"),
        ("1,,2 * * * *", "cron: minute: '1,,2' cannot be read"),
        ("0 24 * * *", "cron: hour: '24' cannot be read"),
        ("0 17-9 * * *", "cron: hour: '17-9' cannot be read"),
        ("0 0 32 * *", "cron: day of month: '32' cannot be read"),
        ("0 0 0 * *", "cron: day of month: '0' cannot be read"),
        ("0 0 1 13 *", "cron: month: '13' cannot be read"),
        ("0 0 1 JANUARY *", "cron: month: 'JANUARY' cannot be read"),
        ("0 0 * * 8", "cron: day of week: '8' cannot be read"),
        ("0 0 * * fri-sun", "cron: day of week: 'FRI-SUN' cannot be read"),
        ("0 0 * * MON#6", "cron: day of week: 'MON#6' cannot be read"),
        ("0 0 * * L", "cron: day of week: 'L' cannot be read"),
        ("*/90 * * * *", "cron: minute: a step of 90 never comes round in '*/90'"),
        ("0 */48 * * *", "cron: hour: a step of 48 never comes round in '*/48'"),
    ],
)
def test_a_field_that_cannot_be_read_is_named_with_what_it_may_be(expression, message):
    error = refused(expression)
    assert error.message == message
    assert error.hint.startswith(f"A{'n' * ('hour' in message)} {message.split(': ')[1]} is ")


def test_of_two_bad_fields_the_first_is_named():
    assert refused("0 25 * * MON#9").message == "cron: hour: '25' cannot be read"


def test_seconds_are_refused_with_the_expression_that_has_none():
    error = refused("0 30 8 * * mon")
    assert error.message == "cron: there are six fields; it has five, and seconds are not among them"
    assert error.hint == "Leave out the seconds: 30 8 * * MON"


@pytest.mark.parametrize(("expression", "count"), [("", 0), ("* * * *", 4), ("0 0 0 1 1 * 2026", 7)])
def test_too_few_or_too_many_fields_are_counted(expression, count):
    error = refused(expression)
    assert f"has {count} fields instead of five" in error.message
    assert error.hint


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "0 0 31 4,6 *", "* * */20 * 1L", "0 0 */30 2 TUE#2"])
def test_an_expression_that_never_fires_is_refused(expression):
    error = refused(expression)
    assert error.message == f"cron: {expression!r} never fires: no year has such a day"
    assert "30 February" in error.hint


def test_an_unknown_shortcut_names_those_that_there_are():
    error = refused("@reboot")
    assert error.message == "cron: there is no '@reboot'"
    assert "@hourly, @daily" in error.hint


def test_an_unknown_zone_is_refused_with_one_that_is_near():
    error = refused("0 8 * * *", "America/New_Yrok")
    assert error.message == "zone: there is no time zone 'America/New_Yrok'"
    assert error.hint == "did you mean America/New_York?"


@pytest.mark.parametrize("expression", ["9" * (LONGEST_EXPRESSION + 1), "0 8 * * ｍｏｎ", "٣ * * * *", "0 0 1 ı *"])
def test_long_and_foreign_texts_are_refused_whole(expression):
    assert "cannot be read: at most 200 plain characters are" in refused(expression).message


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 8 * * *", "At 08:00 every day"),
        ("0 8 * * MON-FRI", "At 08:00 on Monday through Friday"),
        ("@hourly", "At the start of every hour"),
        ("*/5 9-17 * * *", "Every fifth minute from 09:00 through 17:59"),
        ("0 9 21,22,31 * *", "At 09:00 on the 21st, the 22nd, and the 31st day of month"),
        ("0 9 11 * *", "At 09:00 on the 11th day of every month"),
        ("0 9 13 * FRI", "At 09:00 on the 13th day of month and also on Friday"),
        ("0 9 */2 * MON", "At 09:00 on every second day of month if it's on Monday"),
        ("0 9 LW * *", "At 09:00 on the last weekday of every month"),
    ],
)
def test_it_is_told_in_words(expression, words):
    assert cron(expression).in_words() == words


ATOM = st.one_of(
    st.sampled_from(["*", "L", "LW", "MON", "SUN", "JAN", "5L", "SUNL", "0#2", "MON#5", "MON#0", ""]),
    st.integers(0, 60),
)
FIELD = st.one_of(
    st.builds(str, ATOM),
    st.builds("{}-{}".format, ATOM, ATOM),
    st.builds("{}/{}".format, ATOM, st.integers(0, 70)),
    st.builds("{},{}".format, ATOM, ATOM),
)


@given(st.one_of(st.text(max_size=40), st.lists(FIELD, min_size=4, max_size=6).map(" ".join)))
def test_any_text_is_a_schedule_that_fires_or_is_refused_in_words(text):
    made = error = None
    try:
        made = cron(text)
    except UsageError as caught:
        error = caught
    if made is None:
        assert error.message.startswith("cron: ")
        assert error.hint
        return
    assert made.next_after(us("2026-01-01T00:00Z")) is not None
    assert made.in_words()
    assert Cron.parse(made.expression, made.zone) == made
