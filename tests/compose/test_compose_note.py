"""Notes of invitations: short, plain, or none; and the name that a profile is compared with."""

from __future__ import annotations

import pytest

from engine.compose.errors import ComposeError, MissingField, TemplateError
from engine.compose.note import NoteFactory, person_name
from storage.nouns import Step

FIELDS = {"first_name": "Ana", "last_name": "López", "company": "ACME"}


def factory(text: str, limit: int = 300) -> NoteFactory:
    return NoteFactory(Step(1, 1, 1, "", text, ""), "acc-1", limit)


def note(text: str, limit: int = 300, **fields: object) -> str:
    message = factory(text, limit).build(
        address="ana@example.org", fields={**FIELDS, **fields}, message_id="<1@x>", date=0, profile="ana-lopez"
    )
    return message.content.decode()


def test_a_note_is_filled_in_and_goes_to_the_profile() -> None:
    made = factory("Hi {first_name}, I'd like to connect!")
    message = made.build(address="ana@example.org", fields=FIELDS, message_id="<1@x>", date=0, profile="ana-lopez")
    assert (message.sender, message.recipient, message.name) == ("acc-1", "ana-lopez", "Ana López")
    assert message.content.decode() == "Hi Ana, I'd like to connect!"
    assert (made.fields, made.required) == ({"first_name"}, {"first_name"})


@pytest.mark.parametrize("text", ["", "  \n", "{% if unknown %}x{% endif %}\n"])
def test_without_a_text_the_invitation_has_no_note(text: str) -> None:
    assert note(text) == ""


def test_the_limit_holds_after_filling_in_and_the_sentence_names_by_how_much() -> None:
    assert note("{company}", 300, company="x" * 300) == "x" * 300
    with pytest.raises(ComposeError, match="the note is 1 character too long: 301 of at most 300"):
        note("{company}", 300, company="x" * 301)
    with pytest.raises(ComposeError, match="the note is 50 characters too long: 250 of at most 200"):
        note("{company}", 200, company="x" * 250)


def test_a_text_without_fields_that_is_too_long_is_refused_when_it_is_saved() -> None:
    with pytest.raises(ComposeError, match="too long"):
        factory("x" * 301)


def test_characters_are_counted_as_the_service_counts_them() -> None:
    assert note("é" * 300) == "é" * 300
    assert note("😀" * 150) == "😀" * 150
    with pytest.raises(ComposeError, match="302 of at most 300"):
        note("😀" * 151)


def test_fields_that_are_missing_are_all_named() -> None:
    made = factory("{first_name} {city} {zip}")
    with pytest.raises(MissingField) as missing:
        made.build(address="", fields=FIELDS, message_id="<1@x>", date=0, profile="ana-lopez")
    assert missing.value.names == ("city", "zip")
    assert made.missing(FIELDS) == ("city", "zip")
    assert factory("{address}").missing(FIELDS, address="ana@example.org") == ()


def test_a_note_that_grows_too_long_is_known_before_the_start() -> None:
    made = factory("{long}")
    with pytest.raises(ComposeError, match="too long: 301 of at most 300"):
        made.missing({"long": "x" * 301})
    assert made.missing({"long": "x" * 300}) == ()
    assert not made.plain, "a person with every field is looked at all the same"


def test_nobody_is_invited_without_a_profile() -> None:
    with pytest.raises(ComposeError, match="no LinkedIn profile"):
        factory("Hi").build(address="ana@example.org", fields=FIELDS, message_id="<1@x>", date=0)


def test_what_an_invitation_cannot_carry_is_refused() -> None:
    with pytest.raises(ComposeError, match="neither HTML nor attachments"):
        NoteFactory(Step(1, 1, 1, "", "Hi", "<p>Hi</p>"), "acc-1", 300)
    with pytest.raises(TemplateError):
        factory("{{ open('x') }}")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (FIELDS, "Ana López"),
        ({"first_name": "Ana"}, "Ana"),
        ({"name": "Ana López"}, "Ana López"),
        ({"first_name": " ", "last_name": None, "name": "Ana"}, "Ana"),
        ({}, ""),
    ],
)
def test_a_persons_name_is_what_the_file_calls_them(fields: dict[str, object], name: str) -> None:
    assert person_name(fields) == name
