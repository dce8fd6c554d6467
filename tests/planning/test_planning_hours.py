"""Weekly hours: as they are written, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.planning.hours import ALWAYS, Span, checked_hours, format_hours, parse_hours
from storage.errors import UsageError

NINE, NOON, ONE, FIVE = 9 * 60, 12 * 60, 13 * 60, 17 * 60


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("mon 09:00-17:00", [Span(0, NINE, FIVE)]),
        ("Mon-Tue 9-17", [Span(0, NINE, FIVE), Span(1, NINE, FIVE)]),
        ("sunday 9:00 - 17:00", [Span(6, NINE, FIVE)]),
        ("mon, wed 9-17", [Span(0, NINE, FIVE), Span(2, NINE, FIVE)]),
        ("sun-mon 9-17", [Span(0, NINE, FIVE), Span(6, NINE, FIVE)]),
        ("mon 9-12, 13-17", [Span(0, NINE, NOON), Span(0, ONE, FIVE)]),
        ("mon 13-17; mon 9-12", [Span(0, NINE, NOON), Span(0, ONE, FIVE)]),
        ("fri 22:00-06:00", [Span(4, 1320, 1800)]),
        ("fri 22:00-30:00", [Span(4, 1320, 1800)]),
        ("fri 18:00-24:00", [Span(4, 1080, 1440)]),
        ("fri 18:00-00:00", [Span(4, 1080, 1440)]),
        ("fri 09:00-33:00", [Span(4, NINE, NINE + 1440)]),
        ("daily 9-17", [Span(day, NINE, FIVE) for day in range(7)]),
        ("9-17", [Span(day, NINE, FIVE) for day in range(7)]),
        ("always", list(ALWAYS)),
        (["mon 9-12", "mon 13-17"], [Span(0, NINE, NOON), Span(0, ONE, FIVE)]),
        ("mon 9-12\nmon 9-12;", [Span(0, NINE, NOON)]),
    ],
)
def test_hours_are_read(text, hours):
    assert parse_hours(text) == tuple(hours)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ; ",
        [],
        "mon",
        "funday 9-17",
        "mon- 9-17",
        "mon 9",
        "mon 9-17-18",
        "mon 25-26",
        "mon 09:60-17:00",
        "mon 09:00-09:00",
        "mon 09:00-49:00",
        "mon 9-12, tue 13-17",
        "mon 9-12,",
        "mon 9–17",
        ["mon 9-17", None],
    ],
)
def test_other_texts_are_refused_with_an_example(text):
    with pytest.raises(UsageError, match=r"window\.hours") as refused:
        parse_hours(text)
    assert refused.value.hint


@pytest.mark.parametrize("span", [(7, 0, 60), (-1, 0, 60), (0, 1440, 1500), (0, -1, 60), (0, 60, 60), (0, 60, 1501)])
def test_a_span_that_no_week_has_is_refused(span):
    with pytest.raises(UsageError, match=r"window\.hours"):
        checked_hours([Span(*span)])


@pytest.mark.parametrize(
    "text",
    [
        "always",
        "mon-fri 09:00-12:00, 13:00-17:00; sat 10:00-14:00",
        "mon,wed-thu 09:00-17:00",
        "mon-sun 22:00-06:00",
        "fri 18:00-24:00",
        "fri 09:00-33:00",
    ],
)
def test_hours_are_written_as_people_write_them(text):
    assert format_hours(parse_hours(text)) == text


@given(st.sets(st.tuples(st.integers(0, 6), st.integers(0, 1439), st.integers(1, 1440)), min_size=1, max_size=20))
def test_hours_are_written_as_they_are_read(found):
    hours = checked_hours(Span(day, start, start + length) for day, start, length in found)
    assert parse_hours(format_hours(hours)) == hours
