"""Requests on a real connection: what the receiver gets, what it may answer, and what we say became of it."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from engine.channels.channel import ChannelError, Message
from engine.channels.webhook import channel as webhook
from engine.channels.webhook import wire as wires
from engine.channels.webhook.channel import WebhookChannel, WebhookSettings
from engine.channels.webhook.endpoint import Endpoint, parse_endpoint
from engine.channels.webhook.success import SuccessRule
from engine.channels.webhook.wire import ANSWER_LIMIT, Wire, connect
from engine.clock import SystemClock
from engine.outcomes import Action, Outcome
from storage.errors import UsageError
from storage.model import SECOND, OutcomeClass
from tests.channels.conftest import Certificate, certify
from tests.support.webhook_server import (
    Play,
    WebhookServer,
    answer,
    cut_short,
    endless,
    garbage,
    hang_up,
    silent,
    speak_again,
)

SECRET, TOKEN = "s3cret-of-the-hook", "t0ken-of-the-hook"
NOW = 1_790_000_000


class _Clock(SystemClock):
    def now(self) -> int:
        return NOW * SECOND


class Hook:
    """A receiver, and a channel to it."""

    def __init__(self, server: WebhookServer, settings: WebhookSettings) -> None:
        self.server = server
        self.channel = WebhookChannel(settings, _Clock())

    async def send(self, number: int = 1, body: bytes = b'{"n":1}', **changes: Any) -> Outcome:
        """One message on a connection of its own."""
        session = await self.channel.open()
        try:
            given = message(number, body, **changes)
            return await session.prepare(given) or await session.deliver(given)
        finally:
            await session.close()


def message(number: int = 1, body: bytes = b'{"n":1}', **changes: Any) -> Message:
    return Message("hook", "ada@example.org", f"<m{number}@example.com>", body, **changes)


Receive = Callable[..., Awaitable[Hook]]


@pytest.fixture
async def receive() -> AsyncIterator[Receive]:
    """`await receive(*plays, path="/in", tls=None, **settings)`: a receiver that plays the script."""
    async with AsyncExitStack() as stack:

        async def begin(*script: Play, path: str = "/in", **changes: Any) -> Hook:
            server = await stack.enter_async_context(WebhookServer(*script))
            endpoint = parse_endpoint(f"http://127.0.0.1:{server.port}{path}")
            given = {"allow_private": True, "connect_timeout": 10.0, "reply_timeout": 10.0} | changes
            return Hook(server, WebhookSettings(endpoint, **given))

        yield begin


async def test_a_message_arrives_once_signed_and_named(receive: Receive) -> None:
    hook = await receive(answer(201, {"id": "evt_1"}), secret=lambda: SECRET, path="/in?team=7")
    body = '{"name":"Zoë"}'.encode()
    outcome = await hook.send(7, body, headers=(("X-Campaign", "spring"),))
    assert (outcome.cls, outcome.code, outcome.phase) == (OutcomeClass.ACCEPTED, 201, "content")
    assert outcome.text == '{"id": "evt_1"}'
    (received,) = hook.server.ledger
    assert (received.method, received.target, received.body, received.whole) == ("POST", "/in?team=7", body, True)
    assert received.header("content-type") == "application/json"
    assert received.header("host") == f"127.0.0.1:{hook.server.port}"
    assert received.header("x-campaign") == "spring"
    assert received.key == '"m7@example.com"'
    digest = hmac.new(SECRET.encode(), f"{NOW}.".encode() + body, hashlib.sha256).hexdigest()
    assert received.header("x-paceline-signature") == f"t={NOW},v1={digest}"


@pytest.mark.parametrize(
    ("header", "token", "sent"),
    [
        ("Authorization", TOKEN, f"Bearer {TOKEN}"),
        ("Authorization", "Basic dXM6cHc=", "Basic dXM6cHc="),
        ("X-Api-Key", TOKEN, TOKEN),
    ],
)
async def test_a_token_goes_into_its_header(receive: Receive, header: str, token: str, sent: str) -> None:
    hook = await receive(method="PUT", token=lambda: token, token_header=header)
    await hook.send()
    (received,) = hook.server.ledger
    assert (received.method, received.header(header)) == ("PUT", sent)


async def test_one_connection_takes_one_message_after_the_other(receive: Receive) -> None:
    hook = await receive(answer(200), answer(204), answer(422, {"error": "no such order"}), answer(200))
    session = await hook.channel.open()
    codes = [(await session.deliver(message(number))).code for number in range(4)]
    assert codes == [200, 204, 422, 200]
    assert session.usable
    assert hook.server.connections == 1
    assert len(hook.server.keys) == 4
    await session.close()
    assert not session.usable


async def test_a_connection_that_the_receiver_ends_is_replaced(receive: Receive) -> None:
    hook = await receive(answer(200, headers={"Connection": "close"}))
    session = await hook.channel.open()
    assert (await session.deliver(message())).cls is OutcomeClass.ACCEPTED
    assert not session.usable


async def test_a_connection_that_rested_is_not_used_again(receive: Receive, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = await receive()
    session = await hook.channel.open()
    assert session.usable
    monkeypatch.setattr(webhook, "KEEP", 0.0)
    assert not session.usable
    await session.close()


async def test_what_is_said_unasked_ends_the_connection(receive: Receive) -> None:
    hook = await receive(speak_again(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    session = await hook.channel.open()
    assert (await session.deliver(message())).cls is OutcomeClass.ACCEPTED
    assert not session.usable, "the second answer would be taken for that of the next message"


async def test_what_is_said_later_and_unasked_ends_the_connection_too(
    receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "KEEP", 1000.0)
    answered = asyncio.Event()
    hook = await receive(speak_again(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", after=answered))
    session = await hook.channel.open()
    await session.deliver(message())
    assert session.usable
    ended, abort = asyncio.Event(), Wire.abort
    monkeypatch.setattr(Wire, "abort", lambda wire: (abort(wire), ended.set()))
    answered.set()
    async with asyncio.timeout(10):
        await ended.wait()
    assert not session.usable


async def test_a_lost_connection_is_a_fault_of_the_route_before_the_request(receive: Receive) -> None:
    hook = await receive()
    session = await hook.channel.open()
    await session.close()
    for outcome in (await session.prepare(message()), await session.deliver(message())):
        assert outcome is not None
        assert (outcome.cls, outcome.phase) == (OutcomeClass.ROUTE, "connect")
    assert hook.server.ledger == []


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (hang_up(), "the connection was lost before an answer"),
        (silent(), "no answer within 0.3 s"),
        (garbage(b"220 smtp.example.com ESMTP\r\n\r\n"), "the answer was not HTTP"),
        (garbage(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2 * ANSWER_LIMIT), "the answer was not HTTP"),
        (garbage(b"HTTP/1.1 100 Continue\r\n\r\n"), "the connection was lost before an answer"),
    ],
)
async def test_no_answer_after_the_request_is_uncertain_and_says_what_is_known(
    receive: Receive, play: Play, words: str
) -> None:
    hook = await receive(play, reply_timeout=0.3 if "within" in words else 10.0)
    outcome = await hook.send(5)
    assert (outcome.cls, outcome.phase, outcome.code) == (OutcomeClass.UNCERTAIN, "content", 0)
    assert outcome.text.startswith(words)
    assert "7 bytes were handed over" in outcome.text
    assert 'the receiver can be asked for Idempotency-Key "m5@example.com"' in outcome.text
    assert hook.server.ledger[0].whole, "the receiver may have acted on it: that is why nothing is tried again"


@pytest.mark.parametrize("play", [hang_up(), answer(500), answer(502, b"<html>bad gateway</html>")])
async def test_what_is_in_doubt_is_tried_again_where_the_receiver_honours_the_key(receive: Receive, play: Play) -> None:
    hook = await receive(play, answer(200), idempotent=True)
    outcome = await hook.send(5)
    assert (outcome.cls, outcome.phase) == (OutcomeClass.TRANSIENT, "content")
    assert 'tried again under Idempotency-Key "m5@example.com"' in outcome.text
    assert (await hook.send(5)).cls is OutcomeClass.ACCEPTED
    assert hook.server.keys == {'"m5@example.com"': 2}


async def test_a_redirect_is_never_followed(receive: Receive) -> None:
    elsewhere = await receive()
    hook = await receive(answer(307, headers={"Location": f"http://127.0.0.1:{elsewhere.server.port}/in"}))
    outcome = await hook.send()
    assert (outcome.cls, outcome.action) == (OutcomeClass.CONFIGURATION, Action.HOLD_PAUSE)
    assert "never followed" in outcome.text
    assert elsewhere.server.ledger == []


async def test_nothing_of_the_environment_sends_a_request_elsewhere(
    receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = await receive()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.server.port}")
    hook = await receive()
    assert (await hook.send()).cls is OutcomeClass.ACCEPTED
    assert (len(hook.server.ledger), proxy.server.ledger) == (1, [])


async def test_cookies_are_not_kept(receive: Receive) -> None:
    hook = await receive(answer(200, headers={"Set-Cookie": "session=1"}))
    session = await hook.channel.open()
    await session.deliver(message(1))
    await session.deliver(message(2))
    await session.close()
    assert [received.header("cookie") for received in hook.server.ledger] == ["", ""]


async def test_a_body_without_an_end_costs_neither_memory_nor_time(receive: Receive) -> None:
    hook = await receive(endless(200))
    session = await hook.channel.open()
    outcome = await session.deliver(message())
    assert outcome.cls is OutcomeClass.ACCEPTED, "the status had come, and it is what decides"
    assert len(outcome.text) <= 300
    assert not session.usable
    wire = await connect("127.0.0.1", hook.server.port, name="", tls=None, timeout=10)
    asked = await wire.ask("POST", "/", [(b"Host", b"x"), (b"Content-Length", b"0")], b"", timeout=10)
    assert (len(asked.body), asked.whole) == (ANSWER_LIMIT, False)


async def test_an_answer_that_drips_is_given_up_with_its_status_known(receive: Receive) -> None:
    hook = await receive(cut_short(422, b'{"error": "no such', promised=500))
    outcome = await hook.send()
    assert (outcome.cls, outcome.code) == (OutcomeClass.PERMANENT, 422)


async def test_an_early_refusal_of_a_long_body_counts(receive: Receive) -> None:
    hook = await receive(answer(413, {"error": "too large"}, early=True))
    outcome = await hook.send(body=b'{"x":"' + b"y" * 900_000 + b'"}')
    assert (outcome.cls, outcome.code) == (OutcomeClass.CONTENT, 413)


@pytest.mark.parametrize(
    ("body", "cls"),
    [
        (b'{"results":[{"ok":true}]}', OutcomeClass.ACCEPTED),
        (b'{"results":[{"ok":false}],"error":"no quota"}', OutcomeClass.PERMANENT),
        (b'{"results":[{"ok":1}]}', OutcomeClass.PERMANENT),
        (b'{"results":[]}', OutcomeClass.UNCERTAIN),
        (b"<html>welcome to our wifi</html>", OutcomeClass.UNCERTAIN),
        (b"", OutcomeClass.UNCERTAIN),
    ],
)
async def test_an_explicit_success_rule_reads_the_answer(receive: Receive, body: bytes, cls: OutcomeClass) -> None:
    hook = await receive(answer(200, body), rule=SuccessRule(pointer="/results/0/ok", equals=True))
    assert (await hook.send()).cls is cls


async def test_a_value_in_a_cut_answer_is_not_read(receive: Receive) -> None:
    hook = await receive(endless(200, b'{"ok":true}' * 1000), rule=SuccessRule(pointer="/ok", equals=True))
    outcome = await hook.send()
    assert outcome.cls is OutcomeClass.UNCERTAIN
    assert "/ok could not be read" in outcome.text


async def test_a_missing_address_means_everybody_until_the_receiver_has_accepted_somebody(receive: Receive) -> None:
    hook = await receive(answer(404), answer(200), answer(404, {"detail": "no such contact"}), answer(410))
    first, _, third, fourth = [await hook.send(number) for number in range(4)]
    assert (first.cls, first.action) == (OutcomeClass.CONFIGURATION, Action.HOLD_PAUSE)
    assert (third.cls, third.action, third.error_key) == (OutcomeClass.PERMANENT, "unknown", "404 no such contact")
    assert (fourth.cls, fourth.action) == (OutcomeClass.PERMANENT, Action.SUPPRESS)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9/in", "is not a public address"),
        ("http://localhost:9/in", "localhost (127.0.0.1) is not a public address"),
        ("http://127.1:9/in", "is not a public address"),
    ],
)
async def test_this_machine_is_refused_unless_it_is_allowed(url: str, words: str) -> None:
    with pytest.raises(ChannelError, match="allow_private") as caught:
        await WebhookChannel(_of(url), _Clock(), lookup=_looked_up("127.0.0.1")).open()
    outcome = caught.value.outcome
    assert (outcome.cls, outcome.action) == (OutcomeClass.ACCOUNT, Action.NEEDS_ATTENTION)
    assert words in outcome.text


async def test_a_name_that_changes_its_answer_leads_only_to_judged_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [["1.2.3.4"], ["127.0.0.1"], ["1.2.3.4", "127.0.0.1"]]
    connected = []

    async def rebinding(host: str, port: int) -> list[str]:
        return answers.pop(0)

    async def noted(address: str, port: int, **others: Any) -> Wire:
        connected.append(address)
        raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody")

    monkeypatch.setattr(wires, "connect", noted)
    channel = WebhookChannel(_of("https://rebinding.example/in"), _Clock(), lookup=rebinding)
    outcomes = []
    for _ in range(3):
        with pytest.raises(ChannelError) as caught:
            await channel.open()
        outcomes.append(caught.value.outcome)
    assert connected == ["1.2.3.4"]
    assert outcomes[0].cls is OutcomeClass.ROUTE
    for outcome in outcomes[1:]:
        assert "rebinding.example (127.0.0.1) is not a public address" in outcome.text


async def test_the_certificate_is_that_of_the_name_although_an_address_is_connected_to(
    named_certificate: Certificate,
) -> None:
    async with WebhookServer(tls=named_certificate.context) as server:
        for name, cls in (("hooks.example", None), ("other.example", OutcomeClass.ROUTE)):
            endpoint = Endpoint("https", name, server.port, "/in")
            settings = WebhookSettings(endpoint, allow_private=True, ca_file=str(named_certificate.path))
            channel = WebhookChannel(settings, _Clock(), lookup=_looked_up("127.0.0.1"))
            if cls is None:
                session = await channel.open()
                assert (await session.deliver(message())).cls is OutcomeClass.ACCEPTED
                await session.close()
                continue
            with pytest.raises(ChannelError) as caught:
                await channel.open()
            outcome = caught.value.outcome
            assert (outcome.cls, outcome.phase, outcome.error_key) == (cls, "tls", "certificate refused")
        (received,) = server.ledger
        assert (received.server_name, received.header("host")) == ("hooks.example", f"hooks.example:{server.port}")


async def test_a_dead_address_does_not_hide_the_living_one(receive: Receive) -> None:
    hook = await receive()
    with socket.create_server(("127.0.0.2", 0)) as dead:
        assert dead.getsockname()[1] != hook.server.port
    endpoint = Endpoint("http", "two.example", hook.server.port, "/in")
    settings = WebhookSettings(endpoint, allow_private=True)
    channel = WebhookChannel(settings, _Clock(), lookup=_looked_up("127.0.0.2", "127.0.0.1"))
    session = await channel.open()
    assert (await session.deliver(message())).cls is OutcomeClass.ACCEPTED
    await session.close()


@pytest.mark.parametrize(
    ("lookup_error", "key"),
    [(socket.gaierror(socket.EAI_NONAME, "x"), "host name not found"), (TimeoutError(), "timed out")],
)
async def test_a_receiver_that_is_not_reached_is_a_fault_of_the_route(lookup_error: OSError, key: str) -> None:
    async def failing(host: str, port: int) -> list[str]:
        raise lookup_error

    with pytest.raises(ChannelError) as caught:
        await WebhookChannel(_of("https://hooks.example/in"), _Clock(), lookup=failing).open()
    outcome = caught.value.outcome
    assert (outcome.cls, outcome.phase, outcome.error_key) == (OutcomeClass.ROUTE, "connect", key)


async def test_a_port_where_nobody_listens_is_a_fault_of_the_route() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings = WebhookSettings(parse_endpoint(f"http://127.0.0.1:{port}/"), allow_private=True)
    with pytest.raises(ChannelError) as caught:
        await WebhookChannel(settings, _Clock()).open()
    assert (caught.value.outcome.cls, caught.value.outcome.error_key) == (OutcomeClass.ROUTE, "connection refused")


async def test_authorities_that_cannot_be_read_stop_the_account(receive: Receive) -> None:
    settings = WebhookSettings(parse_endpoint("https://127.0.0.1:9/"), allow_private=True, ca_file="no-such-file.pem")
    with pytest.raises(ChannelError, match="authorities cannot be read") as caught:
        await WebhookChannel(settings, _Clock()).open()
    assert caught.value.outcome.action == Action.NEEDS_ATTENTION


async def test_a_secret_that_cannot_be_read_stops_the_account_before_anything_is_connected(receive: Receive) -> None:
    def missing() -> str:
        raise UsageError("environment variable HOOK_SECRET is not set")

    hook = await receive(secret=missing)
    with pytest.raises(ChannelError, match="HOOK_SECRET is not set") as caught:
        await hook.channel.open()
    assert (caught.value.outcome.cls, caught.value.outcome.action) == (OutcomeClass.ACCOUNT, Action.NEEDS_ATTENTION)
    assert hook.server.connections == 0


async def test_a_token_that_fits_in_no_header_is_refused_without_being_shown(receive: Receive) -> None:
    hook = await receive(token=lambda: "s3cret\r\nX-Other: 1")
    with pytest.raises(ChannelError) as caught:
        await hook.channel.open()
    assert "s3cret" not in caught.value.outcome.text


async def test_no_secret_comes_back_in_outcomes_or_logs(receive: Receive, caplog: pytest.LogCaptureFixture) -> None:
    """A receiver that echoes whatever it was given, in each way in which an answer is read."""
    key = "k3y-of-the-query"
    echo = f"you sent Bearer {TOKEN} signed with {SECRET} to /in?key={key} and " + TOKEN * 40
    plays = [
        answer(200, {"echo": echo}),
        answer(200, echo.encode()),
        answer(400, {"error": {"message": echo}}),
        answer(401, echo.encode()),
        answer(422, {"errors": [{"detail": echo}]}),
        answer(429, echo.encode(), headers={"Retry-After": "5"}),
        answer(500, echo.encode()),
        answer(302, echo.encode(), headers={"Location": f"https://x.example/?{TOKEN}"}),
        garbage(echo.encode()),
        garbage(echo.encode() + b"\r\n\r\n"),
    ]
    caplog.set_level(logging.DEBUG)
    hook = await receive(*plays, secret=lambda: SECRET, token=lambda: TOKEN, path=f"/in?key={key}")
    outcomes = [await hook.send(number) for number in range(len(plays))]
    said = " ".join(f"{outcome!r}" for outcome in outcomes) + caplog.text
    assert len(hook.server.ledger) == len(plays)
    for secret in (SECRET, TOKEN, key, SECRET[:8], TOKEN[:8], key[:8]):
        assert secret not in said
    assert "***" in outcomes[2].text


async def test_a_request_that_waits_is_never_sent_by_the_channel_again(receive: Receive) -> None:
    hook = await receive(silent(), reply_timeout=0.2)
    outcomes = await asyncio.gather(*(hook.send(number) for number in range(10)))
    assert {outcome.cls for outcome in outcomes} == {OutcomeClass.UNCERTAIN}
    assert set(hook.server.keys.values()) == {1}
    assert len(hook.server.keys) == 10


def _of(url: str) -> WebhookSettings:
    return WebhookSettings(parse_endpoint(url))


def _looked_up(*addresses: str) -> Callable[[str, int], Awaitable[list[str]]]:
    async def lookup(host: str, port: int) -> list[str]:
        return list(addresses)

    return lookup


@pytest.fixture(scope="module")
def named_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certify(tmp_path_factory.mktemp("named"), "DNS:hooks.example")
