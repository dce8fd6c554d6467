"""Servers that never end: bounded in time and in memory, whatever they send."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from engine.channels.channel import ChannelError
from storage.model import OutcomeClass
from tests.channels.conftest import Start, message
from tests.support.relay_faults import Action, Fault, drip, endless, raw

HOSTILE = {
    "endless lines": endless(b"250-and another thing\r\n"),
    "one endless line": endless(b"2"),
    "slow drip": drip(b"250-x\r\n", 0.01),
    "binary": raw(bytes(range(256)) + b"\r\n"),
    "escape sequences": raw(b"\x1b]0;owned\x07\x1b[2J\r\n"),
    "half a line": raw(b"250 2.1.0 O"),
}


@pytest.fixture(params=HOSTILE.values(), ids=HOSTILE.keys())
def action(request: pytest.FixtureRequest) -> Action:
    act: Action = request.param
    return act


@pytest.mark.parametrize("phase", ["banner", "ehlo"])
async def test_a_hostile_greeting_ends_in_bounded_time_and_memory(start: Start, phase: str, action: Action) -> None:
    line = await start(Fault(phase, action), connect_timeout=0.3, command_timeout=0.3)
    tracemalloc.start()
    try:
        async with asyncio.timeout(5):
            with pytest.raises(ChannelError) as caught:
                await line.open()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (caught.value.outcome.cls, caught.value.outcome.phase) == (OutcomeClass.ROUTE, "connect")
    assert len(caught.value.outcome.text) <= 1_000
    assert peak < 8_000_000


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data"])
async def test_a_hostile_reply_before_the_content_is_a_route_fault(start: Start, phase: str, action: Action) -> None:
    line = await start(Fault(phase, action), command_timeout=0.3)
    session = await line.open()
    one = message()
    async with asyncio.timeout(5):
        outcome = await session.prepare(one) or await session.deliver(one)
    assert (outcome.cls, outcome.phase) == (OutcomeClass.ROUTE, phase)
    assert len(outcome.text) <= 1_000
    assert not session.usable


async def test_a_hostile_reply_to_the_content_is_uncertain(start: Start, action: Action) -> None:
    line = await start(Fault("dot", action), reply_timeout=0.3)
    session = await line.open()
    one = message()
    assert await session.prepare(one) is None
    async with asyncio.timeout(5):
        outcome = await session.deliver(one)
    assert outcome.cls is OutcomeClass.UNCERTAIN
    assert len(outcome.text) <= 1_000
    assert not session.usable


@pytest.mark.parametrize("line_end", [b"\r\n", b""], ids=["endless lines", "one endless line"])
async def test_a_reply_without_end_is_cut_at_its_size_long_before_the_timeout(start: Start, line_end: bytes) -> None:
    line = await start(Fault("rcpt", endless(b"250-and another thing" + line_end)), command_timeout=60)
    session = await line.open()
    async with asyncio.timeout(5):
        outcome = await session.prepare(message())
    assert outcome is not None
    assert "more than 16384 bytes" in outcome.text


async def test_closing_a_session_that_does_not_answer_takes_a_moment_only(start: Start) -> None:
    line = await start(Fault("quit", raw(b"")), command_timeout=0.1)
    session = await line.open()
    async with asyncio.timeout(2):
        await session.close()
        await session.close()
    assert not session.usable
