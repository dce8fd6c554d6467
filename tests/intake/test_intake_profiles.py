"""Profiles: one form for every way of writing one, and a reason for what is nobody's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.intake.profiles import ProfileError, parse_profile, profile_address

INTERNAL = "ACoAAAcDMMQBODyLwZrRcgYhrkCafURGqva0U4E"


@pytest.mark.parametrize(
    "text",
    [
        "ana-lopez",
        "Ana-Lopez",
        "  ana-lopez\t",
        "in/ana-lopez",
        "/in/ana-lopez/",
        "linkedin.com/in/ana-lopez",
        "www.linkedin.com/in/ana-lopez/",
        "HTTPS://WWW.LinkedIn.com/in/Ana-Lopez",
        "http://de.linkedin.com/in/ana-lopez",
        "https://mx.linkedin.com/in/ana-lopez/en",
        "https://www.linkedin.com/in/ana-lopez/?originalSubdomain=mx&utm_source=share",
        "https://www.linkedin.com/in/ana-lopez?trk=x#about",
        "https://www.linkedin.com/in/ana-lopez/details/experience/",
        "https://www.linkedin.com:443//in//ana-lopez//",
    ],
)
def test_every_way_of_writing_a_profile_gives_its_public_name(text: str) -> None:
    assert parse_profile(text) == "ana-lopez"


@pytest.mark.parametrize(
    ("text", "profile"),
    [
        ("https://www.linkedin.com/in/Ana-L%C3%B3pez", "ana-lópez"),
        ("https://www.linkedin.com/in/ana-lo%CC%81pez", "ana-lópez"),
        ("linkedin.com/in/%E5%BC%A0%E4%BC%9F-12", "张伟-12"),
        ("O\u2019Brien-1", "o\u2019brien-1"),
        ("linkedin.com/in/%C4%B0stem-1", "i\u0307stem-1"),
    ],
)
def test_percent_signs_are_decoded_into_one_normal_form(text: str, profile: str) -> None:
    assert parse_profile(text) == profile


def test_an_internal_identifier_keeps_its_case() -> None:
    assert parse_profile(f"https://www.linkedin.com/in/{INTERNAL}/") == INTERNAL
    assert parse_profile(INTERNAL) == INTERNAL


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no profile"),
        ("ana@example.com", "e-mail"),
        ("Ana Lopez", "blanks"),
        ("ana\u200blopez", "invisible"),
        ("ana\x1b[2Jlopez", "invisible"),
        ("https://www.linkedin.com/company/acme", "a company's page"),
        ("https://www.linkedin.com/sales/lead/ACwAAB,NAME", "Sales Navigator"),
        ("https://www.linkedin.com/pub/ana-lopez/1/2/3", "old address"),
        ("https://www.linkedin.com/feed/", "a post"),
        ("https://www.linkedin.com", "another page"),
        ("linkedin.com/in/", "ends before"),
        ("https://linkedin.com.example.org/in/ana-lopez", "not an address at linkedin.com"),
        ("https://www.linkedin.com@example.org/in/ana-lopez", "not an address at linkedin.com"),
        ("https://evillinkedin.com/in/ana-lopez", "not an address at linkedin.com"),
        ("javascript://linkedin.com/in/ana", "not an address at linkedin.com"),
        ("example.org/in/ana-lopez", "not an address at linkedin.com"),
        ("www.example.org", "not an address at linkedin.com"),
        ("https://[/in/ana", "cannot be read"),
        ("linkedin.com/in/ana%2", "no two digits"),
        ("linkedin.com/in/ana%FF", "not UTF-8"),
        ("linkedin.com/in/ana%2Flopez", "letters, digits"),
        ("linkedin.com/in/ana%0Alopez", "letters, digits"),
        ("an", "3 to 200"),
        ("x" * 201, "3 to 200"),
        ("---", "letters, digits"),
    ],
)
def test_what_is_nobodys_profile_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(ProfileError) as refused:
        parse_profile(text)
    assert reason in refused.value.reason
    assert refused.value.reason.isprintable()


@given(st.text(max_size=60))
def test_whatever_stands_in_a_cell_is_a_profile_or_refused_and_cleaning_twice_changes_nothing(text: str) -> None:
    try:
        profile = parse_profile(text)
    except ProfileError:
        return
    assert parse_profile(profile) == profile
    assert "/" not in profile
    assert profile.isprintable()


def test_the_address_of_a_profile_is_cleaned_to_the_same_profile() -> None:
    assert parse_profile(profile_address("ana-lopez")) == "ana-lopez"
