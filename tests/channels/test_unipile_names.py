"""Names: what can be one person's, and what cannot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.channels.unipile.names import could_be_same


@pytest.mark.parametrize(
    ("known", "found"),
    [
        ("Ana López", "Ana Lopez García"),
        ("LÓPEZ, ana", "Ana María López, PhD"),
        ("Łukasz Øster", "Lukasz Oster"),
        ("Straße", "STRASSE"),
        ("Jürgen", "Ju\u0308rgen M."),
        ("Dr. A. Smith-Jones", "Alex Jones"),
        ("", "Ana López"),
        ("Ana López", ""),
        ("Ivan Petrov", "Иван Петров"),
        ("张伟", "Wei Zhang"),
    ],
)
def test_a_word_in_common_or_nothing_to_compare_is_the_same_person(known: str, found: str) -> None:
    assert could_be_same(known, found)
    assert could_be_same(found, known)


@pytest.mark.parametrize(("known", "found"), [("Ana López", "Bob Smith"), ("Ann", "Anna"), ("Иван Петров", "Анна Ким")])
def test_names_without_a_word_in_common_are_two_people(known: str, found: str) -> None:
    assert not could_be_same(known, found)


@given(st.text(max_size=30), st.text(max_size=30))
def test_the_order_does_not_matter_and_a_name_is_its_own(one: str, other: str) -> None:
    assert could_be_same(one, other) == could_be_same(other, one)
    assert could_be_same(one, one)
