"""A LinkedIn session against the scripted service: who is looked up, who is invited, and what stays in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any

import pytest

from engine.channels.channel import ChannelError, Message
from engine.channels.unipile.client import UnipileSettings
from engine.channels.unipile.session import UnipileChannel
from engine.clock import SystemClock
from engine.outcomes import Action, Outcome
from storage.errors import StoreError, UsageError
from storage.model import DAY, HOUR, SECOND, OutcomeClass
from storage.profiles import KnownProfile
from tui.demo.unipile_rules import INVITING, WITHDRAWN, Answer, InvitationLedger, Member, UnipileRules
from tui.demo.unipile_server import ACCOUNT, KEY, UnipileServer

ANA = Member("ana-lopez", "Ana", "López")


@dataclass
class MemoryBook:
    """A book without a store: `left` look-ups, and the day's refusals of others."""

    left: int = 80
    others_refused: bool = False
    broken: bool = False
    kept: dict[str, KnownProfile] = field(default_factory=dict)

    async def known(self, profile: str) -> KnownProfile | None:
        return self.kept.get(profile)

    async def take_look_up(self) -> int | None:
        self.left -= 1
        return None if self.left >= 0 else SystemClock().now() + HOUR

    async def keep(self, profile: KnownProfile) -> None:
        if self.broken:
            raise StoreError("the disk is full")
        self.kept[profile.profile] = profile

    async def refused_again(self, profile: str) -> bool:
        return self.others_refused


@dataclass
class Line:
    """A service, what it saw, and a channel to it with its book."""

    server: UnipileServer
    channel: UnipileChannel
    book: MemoryBook

    @property
    def sent(self) -> dict[str, int]:
        return self.server.ledger.by_profile()

    def asked(self, what: str) -> int:
        return sum(line.startswith(what) for line in self.server.asked)

    async def send(self, profile: str = "ana-lopez", name: str = "", note: str = "Hi") -> Outcome:
        """As the engine does: open, prepare, deliver."""
        message = Message(ACCOUNT, profile, "<1@example.com>", note.encode(), name=name)
        session = await self.channel.open()
        try:
            return await session.prepare(message) or await session.deliver(message)
        finally:
            await session.close()


