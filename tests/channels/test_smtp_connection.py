"""Connecting, encrypting and logging in: what is refused, and what never travels in clear."""

from __future__ import annotations

import asyncio
import base64
import socket
from pathlib import Path

import pytest

from engine.channels.channel import ChannelError
from engine.channels.smtp import SmtpChannel, SmtpSettings
from engine.outcomes import Outcome
from storage.errors import UsageError
from storage.model import OutcomeClass
from tests.channels.conftest import Certificate, Line, Start, certify, message
from tests.support.relay_faults import Fault, close, extra, reply, silent
from tui.demo.ledger import Ledger
from tui.demo.relay import Relay
from tui.demo.rules import Rules

LOGIN = ("us", "s3cret")


async def refusal(line: Line) -> Outcome:
    with pytest.raises(ChannelError) as caught:
        await line.open()
    return caught.value.outcome


async def test_a_port_where_nobody_listens_is_a_route_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ChannelError) as caught:
        await SmtpChannel(SmtpSettings("127.0.0.1", port, tls="none", local_hostname="client.example")).open()
    outcome = caught.value.outcome
    assert (outcome.cls, outcome.phase) == (OutcomeClass.ROUTE, "connect")
    assert (outcome.text, outcome.error_key) == (f"127.0.0.1:{port} refused the connection", "connection refused")


async def test_a_name_that_does_not_exist_is_a_route_fault() -> None:
    settings = SmtpSettings("no-such-host.invalid", tls="none", local_hostname="client.example", connect_timeout=5)
    with pytest.raises(ChannelError) as caught:
        await SmtpChannel(settings).open()
    outcome = caught.value.outcome
    assert (outcome.cls, outcome.phase) == (OutcomeClass.ROUTE, "connect")
    assert outcome.error_key == "host name not found"
    assert "no-such-host.invalid" in outcome.text


@pytest.mark.parametrize(("phase", "seconds"), [("banner", "0.2"), ("ehlo", "0.3")])
async def test_a_server_that_says_nothing_is_named_with_the_seconds_waited(
    start: Start, phase: str, seconds: str
) -> None:
    line = await start(Fault(phase, silent()), connect_timeout=0.2, command_timeout=0.3)
    outcome = await refusal(line)
    assert outcome.text == f"no answer from 127.0.0.1:{line.relay.port} within {seconds} s"
    assert (outcome.phase, outcome.error_key) == ("connect", "timed out")


async def test_a_server_that_does_not_encrypt_is_named_with_the_handshake(start: Start) -> None:
    line = await start(tls="implicit")
    outcome = await refusal(line)
    assert outcome.text.startswith(f"the TLS handshake with 127.0.0.1:{line.relay.port} failed: ")
    assert (outcome.phase, outcome.error_key) == ("tls", "tls handshake failed")


@pytest.mark.parametrize("phase", ["banner", "ehlo"])
@pytest.mark.parametrize("action", [close(), silent(), reply("nonsense"), reply("354 what")])
async def test_trouble_with_the_greeting_is_a_route_fault(start: Start, phase: str, action: object) -> None:
    line = await start(Fault(phase, action), connect_timeout=0.2, command_timeout=0.2)  # type: ignore[arg-type]
    outcome = await refusal(line)
    assert (outcome.cls, outcome.phase) == (OutcomeClass.ROUTE, "connect")


@pytest.mark.parametrize(
    ("words", "cls"),
    [("421 4.7.0 Too many connections", OutcomeClass.ACCOUNT), ("554 5.3.2 No service", OutcomeClass.ROUTE)],
)
async def test_a_refusing_banner_is_about_the_queue(start: Start, words: str, cls: OutcomeClass) -> None:
    line = await start(Fault("banner", reply(words)))
    outcome = await refusal(line)
    assert (outcome.cls, outcome.code, outcome.phase) == (cls, int(words[:3]), "connect")


