"""One message over SMTP: what each reply and each cut means, and where the doubt begins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from engine.channels.transaction import SmtpSession
from storage.model import OutcomeClass
from tests.channels.conftest import Start, message
from tests.support.relay_faults import Fault, close, extra, late_extra, raw, reply, silent
from tui.demo.rules import Rules
from tui.demo.transaction import Transaction

ADA, BOB = "ada@example.org", "bob@example.org"


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - relay and client share this loop; nothing announces an abort
            await asyncio.sleep(0)


async def send(session: SmtpSession, recipient: str = ADA):  # type: ignore[no-untyped-def]
    one = message(recipient)
    return await session.prepare(one) or await session.deliver(one)


async def test_an_accepted_message_is_in_the_ledger_once(start: Start) -> None:
    line = await start()
    session = await line.open()
    outcome = await send(session)
    assert (outcome.cls, outcome.code, outcome.enhanced) == (OutcomeClass.ACCEPTED, 250, "2.0.0")
    assert session.usable
    assert [(entry.recipient, entry.sender, entry.message_id) for entry in line.relay.ledger.accepted] == [
        (ADA, "us@example.com", message().message_id)
    ]


async def test_many_messages_share_one_connection(start: Start) -> None:
    line = await start()
    session = await line.open()
    for number in range(5):
        await send(session, f"r{number}@example.org")
    assert line.relay.connections == 1
    assert line.sent == {f"r{number}@example.org": 1 for number in range(5)}


@pytest.mark.parametrize(
    ("phase", "words", "cls"),
    [
        ("mail", "550 5.7.1 sender not wanted here", OutcomeClass.CONFIGURATION),
        ("rcpt", "550 5.1.1 User unknown", OutcomeClass.PERMANENT),
        ("rcpt", "451 4.7.1 Greylisted, please come back later", OutcomeClass.TRANSIENT),
        ("rcpt", "452 4.2.2 Mailbox full", OutcomeClass.TRANSIENT),
    ],
)
async def test_a_refused_envelope_is_reset_and_the_session_goes_on(
    start: Start, phase: str, words: str, cls: OutcomeClass
) -> None:
    line = await start(Fault(phase, reply(words), times=1))
    session = await line.open()
    outcome = await session.prepare(message())
    assert outcome is not None
    assert (outcome.cls, outcome.code, outcome.phase) == (cls, int(words[:3]), phase)
    assert outcome.text == words[4:]
    assert "rset" in line.faults.phases
    assert session.usable
    assert (await send(session, BOB)).cls is OutcomeClass.ACCEPTED
    assert line.sent == {BOB: 1}


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data", "dot"])
async def test_a_421_at_any_time_is_about_the_account_and_ends_the_session(start: Start, phase: str) -> None:
    line = await start(Fault(phase, reply("421 4.3.2 Closing")))
    session = await line.open()
    outcome = await send(session)
    assert (outcome.cls, outcome.code) == (OutcomeClass.ACCOUNT, 421)
    assert not session.usable
    assert line.sent == {}


async def test_a_refused_data_ends_the_session(start: Start) -> None:
    line = await start(Fault("data", reply("451 4.3.0 Not now")))
    session = await line.open()
    outcome = await send(session)
    assert (outcome.cls, outcome.phase) == (OutcomeClass.TRANSIENT, "data")
    assert not session.usable


@pytest.mark.parametrize(
    ("words", "cls"),
    [
        ("554 5.6.0 Message content rejected", OutcomeClass.CONTENT),
        ("451 4.3.0 Try again", OutcomeClass.TRANSIENT),
    ],
)
async def test_a_refused_content_is_definite_and_the_session_goes_on(
    start: Start, words: str, cls: OutcomeClass
) -> None:
    line = await start(Fault("dot", reply(words), times=1))
    session = await line.open()
    outcome = await send(session)
    assert (outcome.cls, outcome.phase) == (cls, "content")
    assert session.usable
    await send(session, BOB)
    assert line.sent == {BOB: 1}


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("action", [close, silent], ids=["cut", "silent"])
async def test_whatever_happens_up_to_the_354_is_safe_to_repeat(
    start: Start, phase: str, action: Callable[[], object]
) -> None:
    line = await start(Fault(phase, action()), command_timeout=0.1)  # type: ignore[arg-type]
    session = await line.open()
    outcome = await send(session)
    assert (outcome.cls, outcome.code, outcome.phase) == (OutcomeClass.ROUTE, 0, phase)
    assert not session.usable
    assert line.sent == {}


@pytest.mark.parametrize(
    ("phase", "action", "accepted"),
    [
        ("content", close, {}),
        ("dot", close, {}),
        ("dot", silent, {}),
        ("accepted", close, {ADA: 1}),
        ("accepted", silent, {ADA: 1}),
    ],
    ids=["cut after the first byte", "cut after the dot", "silent after the dot", "cut before the 250", "no 250"],
)
async def test_no_reply_after_the_first_content_byte_is_uncertain(
    start: Start, phase: str, action: Callable[[], object], accepted: dict[str, int]
) -> None:
    line = await start(Fault(phase, action()), reply_timeout=0.1)  # type: ignore[arg-type]
    session = await line.open()
    outcome = await send(session)
    assert (outcome.cls, outcome.phase, outcome.code) == (OutcomeClass.UNCERTAIN, "content", 0)
    assert not session.usable
    assert line.sent == accepted


@pytest.mark.parametrize("words", ["220 relay ready", "354 go on", "nonsense", "25", "999 what", "250_ok"])
async def test_an_unexpected_reply_to_the_content_is_uncertain(start: Start, words: str) -> None:
    line = await start(Fault("accepted", reply(words)))
    session = await line.open()
    outcome = await send(session)
    assert outcome.cls is OutcomeClass.UNCERTAIN
    assert not session.usable


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("words", ["220 hello", "235 in", "nonsense", "1250 ok"])
async def test_an_unexpected_reply_before_the_content_ends_the_session(start: Start, phase: str, words: str) -> None:
    line = await start(Fault(phase, reply(words)))
    session = await line.open()
    outcome = await send(session)
    assert (outcome.cls, outcome.phase) == (OutcomeClass.ROUTE, phase)
    assert not session.usable
    assert "content" not in line.faults.phases


@pytest.mark.parametrize(("phase", "noticed"), [("mail", "rcpt"), ("rcpt", "rcpt"), ("data", "data")])
async def test_a_second_reply_in_the_same_segment_answers_nothing(start: Start, phase: str, noticed: str) -> None:
    line = await start(Fault(phase, extra("354 ghost\r\n250 ghost")))
    session = await line.open()
    outcome = await send(session)
    assert (outcome.cls, outcome.phase) == (OutcomeClass.ROUTE, noticed)
    assert not session.usable
    assert "content" not in line.faults.phases


async def test_a_second_reply_behind_the_last_one_is_not_the_next_message_s(start: Start) -> None:
    line = await start(Fault("accepted", extra("550 5.1.1 ghost"), turn=1))
    session = await line.open()
    assert (await send(session)).cls is OutcomeClass.ACCEPTED
    assert not session.usable
    outcome = await session.prepare(message(BOB))
    assert outcome is not None
    assert (outcome.cls, outcome.code) == (OutcomeClass.ROUTE, 0)
    assert line.faults.phases.count("mail") == 1


async def test_a_late_second_reply_is_not_the_next_message_s(start: Start) -> None:
    now = asyncio.Event()
    line = await start(Fault("accepted", late_extra("550 5.1.1 ghost", now), turn=1))
    session = await line.open()
    assert (await send(session)).cls is OutcomeClass.ACCEPTED
    assert session.usable
    now.set()
    await until(lambda: not session.usable)
    assert line.faults.phases.count("mail") == 1


async def test_a_word_between_the_envelope_and_the_content_stops_the_content(start: Start) -> None:
    now = asyncio.Event()
    line = await start(Fault("rcpt", late_extra("421 4.4.2 idle too long", now)))
    session = await line.open()
    one = message()
    assert await session.prepare(one) is None
    now.set()
    await until(lambda: not session.usable)
    outcome = await session.deliver(one)
    assert (outcome.cls, outcome.phase) == (OutcomeClass.ROUTE, "data")
    assert "data" not in line.faults.phases


async def test_a_yes_before_the_end_of_the_content_is_uncertain(start: Start) -> None:
    over = asyncio.Event()

    async def premature(transaction: Transaction, own: bytes) -> bytes:
        await transaction.send(b"250 2.0.0 Ok\r\n")
        await over.wait()
        return b""

    line = await start(Fault("content", premature), rules=Rules(max_size=100_000_000, max_text_line=0))
    session = await line.open()
    one = message(content=b"\r\n" + b"x" * 30_000_000)
    assert await session.prepare(one) is None
    outcome = await session.deliver(one)
    over.set()
    assert outcome.cls is OutcomeClass.UNCERTAIN
    assert not session.usable


async def test_an_abandoned_message_leaves_nothing_behind(start: Start) -> None:
    line = await start()
    session = await line.open()
    assert await session.prepare(message()) is None
    await session.abandon()
    assert line.faults.phases[-1] == "rset"
    assert session.usable
    await send(session, BOB)
    assert line.sent == {BOB: 1}


@pytest.mark.parametrize("words", ["500 what", "421 bye", "354 go"])
async def test_a_reset_that_is_not_answered_by_250_ends_the_session(start: Start, words: str) -> None:
    line = await start(Fault("rset", reply(words)))
    session = await line.open()
    assert await session.prepare(message()) is None
    await session.abandon()
    assert not session.usable


async def test_a_connection_serves_its_number_of_messages(start: Start) -> None:
    line = await start(messages_per_connection=2)
    session = await line.open()
    await send(session)
    assert session.usable
    one = message(BOB)
    assert await session.prepare(one) is None
    assert session.usable
    assert (await session.deliver(one)).cls is OutcomeClass.ACCEPTED
    assert not session.usable
    await session.close()
    assert line.faults.phases[-1] == "quit"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "a@example.org,b@example.org",
        "a@example.org b@example.org",
        "ada@example.org>\r\nRCPT TO:<eve@example.org",
        "ada@example.org\n",
        "<ada@example.org>",
        "Ada <ada@example.org>",
        "ada@example.org\x00",
        "a\ud800@example.org",
        "a@b@example.org",
        "@relay.example:ada@example.org",
        f"{'x' * 400}@example.org",
    ],
)
async def test_what_is_not_one_plain_address_is_refused_before_a_byte_is_written(start: Start, address: str) -> None:
    line = await start()
    session = await line.open()
    refused = await session.prepare(message(address))
    assert refused is not None
    assert (refused.cls, refused.phase) == (OutcomeClass.PERMANENT, "rcpt")
    if address:
        sender = await session.prepare(message(sender=address))
        assert sender is not None
        assert (sender.cls, sender.phase) == (OutcomeClass.CONFIGURATION, "mail")
    assert "mail" not in line.faults.phases
    assert session.usable


@pytest.mark.parametrize(
    "address", ['"a b"@example.org', "o'neil+x@example.org", "a@[192.0.2.1]", "jörg@bücher.example"]
)
async def test_unusual_addresses_arrive_as_they_are(start: Start, address: str) -> None:
    line = await start()
    session = await line.open()
    assert (await send(session, address)).cls is OutcomeClass.ACCEPTED
    assert line.sent == {address: 1}


@pytest.mark.parametrize(
    ("offer", "one"),
    [
        ("SIZE 50", message(content=b"\r\n" + b"x" * 100)),
        ("PIPELINING", message(content="\r\nhällo".encode())),
        ("8BITMIME", message("jörg@example.org")),
    ],
    ids=["too large", "8-bit", "international address"],
)
async def test_what_the_server_does_not_take_is_not_offered(start: Start, offer: str, one: object) -> None:
    line = await start(Fault("ehlo", reply(f"250-relay.example\n250 {offer}")))
    session = await line.open()
    outcome = await session.prepare(one)  # type: ignore[arg-type]
    assert outcome is not None
    assert outcome.cls is OutcomeClass.CONTENT
    assert "mail" not in line.faults.phases


async def test_a_cancelled_envelope_ends_the_session(start: Start) -> None:
    line = await start(Fault("rcpt", silent()))
    session = await line.open()
    task = asyncio.create_task(session.prepare(message()))
    await line.faults.reached("rcpt")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not session.usable


async def test_another_message_than_the_prepared_one_is_never_delivered(start: Start) -> None:
    line = await start()
    session = await line.open()
    assert await session.prepare(message()) is None
    with pytest.raises(RuntimeError):
        await session.deliver(message(BOB))
    assert line.sent == {}


async def test_a_server_s_words_are_kept_as_they_are_and_bounded(start: Start) -> None:
    line = await start(Fault("rcpt", raw(b"550-5.1.1 \x1b[2J\xff[/]\r\n550 5.1.1 " + b"x" * 5_000 + b"\r\n")))
    session = await line.open()
    outcome = await session.prepare(message())
    assert outcome is not None
    assert outcome.text.startswith("5.1.1 \x1b[2J\ufffd[/]\n5.1.1 xxx")
    assert len(outcome.text) == 500