Start = Callable[..., Awaitable[Line]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """`await start(key=..., reply_timeout=..., **rules)`: a service with these rules and a way to it."""
    async with AsyncExitStack() as stack:

        async def begin(*, key: str = KEY, reply_timeout: float = 5.0, **rules: Any) -> Line:
            server = UnipileServer(UnipileRules(**rules), ledger=InvitationLedger())
            await stack.enter_async_context(server)
            book = MemoryBook()
            settings = UnipileSettings(server.url, ACCOUNT, lambda: key, 5.0, reply_timeout)
            return Line(server, UnipileChannel(settings, SystemClock(), book), book)

        yield begin


async def test_a_person_is_looked_up_and_invited_with_the_note(start: Start) -> None:
    line = await start(members={"ana-lopez": ANA})
    outcome = await line.send(note="Hi Ana, I'd like to connect! 👋", name="ana lopez")
    assert (outcome.cls, outcome.phase) == (OutcomeClass.ACCEPTED, "content")
    (sent,) = line.server.ledger.sent
    assert (sent.provider_id, sent.note) == (ANA.provider_id, "Hi Ana, I'd like to connect! 👋")
    assert line.server.asked == [f"GET accounts/{ACCOUNT}", "GET users/ana-lopez", "POST users/invite"]


async def test_an_empty_note_sends_the_invitation_without_one(start: Start) -> None:
    line = await start()
    assert (await line.send(note="")).cls is OutcomeClass.ACCEPTED
    assert line.server.ledger.sent[0].note == ""


async def test_a_profile_outside_ascii_is_asked_for_as_it_is(start: Start) -> None:
    line = await start()
    assert (await line.send("ana-lópez/?x")).cls is OutcomeClass.ACCEPTED
    assert line.sent == {"ana-lópez/?x": 1}


async def test_what_was_looked_up_is_not_looked_up_again(start: Start) -> None:
    line = await start(invites={"ana-lopez": [Answer(429, "errors/too_many_requests")]})
    assert (await line.send()).cls is OutcomeClass.ACCOUNT
    assert (await line.send()).cls is OutcomeClass.ACCEPTED
    assert line.asked("GET users/ana-lopez") == 1


async def test_who_was_invited_is_not_invited_again_whoever_asks(start: Start) -> None:
    line = await start()
    await line.send()
    again = await line.send()
    assert (again.cls, again.error_key) == (OutcomeClass.NEEDLESS, "already invited")
    assert line.sent == {"ana-lopez": 1}


async def test_an_old_look_up_is_made_anew(start: Start) -> None:
    line = await start(invites={"ana-lopez": [Answer(429, "errors/too_many_requests")]})
    await line.send()
    known = line.book.kept["ana-lopez"]
    line.book.kept["ana-lopez"] = replace(known, checked_at=known.checked_at - 31 * DAY)
    await line.send()
    assert line.asked("GET users/ana-lopez") == 2


@pytest.mark.parametrize(
    ("member", "cls", "action", "key"),
    [
        (replace(ANA, distance="FIRST_DEGREE"), OutcomeClass.NEEDLESS, Action.CONNECTED, "already connected"),
        (replace(ANA, invitation=("SENT", "PENDING")), OutcomeClass.NEEDLESS, Action.NONE, "already invited"),
        (replace(ANA, invitation=("SENT", "IGNORED")), OutcomeClass.NEEDLESS, Action.NONE, "already invited"),
        (replace(ANA, invitation=WITHDRAWN[1]), OutcomeClass.TRANSIENT, Action.POSTPONE, "invitation withdrawn"),
        (replace(ANA, invitation=INVITING[1]), OutcomeClass.NEEDLESS, Action.HOLD, "invitation received"),
        (replace(ANA, first_name="Bob", last_name="Smith"), OutcomeClass.PERMANENT, Action.NONE,
         "another person's profile"),
    ],
)  # fmt: skip
async def test_a_look_up_that_speaks_against_it_sends_nothing(
    start: Start, member: Member, cls: OutcomeClass, action: Action, key: str
) -> None:
    line = await start(members={"ana-lopez": member})
    outcome = await line.send(name="Ana López")
    assert (outcome.cls, outcome.action, outcome.error_key) == (cls, action, key)
    assert outcome.phase == "lookup", "nothing left: it uses up no cap"
    assert line.sent == {}


async def test_another_persons_profile_names_both(start: Start) -> None:
    line = await start(members={"ana-lopez": replace(ANA, first_name="Bob", last_name="Smith")})
    text = (await line.send(name="Ana López")).text
    assert "Bob Smith" in text
    assert "Ana López" in text


async def test_a_withdrawal_rests_three_weeks_from_when_it_was_first_seen(start: Start) -> None:
    line = await start(members={"ana-lopez": replace(ANA, invitation=WITHDRAWN[1])})
    assert 20 * DAY < (await line.send()).wait <= 21 * DAY
    known = line.book.kept["ana-lopez"]
    line.book.kept["ana-lopez"] = replace(known, checked_at=known.checked_at - 20 * DAY)
    assert 0 < (await line.send()).wait <= DAY
    line.book.kept["ana-lopez"] = replace(known, checked_at=known.checked_at - 40 * DAY)
    assert (await line.send()).cls is OutcomeClass.ACCEPTED, "a new look-up still shows the old withdrawal"


async def test_without_a_look_up_left_the_queue_waits_for_the_next(start: Start) -> None:
    line = await start()
    line.book.left = 0
    outcome = await line.send()
    assert (outcome.cls, outcome.action) == (OutcomeClass.ROUTE, Action.COOL)
    assert 0 < outcome.wait <= 2 * HOUR
    assert line.server.asked == [f"GET accounts/{ACCOUNT}"]


@pytest.mark.parametrize("how", ["cut", "odd", "hang"])
async def test_an_invitation_without_an_answer_is_uncertain_and_looked_up_before_it_is_sent_again(
    start: Start, how: Any
) -> None:
    line = await start(reply_timeout=0.5, invites={"ana-lopez": [Answer(how=how, sent=True)]})
    assert (await line.send()).cls is OutcomeClass.UNCERTAIN
    again = await line.send()
    assert (again.cls, again.error_key) == (OutcomeClass.NEEDLESS, "already invited")
    assert line.asked("GET users/ana-lopez") == 2
    assert line.sent == {"ana-lopez": 1}


async def test_a_service_that_is_gone_before_the_request_leaves_nothing_in_doubt(start: Start) -> None:
    line = await start()
    message = Message(ACCOUNT, "ana-lopez", "<1@example.com>", b"Hi")
    session = await line.channel.open()
    assert await session.prepare(message) is None
    await line.server.__aexit__()
    outcome = await session.deliver(message)
    assert outcome.cls is OutcomeClass.ROUTE
    assert "refused the connection" in outcome.text
    await session.close()


@pytest.mark.parametrize(("value", "wait"), [("120", 120), ("soon", 0), ("-5", 0)])
async def test_retry_after_is_read_as_seconds(start: Start, value: str, wait: int) -> None:
    line = await start(invites={"ana-lopez": [Answer(429, "errors/too_many_requests", retry_after=value)]})
    assert (await line.send()).wait == wait * SECOND


async def test_retry_after_as_a_date_counts_from_the_answers_own_date(start: Start) -> None:
    later = formatdate(SystemClock().now() / SECOND + 7200, usegmt=True)
    line = await start(invites={"ana-lopez": [Answer(429, "errors/too_many_requests", retry_after=later)]})
    assert 7100 * SECOND < (await line.send()).wait <= 7201 * SECOND


async def test_two_people_who_cannot_be_invited_again_yet_are_the_accounts_limit(start: Start) -> None:
    line = await start(invites={"ana-lopez": [Answer(422, "errors/cannot_resend_yet")] * 2})
    first = await line.send()
    assert (first.cls, first.action, first.wait) == (OutcomeClass.TRANSIENT, Action.POSTPONE, DAY)
    line.book.others_refused = True
    second = await line.send()
    assert (second.cls, second.action) == (OutcomeClass.ACCOUNT, Action.COOL_DAY)


async def test_an_accepted_invitation_stays_accepted_when_the_book_cannot_be_written(start: Start) -> None:
    line = await start(invites={"ana-lopez": [Answer(429, "errors/too_many_requests")]})
    await line.send()
    line.book.broken = True
    assert (await line.send()).cls is OutcomeClass.ACCEPTED


@pytest.mark.parametrize(
    ("door", "words"),
    [
        (Answer(type="CREDENTIALS"), "not connected to LinkedIn (CREDENTIALS)"),
        (Answer(401, "errors/disconnected_account"), "disconnected account"),
        (Answer(404, "errors/resource_not_found"), "resource not found"),
    ],
)
async def test_an_account_that_is_not_connected_needs_attention(start: Start, door: Answer, words: str) -> None:
    line = await start(door=door)
    with pytest.raises(ChannelError) as refused:
        await line.channel.open()
    assert refused.value.outcome.action == Action.NEEDS_ATTENTION
    assert words in refused.value.outcome.text


@pytest.mark.parametrize("state", ["OK", "CONNECTING", "ERROR", "STOPPED"])
async def test_an_account_that_fetches_no_messages_may_still_invite(start: Start, state: str) -> None:
    line = await start(door=Answer(type=state))
    assert (await line.send()).cls is OutcomeClass.ACCEPTED


async def test_a_restricted_account_is_restricted_at_the_door(start: Start) -> None:
    line = await start(door=Answer(403, "errors/account_restricted"))
    with pytest.raises(ChannelError) as refused:
        await line.channel.open()
    assert refused.value.outcome.action == Action.RESTRICTED


async def test_a_wrong_key_needs_attention_and_stands_in_no_text(start: Start) -> None:
    line = await start(key="wrong-topsecret")
    with pytest.raises(ChannelError) as refused:
        await line.channel.open()
    assert refused.value.outcome.action == Action.NEEDS_ATTENTION
    assert "topsecret" not in repr(refused.value.outcome)


@pytest.mark.parametrize("key", ["schlüssel", "two\nlines", "escape\x1b"])
async def test_a_key_that_cannot_stand_in_a_header_is_refused_unsent(start: Start, key: str) -> None:
    line = await start(key=key)
    with pytest.raises(ChannelError) as refused:
        await line.channel.open()
    assert refused.value.outcome.action == Action.NEEDS_ATTENTION
    assert key not in refused.value.outcome.text
    assert line.server.asked == []


async def test_a_key_that_is_not_there_names_where_it_was_looked_for(start: Start) -> None:
    line = await start()

    def missing() -> str:
        raise UsageError("environment variable KEY is not set")

    channel = UnipileChannel(replace(line.channel.settings, api_key=missing), SystemClock())
    with pytest.raises(ChannelError) as refused:
        await channel.open()
    assert "KEY is not set" in refused.value.outcome.text


async def test_proxies_of_the_environment_are_not_used(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    line = await start()
    assert (await line.send()).cls is OutcomeClass.ACCEPTED


async def test_a_service_that_echoes_the_key_or_answers_without_end_betrays_and_fills_nothing() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        if b"/accounts/endless" in asked:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while not writer.is_closing():
                writer.write(b"x" * 65_536)
                await writer.drain()
        elif b"/accounts/elsewhere" in asked:
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
        else:
            body = b'{"type": "errors/wrong_account", "detail": "the key topsecret is wrong"}'
            writer.write(b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def refusal(account: str) -> Outcome:
        settings = UnipileSettings(url, account, lambda: "topsecret", 5.0, 5.0)
        with pytest.raises(ChannelError) as refused:
            await UnipileChannel(settings, SystemClock()).open()
        return refused.value.outcome

    try:
        echoed = await refusal("echo")
        assert "topsecret" not in repr(echoed)
        assert "the key *** is wrong" in echoed.text
        endless = await refusal("endless")
        assert (endless.cls, "longer than" in endless.text) == (OutcomeClass.ROUTE, True)
        elsewhere = await refusal("elsewhere")
        assert (elsewhere.action, elsewhere.code) == (Action.NEEDS_ATTENTION, 302)
    finally:
        server.close()


async def test_lists_come_page_by_page_the_latest_first(start: Start) -> None:
    line = await start()
    for n in range(230):
        line.server.ledger.note(Member(f"person-{n}", "A", "B"), ACCOUNT, "")
    line.server.accepted |= {"person-3", "person-4"}
    client = await line.channel.connect()
    invitations = [entry.profile async for entry in client.sent_invitations()]
    relations = [entry async for entry in client.relations()]
    await client.close()
    assert invitations == [f"person-{n}" for n in reversed(range(230)) if n not in (3, 4)]
    assert [entry.profile for entry in relations] == ["person-4", "person-3"]
    assert all(abs(entry.at - SystemClock().now()) < HOUR for entry in relations)
    assert line.asked("GET users/invite/sent") == 3


async def test_deliver_without_prepare_is_a_bug_of_the_caller(start: Start) -> None:
    line = await start()
    session = await line.channel.open()
    with pytest.raises(RuntimeError, match="without prepare"):
        await session.deliver(Message(ACCOUNT, "ana-lopez", "<1@example.com>", b""))
    await session.close()