async def test_a_server_without_ehlo_gets_helo(start: Start) -> None:
    line = await start(Fault("ehlo", reply("502 5.5.1 unknown"), turn=1))
    session = await line.open()
    one = message()
    assert await session.prepare(one) is None
    assert (await session.deliver(one)).cls is OutcomeClass.ACCEPTED


@pytest.mark.parametrize("phase", ["banner", "ehlo"])
async def test_a_second_greeting_refuses_the_session(start: Start, phase: str) -> None:
    line = await start(Fault(phase, extra("220 ghost")))
    assert (await refusal(line)).cls is OutcomeClass.ROUTE


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_an_encrypted_session_logs_in_and_sends(start: Start, certificate: Certificate, tls: str) -> None:
    rules = Rules(tls=certificate.context, implicit_tls=tls == "implicit", login=LOGIN)
    line = await start(
        rules=rules, tls=tls, ca_file=str(certificate.path), username=LOGIN[0], password=lambda: LOGIN[1]
    )
    session = await line.open()
    one = message()
    assert await session.prepare(one) is None
    assert (await session.deliver(one)).cls is OutcomeClass.ACCEPTED
    await session.close()
    assert line.sent == {one.recipient: 1}


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_certificate_that_nobody_vouches_for_is_refused(
    start: Start, certificate: Certificate, tls: str
) -> None:
    line = await start(rules=Rules(tls=certificate.context, implicit_tls=tls == "implicit"), tls=tls)
    outcome = await refusal(line)
    assert (outcome.cls, outcome.phase) == (OutcomeClass.ROUTE, "tls")
    assert outcome.text == "the TLS certificate of 127.0.0.1 is not valid: self-signed certificate"
    assert outcome.error_key == "certificate refused"


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_certificate_for_another_name_is_refused(start: Start, tmp_path: Path, tls: str) -> None:
    other = certify(tmp_path, "DNS:mail.example")
    rules = Rules(tls=other.context, implicit_tls=tls == "implicit")
    outcome = await refusal(await start(rules=rules, tls=tls, ca_file=str(other.path)))
    assert (outcome.cls, outcome.phase) == (OutcomeClass.ROUTE, "tls")
    assert outcome.text.startswith("the TLS certificate of 127.0.0.1 is not valid: IP address mismatch")
    assert outcome.error_key == "certificate refused"


async def test_without_verification_any_certificate_will_do(start: Start, certificate: Certificate) -> None:
    line = await start(rules=Rules(tls=certificate.context), tls="starttls", verify=False)
    assert (await line.open()).usable


async def test_missing_authorities_are_a_matter_of_configuration(start: Start) -> None:
    outcome = await refusal(await start(tls="starttls", ca_file="no/such/file.pem"))
    assert (outcome.cls, outcome.phase) == (OutcomeClass.CONFIGURATION, "tls")


@pytest.mark.parametrize("tls", ["starttls", "opportunistic"])
async def test_no_password_travels_when_starttls_was_stripped(start: Start, tls: str) -> None:
    asked: list[str] = []
    line = await start(
        rules=Rules(login=LOGIN), tls=tls, username=LOGIN[0], password=lambda: asked.append("password") or LOGIN[1]
    )
    outcome = await refusal(line)
    assert outcome.cls is OutcomeClass.ROUTE
    assert "auth" not in line.faults.phases
    assert asked == []


async def test_a_refused_starttls_is_a_route_fault(start: Start, certificate: Certificate) -> None:
    line = await start(
        Fault("starttls", reply("454 4.7.0 TLS not available")), rules=Rules(tls=certificate.context), tls="starttls"
    )
    outcome = await refusal(line)
    assert (outcome.cls, outcome.code, outcome.phase) == (OutcomeClass.ROUTE, 454, "tls")


async def test_required_encryption_that_is_not_offered_is_refused_without_a_login_too(start: Start) -> None:
    outcome = await refusal(await start(tls="starttls"))
    assert (outcome.cls, outcome.phase) == (OutcomeClass.ROUTE, "tls")
    assert "STARTTLS" in outcome.text


