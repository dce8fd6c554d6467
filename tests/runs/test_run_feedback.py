"""Feedback: the rate falls by half at a refusal that concerns the account, once, and comes back by good answers."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from run_world import World

from engine.channels.channel import Message
from engine.feedback import GOOD_FOR_ONE, GOOD_FOR_RATE
from storage.model import HOUR, MINUTE, SECOND
from tests.support.scripted import ACCEPT, REFUSED, SHUTTING_DOWN

AT_ONCE: dict[str, Any] = {"mode": "blast", "concurrency": 10, "batch_delay": "0s"}
LATE = 2 * SECOND


async def test_ten_connections_that_meet_one_refusal_halve_the_rate_once(world: World) -> None:
    """All ten are inside when the server has enough of them."""
    inside: list[str] = []
    everybody = asyncio.Event()

    async def together(message: Message) -> None:
        if not everybody.is_set():
            inside.append(message.recipient)
            if len(inside) == 10:
                everybody.set()
            await everybody.wait()

    world.channel.during_prepare = together
    world.channel.answer = lambda message: SHUTTING_DOWN if len(world.channel.offers) <= 10 else ACCEPT
    await world.start(concurrency=10)
    await world.campaign(people=40, concurrency=10, pacing=AT_ONCE)
    await world.clock.run(30 * SECOND)
    assert len(inside) == 10
    assert (world.queue()["state"], world.queue()["throttle"]) == ("cooling", 1)
    assert len(world.events("queue.cooling")) == 1
    (slowed,) = world.events("queue.slowed")
    assert slowed["level"] == "warning"
    assert slowed["text"].startswith("queue one slows down to 1/2 of its rate: 4.7.0 Too many connections")


async def test_every_gap_is_twice_as_long_until_thirty_good_answers(world: World) -> None:
    """Also on a queue that spends its time waiting for its minimum gap."""
    world.channel.script = {"c00002@example.org": [SHUTTING_DOWN]}
    await world.start(min_gap="1m")
    await world.campaign(people=45, pacing=AT_ONCE)
    await world.finish()
    gaps = [round(gap / SECOND) for gap in world.channel.gaps()]
    slow = gaps[2 : 1 + GOOD_FOR_RATE]
    assert set(slow) == {120}
    assert set(gaps[2 + GOOD_FOR_RATE :]) == {60}
    assert world.queue()["throttle"] == 0
    (recovers,) = world.events("queue.recovers")
    assert recovers["text"] == f"queue one goes back to its full rate after {GOOD_FOR_RATE} good answers"


async def test_a_second_refusal_halves_what_is_left_and_never_gives_some_back(world: World) -> None:
    world.channel.script = {"c00002@example.org": [SHUTTING_DOWN], "c00008@example.org": [SHUTTING_DOWN]}
    await world.start(min_gap="1m")
    await world.campaign(people=14, pacing=AT_ONCE)
    await world.finish()
    assert world.queue()["throttle"] == 2
    assert {round(gap / SECOND) for gap in world.channel.gaps()[-4:]} == {240}
    assert [event["text"].partition(":")[0] for event in world.events("queue.slowed")] == [
        "queue one slows down to 1/2 of its rate",
        "queue one slows down to 1/4 of its rate",
    ]


async def test_a_halved_rate_is_remembered_over_a_restart(world: World) -> None:
    world.channel.script = {"c00002@example.org": [SHUTTING_DOWN]}
    await world.start(rate="20/min", concurrency=10)
    await world.campaign(people=200, concurrency=10, pacing=AT_ONCE)
    await world.clock.run(2 * MINUTE)
    assert world.queue()["throttle"] == 1
    before = len(world.channel.begun)
    await world.restart(after=MINUTE)
    await world.clock.run(90 * SECOND)
    starts = world.channel.starts[before:]
    assert len(starts) >= 10, "a cap with room is used"
    assert all(later - earlier >= MINUTE for earlier, later in zip(starts, starts[10:], strict=False))


async def test_a_day_s_cap_stays_what_it_is_while_the_rate_is_halved(world: World) -> None:
    world.channel.script = {"c00002@example.org": [SHUTTING_DOWN]}
    await world.start(daily_cap=20)
    await world.campaign(people=40, pacing=AT_ONCE)
    await world.clock.run(HOUR)
    assert (world.queue()["throttle"], len(world.channel.begun)) == (1, 20)


async def test_places_are_halved_and_come_back_one_by_one(world: World) -> None:
    world.channel.script = {"c00010@example.org": [SHUTTING_DOWN]}
    world.channel.service = (SECOND, SECOND)
    await world.start(concurrency=8)
    await world.campaign(people=300, concurrency=8, pacing=AT_ONCE)

    def places() -> int:
        return int(world.engine.status()["queues"][0]["places"])

    await world.clock.until(lambda: len(world.events("queue.slowed")) == 1)
    assert places() == 4
    sent = len(world.channel.deliveries)
    seen = [places()]
    while seen[-1] < 8:
        await world.clock.run(SECOND // 2)
        if places() != seen[-1]:
            seen.append(places())
    assert seen == [4, 5, 6, 7, 8]
    assert len(world.channel.deliveries) - sent >= 4 * GOOD_FOR_ONE


@pytest.mark.parametrize("recovers", [True, False], ids=["recovers", "fails again"])
async def test_the_end_of_a_cooling_sends_exactly_one_probe(world: World, recovers: bool) -> None:
    world.channel.service = (10 * SECOND, 10 * SECOND)
    world.channel.script = {"c00003@example.org": [SHUTTING_DOWN] * (1 if recovers else 2)}
    await world.start(concurrency=5)
    await world.campaign(people=30, pacing=AT_ONCE)
    await world.clock.until(lambda: bool(world.events("queue.cooling")))
    until = world.queue()["until_at"]
    await world.clock.run(until - world.clock.now() - SECOND)
    assert world.channel.inside == 0, "what was inside has ended"
    offered = len(world.channel.offers)
    # While the probe is under way (10 s) nothing else is offered.
    await world.clock.run(8 * SECOND)
    assert len(world.channel.offers) == offered + 1
    assert world.channel.offers[-1].at >= until
    await world.clock.run(20 * SECOND)
    assert world.queue()["state"] == ("ready" if recovers else "cooling")
    assert (len(world.channel.offers) > offered + 1) is recovers


async def test_a_probe_that_is_refused_climbs_the_cooling_and_leaves_the_rate_alone(world: World) -> None:
    world.channel.answer = lambda message: SHUTTING_DOWN if 3 <= len(world.channel.offers) <= 6 else ACCEPT
    await world.start(min_gap="1m")
    await world.campaign(people=10, pacing=AT_ONCE)
    await world.finish()
    assert len(world.events("queue.cooling")) == 4, "three probes met the same refusal"
    assert len(world.events("queue.slowed")) == 1
    assert world.queue()["throttle"] == 1
    assert round(world.channel.gaps()[-1] / SECOND) == 120


async def test_places_stay_halved_over_a_restart_and_come_back_by_good_answers(world: World) -> None:
    world.channel.script = {"c00010@example.org": [SHUTTING_DOWN]}
    world.channel.service = (SECOND, SECOND)
    await world.start(concurrency=8)
    await world.campaign(people=400, concurrency=8, pacing={"mode": "blast", "concurrency": 10, "batch_delay": "5s"})
    await world.clock.until(lambda: world.queue()["throttle"] == 1 and world.queue()["state"] == "ready")
    await world.restart(after=MINUTE)

    def places() -> int:
        return int(world.engine.status()["queues"][0]["places"])

    assert places() == 4
    before = len(world.channel.deliveries)
    await world.clock.until(lambda: places() == 8)
    assert len(world.channel.deliveries) - before >= 4 * GOOD_FOR_ONE


async def test_a_server_that_is_not_reached_cools_the_queue_and_leaves_the_rate_alone(world: World) -> None:
    world.channel.doors.extend([REFUSED])
    await world.start(min_gap="1m")
    await world.campaign(people=5, pacing=AT_ONCE)
    await world.finish()
    assert world.queue()["throttle"] == 0
    assert {round(gap / SECOND) for gap in world.channel.gaps()} == {60}
    assert all(later - earlier >= MINUTE for earlier, later in itertools.pairwise(world.channel.starts))
