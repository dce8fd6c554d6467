"""The content on the wire: line ends and dots (RFC 5321 4.5.2), and the way back."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.channels.channel import Message
from engine.channels.smtp import SmtpChannel, SmtpSettings
from engine.channels.transaction import wire_content
from storage.model import OutcomeClass
from tests.support.relay_faults import Faults
from tui.demo.ledger import Ledger
from tui.demo.relay import Relay
from tui.demo.rules import Rules

BODIES = st.lists(st.sampled_from([b".", b"\r", b"\n", b"\r\n", b"a", b"\x00", b"\xff"])).map(b"".join) | st.binary()


def canonical(content: bytes) -> bytes:
    """Line by line, the slow way."""
    ended = re.sub(rb"\r\n|\r|\n", b"\r\n", content)
    return ended if ended.endswith(b"\r\n") else ended + b"\r\n"


@given(BODIES)
@example(b"")
@example(b".")
@example(b".\r\n.\r\n..\r\n")
@example(b"a\n.\n")
def test_every_line_that_begins_with_a_dot_gets_another_one(content: bytes) -> None:
    wire, size = wire_content(content)
    lines = canonical(content)[:-2].split(b"\r\n")
    stuffed = [b"." + line if line.startswith(b".") else line for line in lines]
    assert wire == b"\r\n".join([*stuffed, b".", b""])
    assert size == len(canonical(content))


@given(st.lists(BODIES, min_size=1, max_size=5))
@settings(max_examples=50)
def test_a_server_reads_what_was_written_and_nothing_else(contents: list[bytes]) -> None:
    async def travel() -> None:
        faults, ledger = Faults(), Ledger()
        async with Relay(Rules(max_text_line=0), ledger=ledger, hook=faults) as relay:
            session = await SmtpChannel(
                SmtpSettings("127.0.0.1", relay.port, tls="none", local_hostname="client.example")
            ).open()
            for number, content in enumerate(contents):
                one = Message("us@example.com", f"r{number}@example.org", f"<{number}@example.com>", content)
                assert await session.prepare(one) is None
                assert (await session.deliver(one)).cls is OutcomeClass.ACCEPTED
            await session.close()
        assert faults.contents == [canonical(content) for content in contents]
        assert ledger.by_recipient() == {f"r{number}@example.org": 1 for number in range(len(contents))}

    asyncio.run(travel())


@pytest.mark.parametrize("size", [100_000, 5_000_000])
def test_a_large_content_arrives_whole(size: int) -> None:
    content = (b".line\r\n" * (size // 7)) + b"."

    async def travel() -> list[bytes]:
        faults = Faults()
        async with Relay(Rules(), ledger=Ledger(), hook=faults) as relay:
            session = await SmtpChannel(
                SmtpSettings("127.0.0.1", relay.port, tls="none", local_hostname="client.example")
            ).open()
            one = Message("us@example.com", "ada@example.org", "<1@example.com>", content)
            assert await session.prepare(one) is None
            assert (await session.deliver(one)).cls is OutcomeClass.ACCEPTED
        return faults.contents

    assert asyncio.run(travel()) == [canonical(content)]
