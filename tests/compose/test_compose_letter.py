"""A message with its own text leaves as it was written, whatever stands in it; its digest tells it from every other."""

from __future__ import annotations

from dataclasses import replace

from engine.accounts import SmtpAccount
from engine.channels.channel import Message
from engine.compose.note import NoteFactory
from engine.compose.template import literal_template
from engine.composer import digest_of, letter_factory
from storage.letters import Letter
from storage.model import CampaignState
from storage.nouns import Campaign, Step

ACCOUNT = SmtpAccount(
    channel="smtp", host="mx.example", port=25, tls="none", from_address="us@example.com", from_name="Us"
)
CAMPAIGN = Campaign(
    1, "c", CampaignState.ACTIVE, "", "", 1, "one", 5, 5, {}, {}, True, 7, 0, None, None, None, 0, 1
)  # fmt: skip
STEP = Step(1, 1, 1, "Hello {{ name }}", "Hi {{ name }}", "<p>Hi {{ name }}</p>", {"X-For": "{{ name }}"})
HOSTILE = "Dear {{ name }} {NAME} {% for x in rows %} {# no #} {% raw %} 100 %"


def built(letter: Letter, date: int = 0) -> Message:
    return letter_factory(CAMPAIGN, STEP, ACCOUNT, letter).build(
        address="ana@example.org", fields={"name": "Ana"}, message_id="<1@example.com>", date=date
    )


def test_nothing_in_a_letter_is_a_field() -> None:
    content = built(Letter(HOSTILE, HOSTILE)).content.decode()
    assert f"Subject: {HOSTILE}" in content
    assert content.partition("\r\n\r\n")[2] == f"{HOSTILE}\r\n"


def test_the_headers_of_its_step_stay_and_its_html_does_not() -> None:
    content = built(Letter("Own", "text")).content.decode()
    assert "X-For: Ana" in content
    assert "text/html" not in content


def test_a_letter_of_two_parts_has_both() -> None:
    content = built(Letter("Own", "text", "<p>{{ name }}</p>")).content.decode()
    assert "multipart/alternative" in content
    assert "<p>{{ name }}</p>" in content


def test_a_note_is_literal_too() -> None:
    note = NoteFactory(replace(STEP, text="Dear {{ name }}", html=""), "one", 200, compile=literal_template)
    made = note.build(address="", fields={}, message_id="<1@x>", date=0, profile="ana")
    assert made.content == b"Dear {{ name }}"


def test_a_digest_is_that_of_all_that_leaves() -> None:
    first = built(Letter("Own", "text"))
    assert digest_of(first) == digest_of(built(Letter("Own", "text")))
    others = (
        built(Letter("Own", "another")),
        built(Letter("Another", "text")),
        replace(first, sender="them@example.com"),
        replace(first, recipient="bea@example.org"),
        replace(first, headers=(("X-A", "1"),)),
    )
    assert digest_of(first) not in {digest_of(other) for other in others}
