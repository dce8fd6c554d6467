"""The filter language: what it reads, what it refuses and where, and that it never says more than was meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import FilterError
from storage.filter_languages import LANGUAGES, Language
from storage.filter_sql import where
from storage.filter_terms import (
    FIELDS,
    NUMBERS,
    STATE_WORDS,
    TEXTS,
    Contains,
    Filter,
    Match,
    Not,
    Number,
    States,
    Time,
    Word,
    literal,
    render,
)
from storage.filters import complete, parse
from storage.model import DAY, HOUR, MINUTE, SECOND


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", ()),
        ("   ", ()),
        ("state:failed,retry", (States(("failed", "retry")),)),
        ("-state:done", (Not(States(("completed",))),)),
        ("campaign:spring*", (Match("campaign", ("spring*",)),)),
        ("error:~421", (Contains(("421",)),)),
        ('error:~"timed out",421', (Contains(("timed out", "421")),)),
        ('error:"550 5.1.1 user unknown"', (Match("error", ("550 5.1.1 user unknown",)),)),
        ("try:>3", (Number("try", 4, None),)),
        ("try:<=3", (Number("try", None, 3),)),
        ("id:100..200", (Number("id", 100, 200),)),
        ("id:7", (Number("id", 7, 7),)),
        ("age:>1h30m", (Time("age", True, HOUR + 30 * MINUTE),)),
        ("next:<10m", (Time("next", False, 10 * MINUTE),)),
        ("since:24h", (Time("since", False, DAY),)),
        ("kind:send queue:smtp-eu-2", (Match("kind", ("send",)), Match("queue", ("smtp-eu-2",)))),
        ("to:*@example.org", (Match("to", ("*@example.org",)),)),
        ('"free words" kim', (Word("free words"), Word("kim"))),
        ('-"free words"', (Not(Word("free words")),)),
        ('"state:failed"', (Word("state:failed"),)),
        ('"-x"', (Word("-x"),)),
        ('"say \\"hi\\""', (Word('say "hi"'),)),
        ('campaign:"a*b"*', (Match("campaign", ("a\\*b*",)),)),
        ("STATE:Failed", (States(("failed",)),)),
        ("a,b", (Word("a,b"),)),
    ],
)
def test_every_form_of_a_term_is_read(text: str, terms: tuple[object, ...]) -> None:
    assert parse(text).terms == terms


@pytest.mark.parametrize(
    ("word", "states"),
    [
        ("QUEUED", ("pending",)),
        ("SENT", ("completed",)),
        ("in_progress", ("processing",)),
        ("success", ("completed",)),
        ("open", ("held", "pending", "processing")),
        ("scheduled,due,retry", ("scheduled", "due", "retry")),
    ],
)
def test_the_words_that_people_bring_along_mean_our_states(word: str, states: tuple[str, ...]) -> None:
    assert parse(f"state:{word}").terms == (States(states),)


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("state:fialed", "column 7: there is no state 'fialed'", "did you mean 'failed'?"),
        ("kim stat:failed", "column 5: there is no field 'stat'", "did you mean 'state:'?"),
        ("a@b.c:25", "column 1: there is no field 'a@b.c'", "quote it"),
        ("state:", "column 7: 'state:' has no value", "state:failed,retry"),
        ("state:failed,", "column 7: 'state:' has no value", "state:failed,retry"),
        ("error:~", "column 7: 'error:~' has no text", "error:~421"),
        ("- state:failed", "column 1: '-' stands alone", "before a term"),
        ('error:~"421', "column 8: this quote is not closed", 'close it with "'),
        ('""', "column 1: a word is missing", "write one"),
        ("try:many", "column 5: 'many' is no number", "try:>3"),
        ("try:<0", "column 5: '<0' can be true of nothing", "try:>3"),
        ("id:9..3", "column 4: '9..3' ends before it begins", "write id:3..9"),
        ("try:1,2", "column 5: 'try:' takes one value", "try:>3"),
        ("age:1h", "column 5: 'age:' takes > or <", "age:>1h"),
        ("since:>1h", "column 7: 'since:' takes no sign", "since:24h"),
        ("age:>1", "column 5: '1' is not a duration", "units are s, m, h, d, w"),
        ("age:>999999w", "column 5: '999999w' is longer than ten years", "age:>1h"),
        ("\ud800", "a character that is none", "anew"),
        ("x" * 2_001, "at most 2,000 characters", "split"),
    ],
)
def test_what_does_not_parse_names_the_word_the_column_and_the_remedy(text: str, message: str, remedy: str) -> None:
    with pytest.raises(FilterError) as refused:
        parse(text)
    assert message in refused.value.message
    assert remedy in refused.value.hint
    assert refused.value.exit_code == 5


_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_patterns = st.lists(st.one_of(st.just("*"), _texts.map(literal)), min_size=1, max_size=3).map("".join)
_many = {"min_size": 1, "max_size": 3, "unique": True}
_whole = st.integers(0, 10**18 - 1)
_numbers = st.tuples(_whole, _whole).flatmap(
    lambda pair: st.sampled_from([(min(pair), max(pair)), (pair[0], None), (None, pair[0]), (pair[0], pair[0])])
)
_positive = st.one_of(
    st.lists(st.sampled_from(STATE_WORDS), **_many).map(lambda words: States(tuple(words))),
    st.builds(Match, st.sampled_from([*TEXTS, "error"]), st.lists(_patterns, **_many).map(tuple)),
    st.lists(_texts, **_many).map(lambda texts: Contains(tuple(texts))),
    st.builds(lambda field, pair: Number(field, *pair), st.sampled_from(NUMBERS), _numbers),
    st.builds(
        lambda field, more, n: Time(field, more and field != "since", n * SECOND),
        st.sampled_from(["age", "next", "since"]), st.booleans(), st.integers(0, 3_650 * 86_400),
    ),
    _texts.map(Word),
)  # fmt: skip
_filters = st.lists(st.one_of(_positive, _positive.map(Not)), max_size=5).map(lambda terms: Filter(tuple(terms)))


@given(_filters)
def test_a_rendered_filter_parses_to_itself(filter: Filter) -> None:
    assert parse(render(filter)) == filter


@given(st.text(st.one_of(st.sampled_from('-:,"*\\~<>.= sdhateio19'), st.characters()), max_size=40))
def test_any_text_is_a_filter_or_refused_with_a_remedy(text: str) -> None:
    refused, filter = None, Filter()
    try:
        filter = parse(text)
    except FilterError as error:
        refused = error
    assert refused.hint if refused else parse(render(filter)) == filter


@given(_filters)
def test_what_is_typed_reaches_sql_as_parameters_only(filter: Filter) -> None:
    condition = where(filter, 10**15)
    assert condition.sql.count("?") == len(condition.values)
    # The text of a filter of this shape, whatever was typed into it.
    plain = Filter(tuple(_tame(term) for term in filter.terms))
    assert condition.sql == where(plain, 10**15).sql


def _tame(term: object) -> object:
    match term:
        case Not(inside):
            return Not(_tame(inside))  # type: ignore[arg-type]
        case Match(field, patterns):
            return Match(field, tuple("x" for _ in patterns))
        case Contains(texts):
            return Contains(tuple("x" for _ in texts))
        case Word(text):
            return Word("1" if text.isascii() and text.isdigit() else "x")
    return term


def test_completion_offers_fields_then_values_and_never_what_stands_there() -> None:
    assert complete("", 0) == [f"{field}:" for field in FIELDS]
    assert complete("stat", 4) == ["state:"]
    assert complete("-sta", 4) == ["-state:", "-stage:"]
    assert complete("kim state:fai", 13) == ["state:failed"]
    assert complete("state:failed,re", 15) == ["state:failed,retry"]
    assert "state:failed,failed" not in complete("state:failed,", 13)
    assert complete("state:failed", 12) == []
    assert complete("age:", 4) == ["age:>1h"]
    assert complete("campaign:sp", 11, {"campaign": ["spring", "spring sale", "winter"]}) == [
        "campaign:spring",
        'campaign:"spring sale"',
    ]
    assert complete("nothing:x", 9) == []


@given(st.text(max_size=20), st.integers(0, 20))
def test_completion_takes_any_text(text: str, cursor: int) -> None:
    complete(text, min(cursor, len(text)))


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.of)
def test_every_field_has_an_example_that_parses(language: Language) -> None:
    assert set(language.examples) == set(language.fields)
    for field, example in language.examples.items():
        assert example.startswith(f"{field}:")
        assert parse(example, language).terms
