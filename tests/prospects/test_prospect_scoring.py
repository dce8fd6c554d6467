"""Scores and ranks: transparent, deterministic, and everybody is accounted for."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.prospects.criteria import Criteria, Weights
from engine.prospects.prospect import Prospect
from engine.prospects.scoring import CONTACTED, OVER_LIMIT, TWICE, lacks, rank, score

ICP = Criteria(
    industries=("Construction", "Real Estate", "Healthcare"), min_size=10, max_size=500, regions=("CA", "US")
)


def person(number: int = 1, **changes: Any) -> Prospect:
    address = f"p{number:03}@x.example"
    given = {"address": address, "key": address, "industry": "Construction", "size": 100, "region": "US"}
    return Prospect(number, **(given | changes))


def test_who_meets_everything_has_a_hundred_points() -> None:
    found = score(person(), ICP)
    assert (found.points, dict(found.parts)) == (100, {"industry": 40, "size": 30, "region": 30})
    assert found.reasons == ("industry Construction", "100 employees", "region US")
    assert found.qualified and found.high


@pytest.mark.parametrize(
    ("changes", "parts", "reason"),
    [
        ({"industry": "retail"}, (0, 30, 30), "industry retail is not looked for"),
        ({"industry": " real  ESTATE "}, (40, 30, 30), "industry  real  ESTATE "),
        ({"industry": ""}, (0, 30, 30), "industry not known"),
        ({"size": 10}, (40, 30, 30), "10 employees"),
        ({"size": 500}, (40, 30, 30), "500 employees"),
        ({"size": 9}, (40, 15, 30), "9 employees, a little small"),
        ({"size": 5}, (40, 15, 30), "5 employees, a little small"),
        ({"size": 4}, (40, 0, 30), "4 employees, too small"),
        ({"size": 1_000}, (40, 15, 30), "1,000 employees, a little large"),
        ({"size": 1_001}, (40, 0, 30), "1,001 employees, too large"),
        ({"size": None}, (40, 0, 30), "size not known"),
        ({"region": "us-ca"}, (40, 30, 30), "region us-ca"),
        ({"region": "USA"}, (40, 30, 0), "region USA is not looked for"),
        ({"region": ""}, (40, 30, 0), "region not known"),
    ],
)
def test_each_part_says_what_it_gave_and_why(changes: Any, parts: tuple[int, ...], reason: str) -> None:
    found = score(person(**changes), ICP)
    assert tuple(found.parts.values()) == parts
    assert found.points == sum(parts)
    assert reason in found.reasons


def test_what_is_not_asked_for_gives_its_points_and_is_not_needed() -> None:
    nobody_knows = person(industry="", size=None, region="")
    assert lacks(nobody_knows, Criteria()) == ""
    assert score(nobody_knows, Criteria()).points == 100
    assert score(nobody_knows, Criteria()).reasons == ("any industry", "any size", "any region")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"address": "", "key": ""}, "no e-mail address"),
        ({"industry": ""}, "no industry"),
        ({"size": None}, "no size"),
        ({"region": ""}, "no region"),
    ],
)
def test_who_cannot_be_scored_is_dropped_with_the_reason(changes: Any, reason: str) -> None:
    found = rank([person(**changes)], ICP, set(), 50)
    assert (found.scored, dict(found.dropped)) == ((), {reason: 1})


def test_the_thresholds_are_both_included() -> None:
    criteria = ICP.model_copy(update={"min_score": 60, "high_score": 70})
    found = [score(person(**one), criteria) for one in ({"industry": "x"}, {"region": "x"}, {"size": 1, "region": "x"})]
    assert [(one.points, one.qualified, one.high) for one in found] == [
        (60, True, False), (70, True, True), (40, False, False),
    ]  # fmt: skip


def test_who_is_first_and_what_became_of_the_others() -> None:
    people = [
        person(1, size=8), person(2), person(3), person(4, industry="Retail"), person(5, industry="Retail", size=9_000),
        person(6, size=None), person(7),
    ]  # fmt: skip
    found = rank(people, ICP, {"p003@x.example"}, 2)
    rows = [
        [one.prospect.row for one in part] for part in (found.scored, found.high, found.uncontacted, found.selected)
    ]
    assert rows == [[2, 3, 7, 1, 4, 5], [2, 3, 7, 1], [2, 7, 1], [2, 7]]
    assert dict(found.dropped) == {
        "no size": 1, "fits, but below 80 points": 1, "below 50 points": 1, CONTACTED: 1, OVER_LIMIT: 1,
    }  # fmt: skip


def test_a_function_may_tell_who_was_contacted() -> None:
    found = rank([person(1), person(2)], ICP, lambda key: key.startswith("p001"), 50)
    assert [one.prospect.row for one in found.selected] == [2]


def test_one_person_in_two_rows_is_selected_once() -> None:
    found = rank([person(1, size=8), person(2, key="p001@x.example", address="P001@x.example")], ICP, set(), 50)
    assert [one.prospect.row for one in found.selected] == [2]
    assert dict(found.dropped) == {TWICE: 1}


@pytest.mark.parametrize("limit", [0, -3])
def test_without_a_quota_nobody_is_selected(limit: int) -> None:
    found = rank([person(number) for number in range(5)], ICP, set(), limit)
    assert (found.selected, dict(found.dropped)) == ((), {OVER_LIMIT: 5})


def test_equal_scores_are_in_the_order_of_their_addresses() -> None:
    people = [person(row, address=f"{name}@x.example", key=f"{name}@x.example") for row, name in enumerate("cab")]
    assert [one.prospect.key[0] for one in rank(people, ICP, set(), 2).selected] == ["a", "b"]


@pytest.mark.parametrize(
    "table",
    [
        {"min_size": 20, "max_size": 10},
        {"min_score": 80, "high_score": 70},
        {"weights": {"industry": 50}},
        {"min_score": 101},
        {"industries": ("",)},
        {"industry": ("Retail",)},
    ],
)
def test_criteria_that_contradict_themselves_are_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Criteria.model_validate(table)


WORDS = st.sampled_from(["", "Construction", "healthcare", "Retail", "US", "CA-ON", "DE"])
PEOPLE = st.lists(
    st.builds(
        lambda number, told, industry, size, region: person(
            number, industry=industry, size=size, region=region, **({} if told else {"address": "", "key": ""})
        ),
        st.integers(1, 40), st.booleans(), WORDS, st.none() | st.integers(0, 2_000), WORDS,
    ),
    max_size=40,
)  # fmt: skip
WEIGHTS = st.integers(0, 100).flatmap(
    lambda first: st.integers(0, 100 - first).map(
        lambda second: Weights(industry=first, size=second, region=100 - first - second)
    )
)


@given(PEOPLE, WEIGHTS, st.frozensets(st.integers(1, 40)), st.integers(0, 60))
def test_everybody_is_accounted_for_and_each_list_holds_the_next(
    people: list[Prospect], weights: Weights, known: frozenset[int], limit: int
) -> None:
    criteria = ICP.model_copy(update={"weights": weights})
    contacted = {f"p{number:03}@x.example" for number in known}
    found = rank(people, criteria, contacted, limit)
    assert sum(found.dropped.values()) + len(found.selected) == len(people)
    ladder = [list(map(id, part)) for part in (found.scored, found.high, found.uncontacted, found.selected)]
    for wider, narrower in pairwise(ladder):
        assert [one for one in wider if one in set(narrower)] == narrower
    assert len(found.selected) == min(limit, len(found.uncontacted))
    assert not contacted & {one.prospect.key for one in found.uncontacted}
    for one in found.scored:
        assert 0 <= one.score.points == sum(one.score.parts.values()) <= 100


@given(PEOPLE, st.randoms(use_true_random=False))
def test_the_order_of_the_source_decides_nothing_but_rows_of_one_person(
    people: list[Prospect], chance: random.Random
) -> None:
    shuffled = people[:]
    chance.shuffle(shuffled)
    one, other = rank(people, ICP, set(), 20), rank(shuffled, ICP, set(), 20)
    assert [(r.prospect.key, r.score.points) for r in one.selected] == [
        (r.prospect.key, r.score.points) for r in other.selected
    ]
    assert one.dropped == other.dropped


@given(st.integers(0, 3_000), st.integers(0, 400), st.none() | st.integers(400, 900))
def test_a_size_nearer_to_the_bounds_never_has_fewer_points(size: int, low: int, high: int | None) -> None:
    criteria = Criteria(min_size=low, max_size=high)
    nearer = size + 1 if size < low else size - 1 if high is not None and size > high else size
    assert score(person(size=nearer), criteria).points >= score(person(size=size), criteria).points