async def test_opportunistic_without_a_login_goes_on_in_clear(start: Start) -> None:
    line = await start(tls="opportunistic")
    assert (await line.open()).usable


async def test_a_login_in_clear_to_another_machine_is_refused_before_connecting() -> None:
    settings = SmtpSettings("192.0.2.1", tls="none", username="us", password=lambda: "s3cret")
    with pytest.raises(ChannelError) as caught:
        await SmtpChannel(settings).open()
    assert (caught.value.outcome.cls, caught.value.outcome.phase) == (OutcomeClass.CONFIGURATION, "auth")


async def test_a_wrong_password_is_offered_once(start: Start) -> None:
    line = await start(rules=Rules(login=LOGIN), username="us", password=lambda: "wrong")
    outcome = await refusal(line)
    assert (outcome.cls, outcome.code, outcome.phase) == (OutcomeClass.ACCOUNT, 535, "auth")
    assert outcome.action == "needs_attention"
    assert line.faults.phases.count("auth") == 1


async def test_a_mechanism_that_the_server_disowns_gives_way_to_the_next(start: Start) -> None:
    line = await start(
        Fault("auth", reply("504 5.5.4 not here"), turn=1),
        rules=Rules(login=LOGIN),
        username=LOGIN[0],
        password=lambda: LOGIN[1],
    )
    assert (await line.open()).usable
    assert line.faults.phases.count("auth") == 2


async def test_a_server_without_a_login_needs_a_person(start: Start) -> None:
    outcome = await refusal(await start(username="us", password=lambda: "s3cret"))
    assert (outcome.cls, outcome.phase) == (OutcomeClass.ACCOUNT, "auth")


async def test_a_missing_secret_needs_a_person_and_says_which(start: Start) -> None:
    def missing() -> str:
        raise UsageError("environment variable SMTP_PASSWORD is not set")

    line = await start(rules=Rules(login=LOGIN), username="us", password=missing)
    outcome = await refusal(line)
    assert (outcome.cls, outcome.action) == (OutcomeClass.ACCOUNT, "needs_attention")
    assert "SMTP_PASSWORD" in outcome.text


async def test_no_outcome_holds_the_password(start: Start) -> None:
    secret = base64.b64encode(b"\0us\0s3cret").decode()
    line = await start(
        Fault("auth", reply("535 5.7.8 no")), rules=Rules(login=LOGIN), username="us", password=lambda: "s3cret"
    )
    told = repr(await refusal(line))
    assert "s3cret" not in told
    assert secret not in told


async def test_a_temporary_login_failure_cools_the_queue(start: Start) -> None:
    line = await start(
        Fault("auth", reply("454 4.7.0 Temporary authentication failure")),
        rules=Rules(login=LOGIN),
        username="us",
        password=lambda: "s3cret",
    )
    outcome = await refusal(line)
    assert (outcome.cls, outcome.action) == (OutcomeClass.ACCOUNT, "cool")


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_the_hand_over_works_on_uvloop_too(certificate: Certificate, tls: str) -> None:
    uvloop = pytest.importorskip("uvloop")
    rules = Rules(tls=None if tls == "none" else certificate.context, implicit_tls=tls == "implicit")

    async def travel() -> dict[str, int]:
        async with Relay(rules, ledger=Ledger()) as relay:
            session = await SmtpChannel(
                SmtpSettings(
                    *("127.0.0.1", relay.port, tls), local_hostname="client.example", ca_file=str(certificate.path)
                )
            ).open()
            for _ in range(3):
                one = message()
                assert await session.prepare(one) is None
                assert (await session.deliver(one)).cls is OutcomeClass.ACCEPTED
            await session.close()
            return relay.ledger.by_recipient()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(travel()) == {"ada@example.org": 3}
