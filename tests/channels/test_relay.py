"""The demo relay itself: real SMTP, rules that repeat, and a ledger that can be trusted."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.channels.smtp import SmtpChannel, SmtpSettings
from storage.model import OutcomeClass
from tests.channels.conftest import Start, message
from tui.demo.ledger import Ledger
from tui.demo.relay import Relay
from tui.demo.rules import BELIEVABLE, Fate, Rules

ROOT = Path(__file__).parent.parent.parent


async def talk(port: int, data: bytes) -> list[str]:
    """Everything the relay says to `data`, sent in one piece."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    async with asyncio.timeout(5):
        said = await reader.read()
    writer.close()
    return said.decode().splitlines()


async def test_pipelined_commands_are_answered_in_order() -> None:
    ledger = Ledger()
    async with Relay(Rules(), ledger=ledger) as relay:
        said = await talk(
            relay.port,
            b"HELO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n"
            b"Message-ID:\r\n <1@x>\r\n\r\n..dot\r\n.\r\nNOOP\r\nRSET\r\nQUIT\r\n",
        )
    assert [line[:3] for line in said] == ["220", "250", "250", "250", "250", "354", "250", "250", "250", "221"]
    assert [(entry.recipient, entry.sender, entry.message_id, entry.size) for entry in ledger.accepted] == [
        ("a@x.org", "", "<1@x>", 29),
        ("b@x.org", "", "<1@x>", 29),
    ]


@pytest.mark.parametrize(
    ("commands", "code"),
    [
        (b"RCPT TO:<a@x.org>", "503"),
        (b"DATA", "503"),
        (b"MAIL FROM:<a@x.org>\r\nDATA", "503"),
        (b"MAIL FROM:<a@x.org>\r\nMAIL FROM:<a@x.org>", "503"),
        (b"MAIL a@x.org", "501"),
        (b"MAIL FROM:<a@x.org> SIZE=99999999999", "552"),
        (b"MAIL FROM:<a@x.org>\r\nRCPT TO:<nobody>", "501"),
        (b"VRFY root", "502"),
        (b"STARTTLS", "502"),
        (b"AUTH PLAIN AHUAcA==", "502"),
        pytest.param(b"NOOP " + b"x" * 5_000, "500", id="long command"),
        pytest.param(
            b"MAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n" + b"x" * 999 + b"\r\n.", "500", id="long text line"
        ),
    ],
)
async def test_what_breaks_the_rules_is_refused(commands: bytes, code: str) -> None:
    ledger = Ledger()
    async with Relay(Rules(), ledger=ledger) as relay:
        said = await talk(relay.port, b"EHLO me\r\n" + commands + b"\r\nQUIT\r\n")
    refusals = [line for line in said if line[0] in "45"]
    assert [line[:3] for line in refusals] == [code]
    assert ledger.refused == {int(code): 1}
    assert ledger.accepted == []


async def test_a_message_over_the_limit_is_refused_after_its_end() -> None:
    async with Relay(Rules(max_size=1_000), ledger=Ledger()) as relay:
        line = b"x" * 70 + b"\r\n"
        said = await talk(
            relay.port,
            b"HELO me\r\nMAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\nDATA\r\n" + line * 5_000 + b".\r\nQUIT\r\n",
        )
    assert [line[:3] for line in said] == ["220", "250", "250", "250", "354", "552", "221"]


async def test_a_greylisted_recipient_is_accepted_after_the_delay(start: Start) -> None:
    line = await start(rules=Rules(greylisted=1.0, greylist_delay=0.05))
    session = await line.open()
    first = await session.prepare(message())
    assert first is not None
    assert (first.code, first.enhanced) == (451, "4.7.1")
    one = message()
    async with asyncio.timeout(5):
        while await session.prepare(one) is not None:
            pass
    assert (await session.deliver(one)).cls is OutcomeClass.ACCEPTED


async def test_every_nth_transaction_is_answered_by_421(start: Start) -> None:
    line = await start(rules=Rules(busy_every=3))
    codes = []
    for number in range(6):
        session = await line.open()
        one = message(f"r{number}@example.org")
        codes.append((await session.prepare(one) or await session.deliver(one)).code)
        await session.close()
    assert codes == [250, 250, 421, 250, 250, 421]


def test_a_recipient_s_fate_follows_from_seed_and_address() -> None:
    rules = Rules(seed=7, unknown=0.2, full=0.1, greylisted=0.3, fates={"vip@x.org": Fate.FULL})
    fates = [rules.fate(f"r{number}@example.org") for number in range(2_000)]
    assert fates == [replace(rules).fate(f"R{number}@Example.org") for number in range(2_000)]
    shares = {fate: fates.count(fate) / 2_000 for fate in Fate}
    assert shares == pytest.approx({"unknown": 0.2, "full": 0.1, "greylist": 0.3, "accept": 0.4}, abs=0.04)
    assert rules.fate("VIP@x.org") is Fate.FULL
    assert {Rules().fate(f"r{number}@example.org") for number in range(100)} == {Fate.ACCEPT}
    assert BELIEVABLE.greylisted > 0


def test_the_relay_listens_on_this_machine_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        Relay(Rules(), ledger=Ledger(), host="0.0.0.0")


async def test_the_ledger_s_file_has_the_acceptance_before_the_client_has_the_250(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    read: list[int] = []

    async def look(phase: str, transaction: object, own: bytes) -> bytes:
        if phase == "accepted":
            read.append(len(Ledger.read(path)))
        return own

    ledger = Ledger(path)
    async with Relay(Rules(), ledger=ledger, hook=look) as relay:
        session = await SmtpChannel(
            SmtpSettings("127.0.0.1", relay.port, tls="none", local_hostname="client.example")
        ).open()
        one = message("jörg@example.org")
        assert await session.prepare(one) is None
        await session.deliver(one)
    ledger.close()
    assert read == [1]
    assert Ledger.read(path) == ledger.accepted
    assert ledger.by_recipient() == {"jörg@example.org": 1}


async def serve(path: Path, stop: Callable[[int], None]) -> tuple[list[str], int | None, bytes]:
    """Run the relay as a process of its own, send one message, stop it; the ledger's recipients, exit,
    stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tui.demo.relay", "--port", "0", "--ledger", str(path), "--plain"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        told = (await process.stdout.readline()).decode()
        host, _, port = told.removeprefix("listening on ").strip().rpartition(":")
        session = await SmtpChannel(SmtpSettings(host, int(port), tls="none", local_hostname="client.example")).open()
        one = message()
        assert await session.prepare(one) is None
        assert (await session.deliver(one)).cls is OutcomeClass.ACCEPTED
        stop(process.pid)
        _, errors = await process.communicate()
    await session.close()
    return [entry.recipient for entry in Ledger.read(path)], process.returncode, errors


async def test_as_a_process_it_says_where_it_listens_and_ends_on_sigterm(tmp_path: Path) -> None:
    recipients, code, errors = await serve(tmp_path / "ledger", lambda pid: os.kill(pid, signal.SIGTERM))
    assert (recipients, code, errors) == (["ada@example.org"], 0, b"")


async def test_its_ledger_survives_its_own_death(tmp_path: Path) -> None:
    recipients, code, _ = await serve(tmp_path / "ledger", lambda pid: os.kill(pid, signal.SIGKILL))
    assert (recipients, code) == (["ada@example.org"], -signal.SIGKILL)
