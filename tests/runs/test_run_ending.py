"""An engine that is told to end while a claim is being committed: what was not begun by then is not begun any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from run_world import World

from engine.channels.channel import Message
from engine.head_start import NEAR
from storage.dispatch_nouns import Claim, ClaimRequest
from storage.model import HOUR, SECOND

AT_ONCE: dict[str, Any] = {"mode": "blast", "concurrency": 5, "batch_delay": "0s"}


def around_a_claim(
    world: World, *, before: Callable[[], None] = lambda: None, after: Callable[[], None] = lambda: None
) -> None:
    """Call `before` when a claim that could take jobs is asked for, and `after` when one has taken some; each once."""
    claim = world.engine.store.claim
    asked, taken = [before], [after]

    async def watched(ask: Callable[[], ClaimRequest]) -> Claim:
        waiting = asyncio.ensure_future(claim(ask))
        await asyncio.sleep(0)
        if asked and world.rows("SELECT 1 FROM jobs WHERE state = 'pending' AND ready = 1 LIMIT 1"):
            asked.pop()()
        claimed = await waiting
        if claimed.jobs and taken:
            taken.pop()()
        return claimed

    world.engine.store.claim = watched  # type: ignore[method-assign]


async def a_second_of_sending(world: World, *, near: bool) -> None:
    """Two of seven at a time are with the server, for an hour each, after five whose answers told how near it is."""

    async def far(message: Message) -> None:
        await world.clock.sleep(NEAR)

    if not near:
        world.channel.during_prepare = far
    await world.start()
    await world.campaign("first", people=5, pacing=AT_ONCE)
    await world.clock.run(SECOND)
    assert len(world.channel.deliveries) == 5
    world.channel.service = (HOUR, HOUR)


NEARNESS = pytest.mark.parametrize("near", [True, False], ids=["near", "far"])


@NEARNESS
async def test_a_cut_during_a_claim_begins_nothing_and_waits_for_nobody(world: World, near: bool) -> None:
    await a_second_of_sending(world, near=near)
    around_a_claim(world, after=lambda: world.engine.cut("a second signal"))
    await world.campaign("c", people=10, pacing=AT_ONCE)
    world.running = False
    try:
        await world.clock.drive(world.engine.run(), limit=SECOND)
    finally:
        world._open = False
    assert len(world.channel.begun) == 5, "no content after the cut"
    counts = world.counts()
    assert sum(counts.values()) == 10 and set(counts) <= {"pending", "uncertain"}


@NEARNESS
async def test_a_drain_before_a_claim_is_committed_takes_nothing(world: World, near: bool) -> None:
    await a_second_of_sending(world, near=near)
    around_a_claim(world, before=lambda: world.engine.queues.runners["one"].drain())
    await world.campaign("c", people=10, pacing=AT_ONCE)
    await world.clock.run(SECOND)
    assert world.counts() == {"pending": 10}
    assert len(world.channel.begun) == 5
