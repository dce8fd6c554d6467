"""The lists that a filter can ask: what each knows, what it refuses, what it completes; patterns over texts."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storage.errors import FilterError
from storage.filter_languages import CAMPAIGNS, FAILURES, Language
from storage.filter_rows import holds, is_like
from storage.filter_sql import like
from storage.filter_terms import Match, Not, States, Time, literal, render
from storage.filters import complete, parse
from storage.model import DAY


def test_further_names_of_a_field_mean_the_field() -> None:
    filter = parse("campaign:spring* queue:eu -kind:smtp", CAMPAIGNS)
    assert filter.terms == (Match("name", ("spring*",)), Match("account", ("eu",)), Not(Match("channel", ("smtp",))))
    assert parse(render(filter), CAMPAIGNS) == filter
    assert parse("account:eu since:24h", FAILURES).terms == (Match("queue", ("eu",)), Time("since", False, DAY))


@pytest.mark.parametrize(
    ("language", "text", "message"),
    [
        (CAMPAIGNS, "state:active try:>3", "column 14: campaigns have no field 'try'"),
        (CAMPAIGNS, "-error:~421", "column 2: campaigns have no field 'error'"),
        (FAILURES, "state:failed", "column 1: failures have no field 'state'"),
        (FAILURES, "since:1h name:x", "column 10: failures have no field 'name'"),
    ],
)
def test_a_field_of_another_list_is_refused_with_those_that_there_are(
    language: Language, text: str, message: str
) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text, language)
    assert caught.value.message == message
    assert caught.value.hint == f"there are: {', '.join(language.fields)}"


def test_words_of_a_state_are_those_of_the_list() -> None:
    assert parse("state:ended,sched", CAMPAIGNS).terms == (States(("completed", "cancelled", "scheduled")),)
    with pytest.raises(FilterError, match="there is no state 'uncertain'"):
        parse("state:uncertain", CAMPAIGNS)
    with pytest.raises(FilterError) as caught:
        parse("state:pausd", CAMPAIGNS)
    assert caught.value.hint == "did you mean 'paused'?"


@pytest.mark.parametrize(
    ("language", "text", "offers"),
    [
        (CAMPAIGNS, "na", ["name:"]),
        (CAMPAIGNS, "state:re", ["state:recent"]),
        (CAMPAIGNS, "name:sp", ["name:spring-sale"]),
        (CAMPAIGNS, "campaign:sp", ["campaign:spring-sale"]),
        (CAMPAIGNS, "account:", ["account:smtp-eu-2"]),
        (CAMPAIGNS, "channel:o", ["channel:outbox"]),
        (CAMPAIGNS, "try:", []),
        (FAILURES, "kind:hard,n", ["kind:hard,net"]),
        (FAILURES, "since:", ["since:24h"]),
        (FAILURES, "-queue:s", ["-queue:smtp-eu-2"]),
        (FAILURES, "state:", []),
    ],
)
def test_fields_and_values_of_the_list_complete(language: Language, text: str, offers: list[str]) -> None:
    names = {"campaign": ["spring-sale"], "queue": ["smtp-eu-2"]}
    assert complete(text, len(text), names, language) == offers


@pytest.mark.parametrize(
    ("value", "pattern", "fits"),
    [
        ("spring-sale", "spring*", True), ("Spring-Sale", "*SALE", True), ("spring-sale", "s*g*e", True),
        ("spring-sale", "sale", False), ("aba", "ab*ba", False), ("a*b", "a\\*b", True), ("axb", "a\\*b", False),
        ("", "*", True), ("x", "", False), ("a.c", "a.c", True), ("abc", "a.c", False), ("a\nb", "a*b", True),
    ],
)  # fmt: skip
def test_patterns_mean_the_whole_value(value: str, pattern: str, fits: bool) -> None:
    assert is_like(value, [pattern]) is fits


ASCII = st.text(st.sampled_from("abAB*\\%_. "), max_size=8)


@given(ASCII, st.lists(ASCII.map(literal) | st.just("*"), max_size=5).map("".join))
@example("aab", "a*ab")
def test_patterns_mean_in_memory_what_they_mean_in_the_store(value: str, pattern: str) -> None:
    condition = like("?", (pattern,))
    with sqlite3.connect(":memory:") as connection:
        found = connection.execute(f"SELECT {condition.sql}", (value, *condition.values)).fetchone()[0]
    connection.close()
    assert is_like(value, [pattern]) is bool(found)


def test_words_are_looked_for_in_every_text_whatever_the_case() -> None:
    assert holds(("421 Rate limited", "news"), ("RATE",))
    assert holds(("421 Rate limited", "news"), ("x", "New"))
    assert not holds(("421 Rate limited", "news"), ("x",))
