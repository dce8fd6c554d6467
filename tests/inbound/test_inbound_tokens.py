"""Tokens: short, safe in an address, and nobody can invent one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.inbound.tokens import Token, looks_like_token, read_token, token_for, token_in, verp_address

SECRET = b"s" * 32
IDS = st.integers(1, 2**31 - 1)


@given(IDS, st.integers(0, 2**31 - 1), st.text(min_size=1, max_size=60))
def test_a_token_tells_what_it_was_made_for_in_either_case(recipient: int, step: int, name: str) -> None:
    token = token_for(SECRET, recipient, step_id=step, list_name=name)
    assert re.fullmatch(r"[a-z2-7]{20,40}", token)
    for text in (token, token.upper()):
        read = read_token(SECRET, text)
        assert read is not None
        assert (read.recipient_id, read.step_id) == (recipient, step)
        assert read.names_list(name)
        assert not read.names_list(name + "x")


@given(IDS, st.data())
def test_a_token_that_was_changed_names_nobody_else(recipient: int, data: st.DataObject) -> None:
    token = token_for(SECRET, recipient)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
    read = read_token(SECRET, token[:place] + letter + token[place + 1 :])
    assert read in (None, Token(recipient))


def test_another_secret_reads_nothing() -> None:
    assert read_token(b"o" * 32, token_for(SECRET, 5)) is None


@given(st.text(max_size=50))
def test_any_text_is_read_or_refused_but_never_breaks(text: str) -> None:
    assert read_token(SECRET, text) is None
    token_in(text)


def test_a_weak_secret_and_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="16 octets"):
        token_for(b"short", 1)
    with pytest.raises(ValueError, match="fit"):
        token_for(SECRET, 2**62, step_id=2**62, list_name="news")
    with pytest.raises(ValueError, match="stored recipient"):
        token_for(SECRET, 0)


def test_a_token_fits_into_a_local_part_and_is_found_there() -> None:
    token = token_for(SECRET, 2**31 - 1, step_id=2**31 - 1, list_name="news")
    address = verp_address("bounces", token, "example.com")
    assert len(address.partition("@")[0]) <= 64
    assert token_in(f"<{address.upper()}>") == ("bounces", token)
    with pytest.raises(ValueError, match="64 octets"):
        verp_address("b" * 40, token, "example.com")


@pytest.mark.parametrize("address", ["ada+news@example.net", "ada@example.net", "ada+@example.net", ""])
def test_an_address_without_a_token_has_none(address: str) -> None:
    assert token_in(address)[1] == ""
    assert not looks_like_token("news")
