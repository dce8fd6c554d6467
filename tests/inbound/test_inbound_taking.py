"""What is handed to the store: whom it names, and what suppresses an address."""

from __future__ import annotations

import pytest

from engine.inbound.model import Inbound, Kind
from engine.inbound.taking import returned
from engine.inbound.tokens import Token
from storage.model import DAY
from tests.inbound.conftest import ARRIVED


def event(kind: Kind, **more: object) -> Inbound:
    return Inbound(kind, "0" * 64, ARRIVED, addresses=("Ada@Example.NET",), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "enhanced", "words", "suppress", "duration"),
    [
        (550, "5.1.1", "user unknown", "dead", 0),
        (550, "", "no such user here", "dead", 0),
        (550, "5.2.1", "mailbox disabled", "disabled", 90 * DAY),
        (552, "5.2.2", "mailbox full", "full", 90 * DAY),
        (452, "4.2.2", "over quota", "full", 90 * DAY),
        (550, "5.7.1", "blocked as spam", "", 0),
        (550, "", "we do not want this", "", 0),
        (451, "4.4.1", "timed out", "", 0),
        (554, "4.4.7", "expired", "", 0),
        (0, "", "", "", 0),
    ],
)
def test_a_bounce_suppresses_by_what_the_server_meant(
    code: int, enhanced: str, words: str, suppress: str, duration: int
) -> None:
    bounce = event(Kind.BOUNCE, code=code, enhanced=enhanced, diagnostic=words)
    item = returned(bounce, "test")
    assert (item.suppress, item.suppress_for) == (suppress, duration)


@pytest.mark.parametrize(
    ("kind", "suppress"),
    [
        (Kind.COMPLAINT, "complained"),
        (Kind.UNSUBSCRIBE, "unsubscribed"),
        (Kind.DELAYED, ""),
        (Kind.REPLY, ""),
        (Kind.AUTO_REPLY, ""),
        (Kind.OUT_OF_OFFICE, ""),
        (Kind.UNKNOWN, ""),
    ],
)
def test_a_wish_and_a_complaint_suppress_and_an_answer_does_not(kind: Kind, suppress: str) -> None:
    assert returned(event(kind, code=550, enhanced="5.1.1", diagnostic="user unknown"), "test").suppress == suppress


def test_identifiers_have_their_brackets_and_addresses_the_form_they_are_compared_by() -> None:
    item = returned(event(Kind.REPLY, message_ids=("a@b.example",)), "test", Token(7, 3), "news", b"raw")
    assert item.message_ids == ("<a@b.example>",)
    assert item.addresses == ("ada@example.net",)
    assert (item.recipient_id, item.step_id, item.scope, item.raw) == (7, 3, "news", b"raw")


def test_a_profile_is_told_from_an_address() -> None:
    item = returned(Inbound(Kind.ACCEPTED, "0" * 64, ARRIVED, addresses=("ada-alder", "ACo1")), "test")
    assert (item.addresses, item.profiles) == ((), ("ada-alder", "ACo1"))
