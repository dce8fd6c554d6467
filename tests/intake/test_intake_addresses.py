"""Addresses: what is accepted, in which form it is compared, and why the rest is refused."""

from __future__ import annotations

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from engine.intake import addresses
from engine.intake.addresses import RESERVED, Address, AddressError, parse_address

ATEXT = "abcXYZ019!#$%&'*+-/=?^_`{|}~."
HOST = "abcXYZ019-."


def reason(text: str) -> str:
    with pytest.raises(AddressError) as caught:
        parse_address(text)
    assert caught.value.hint
    return caught.value.reason


def test_a_plain_address_is_kept_as_given_and_compared_in_lower_case() -> None:
    assert parse_address("Ann.Lee+x@Example.COM") == Address("Ann.Lee+x@Example.COM", "ann.lee+x@example.com", False)


def test_blanks_around_an_address_are_dropped() -> None:
    assert parse_address(" \tann@example.org\u00a0").address == "ann@example.org"


@pytest.mark.parametrize("domain", ["example.com", "example.org", "shop.example", "relay.test"])
def test_reserved_test_domains_are_accepted(domain: str) -> None:
    assert parse_address(f"ann@{domain}").key == f"ann@{domain}"


def test_an_international_domain_is_sent_and_compared_in_its_ascii_form() -> None:
    found = parse_address("Ann@BÜCHER.example")
    assert found == Address("Ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example", False)
    assert parse_address("ann@xn--bcher-kva.example").key == found.key


def test_an_international_local_part_needs_smtputf8() -> None:
    found = parse_address("JÖRG@bücher.example")
    assert found == Address("JÖRG@xn--bcher-kva.example", "jörg@xn--bcher-kva.example", True)


def test_composed_and_decomposed_letters_are_the_same_address() -> None:
    assert parse_address("jo\u0308rg@x.example") == parse_address("j\u00f6rg@x.example")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("ann", "@-sign"),
        ("@example.com", "before the @"),
        ("ann@", "after the @"),
        ("a@x.example,b@x.example", "list"),
        ("a@x.example;b@x.example", "list"),
        ("a@x.example b@x.example", "more than one @"),
        ("a@b@x.example", "more than one @"),
        ("Ann <ann@x.example>", "keep only the address"),
        ("<ann@x.example>", "keep only the address"),
        ('"ann lee"@x.example', "quotation mark"),
        ("ann lee@x.example", "space"),
        ("ann@x.example\r\nRCPT TO:<b@x.example>", "control character"),
        ("ann@x.example\n", "control character"),
        ("ann\0@x.example", "control character"),
        ("ann\x1b[2J@x.example", "control character"),
        ("ann\x7f@x.example", "control character"),
        ("ann\u202e@x.example", "RIGHT-TO-LEFT OVERRIDE"),
        ("an\u200bn@x.example", "ZERO WIDTH SPACE"),
        ("ann@x\u00ad.example", "SOFT HYPHEN"),
        ("ann\ud800@x.example", "U+D800"),
        ("ann@localhost", "period"),
        ("ann@mail.localhost", "reserved"),
        ("ann@test", "no dot"),
        ("ann@[127.0.0.1]", "IP literal"),
        ("ann@127.0.0.1", "top-level"),
        ("ann@printer.local", "reserved"),
        (".ann@x.example", "start with a period"),
        ("a..n@x.example", "two periods"),
        ("ann@-x.example", "hyphen"),
        ("ann@x..example", "two periods"),
        ("ann@ab--cd.example", "two dashes"),
        ("a" * 65 + "@x.example", "64 octets"),
        ("ö" * 33 + "@x.example", "64 octets"),
        ("ann@" + "x" * 64 + ".example", "so many characters"),
        ("ann@" + "x." * 130 + "example", "254 octets"),
        ("ann@" + "ü" * 60 + ".example", "Label too long"),
        ("x" * 1_000_000, "254 octets"),
    ],
)
def test_what_is_not_one_address_is_refused_with_a_reason(text: str, word: str) -> None:
    said = reason(text)
    assert word in said
    assert said.isprintable()


def test_special_names_of_the_library_are_left_as_they_were() -> None:
    import email_validator

    parse_address("ann@relay.test")
    assert {*RESERVED, "test"} == set(email_validator.SPECIAL_USE_DOMAIN_NAMES)


@given(
    st.text(ATEXT, min_size=1, max_size=70),
    st.one_of(
        st.text(HOST, min_size=1, max_size=70),
        st.lists(st.text("abZ9-", min_size=1, max_size=5), min_size=1, max_size=4).map(".".join),
        st.sampled_from(["a.local", "b.invalid", "x.onion", "in.ARPA", "xn--bcher-kva.example", "xn--zz.de"]),
    ),
)
def test_the_fast_path_agrees_with_the_reference_validator(local: str, domain: str) -> None:
    text = f"{local}@{domain}"
    try:
        found = validate_email(text, check_deliverability=False, test_environment=True)
        fits = len(local) <= addresses.MAX_LOCAL and "." in found.ascii_domain
        expected = f"{local.lower()}@{found.ascii_domain}" if fits else None
    except EmailNotValidError:
        expected = None
    try:
        key = parse_address(text).key
    except AddressError:
        key = None
    assert key == expected


@given(st.text(max_size=40) | st.tuples(st.text(max_size=12), st.text(max_size=12)).map("@".join))
def test_an_accepted_address_is_safe_and_stays_itself_when_parsed_again(text: str) -> None:
    try:
        found = parse_address(text)
    except AddressError:
        return
    assert parse_address(found.address) == found
    assert parse_address(found.key).key == found.key
    assert found.address.count("@") == 1
    assert found.smtputf8 is not found.address.isascii()
    assert found.address.isprintable()
    assert not set(found.address) & set(' ,;<>"\r\n\0')
