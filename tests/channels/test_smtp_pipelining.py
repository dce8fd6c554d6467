"""MAIL and RCPT in one packet (RFC 2920): the same outcomes, and never a reply taken for another's."""

from __future__ import annotations

import pytest

from storage.model import OutcomeClass
from tests.channels.conftest import Start, message
from tests.support.relay_faults import Fault, close, endless, extra, raw, reply, silent

BEGUN = pytest.mark.parametrize("begun", [False, True], ids=["envelope", "envelope and DATA"])


@BEGUN
async def test_a_message_is_accepted_in_few_turns(start: Start, begun: bool) -> None:
    line = await start(pipelining=True)
    session = await line.open()
    for recipient in ("ada@example.org", "ben@example.org"):
        mail = message(recipient)
        assert await session.prepare(mail, begun=begun) is None
        assert (await session.deliver(mail)).cls is OutcomeClass.ACCEPTED
    assert line.sent == {"ada@example.org": 1, "ben@example.org": 1}
    assert session.usable


@pytest.mark.parametrize(
    ("phase", "words", "cls"),
    [
        ("rcpt", "550 5.1.1 no such user", OutcomeClass.PERMANENT),
        ("rcpt", "451 4.7.1 greylisted", OutcomeClass.TRANSIENT),
        ("mail", "451 4.3.0 later", OutcomeClass.ACCOUNT),
        ("mail", "421 4.3.2 closing", OutcomeClass.ACCOUNT),
        ("rcpt", "421 4.7.0 too many", OutcomeClass.ACCOUNT),
    ],
)
@BEGUN
async def test_the_first_refusal_of_the_group_counts(
    start: Start, phase: str, words: str, cls: OutcomeClass, begun: bool
) -> None:
    line = await start(Fault(phase, reply(words), times=1), pipelining=True)
    session = await line.open()
    outcome = await session.prepare(message(), begun=begun)
    assert outcome is not None
    assert (outcome.cls, outcome.phase) == (cls, phase)
    assert line.sent == {}


@BEGUN
async def test_after_a_refused_recipient_the_session_sends_to_the_next(start: Start, begun: bool) -> None:
    line = await start(Fault("rcpt", reply("550 5.1.1 no such user"), times=1), pipelining=True)
    session = await line.open()
    assert await session.prepare(message("ada@example.org"), begun=begun) is not None
    mail = message("ben@example.org")
    assert await session.prepare(mail, begun=begun) is None
    assert (await session.deliver(mail)).cls is OutcomeClass.ACCEPTED
    assert line.sent == {"ben@example.org": 1}


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data"])
@pytest.mark.parametrize(
    "action",
    [
        close(),
        silent(),
        raw(b"250 half a line"),
        raw(b"\x00\x1b[2J\r\n"),
        endless(b"250-more\r\n"),
        extra("250 2.0.0 again"),
    ],
    ids=["cut", "silent", "half a line", "garbage", "endless", "extra"],
)
@BEGUN
async def test_whatever_happens_up_to_the_354_nothing_leaves_and_the_session_ends(
    start: Start, phase: str, action: object, begun: bool
) -> None:
    line = await start(Fault(phase, action, times=1), pipelining=True, command_timeout=0.2)  # type: ignore[arg-type]
    session = await line.open()
    mail = message()
    outcome = await session.prepare(mail, begun=begun) or await session.deliver(mail)
    assert outcome.cls in (OutcomeClass.ROUTE, OutcomeClass.ACCEPTED)
    accepted = outcome.cls is OutcomeClass.ACCEPTED
    assert line.sent == ({"ada@example.org": 1} if accepted else {})
    assert accepted or not session.usable


async def test_content_asked_for_after_a_refused_envelope_is_never_given(start: Start) -> None:
    line = await start(
        Fault("rcpt", reply("550 5.1.1 no such user"), times=1),
        Fault("data", reply("354 go ahead"), times=1),
        pipelining=True,
    )
    session = await line.open()
    outcome = await session.prepare(message(), begun=True)
    assert outcome is not None
    assert (outcome.cls, outcome.phase) == (OutcomeClass.PERMANENT, "rcpt")
    assert not session.usable
    assert line.sent == {}


async def test_a_refused_data_is_an_outcome_of_that_phase(start: Start) -> None:
    line = await start(Fault("data", reply("451 4.3.0 queue is full"), times=1), pipelining=True)
    session = await line.open()
    mail = message()
    assert await session.prepare(mail, begun=True) is None
    outcome = await session.deliver(mail)
    assert (outcome.code, outcome.phase) == (451, "data")
    assert line.sent == {}


async def test_a_message_given_up_after_data_ends_the_session(start: Start) -> None:
    line = await start(pipelining=True)
    session = await line.open()
    assert await session.prepare(message(), begun=True) is None
    await session.abandon()
    assert not session.usable
    assert line.sent == {}


@BEGUN
async def test_a_reply_too_many_is_never_taken_for_the_recipient_s(start: Start, begun: bool) -> None:
    line = await start(
        Fault("mail", extra("250 2.1.5 recipient ok"), times=1),
        Fault("rcpt", reply("550 5.1.1 no such user"), times=1),
        pipelining=True,
    )
    session = await line.open()
    mail = message()
    outcome = await session.prepare(mail, begun=begun) or await session.deliver(mail)
    assert outcome.cls is not OutcomeClass.ACCEPTED
    assert line.sent == {}
    assert not session.usable
