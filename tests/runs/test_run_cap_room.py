"""A full cap that has room again before the time that it named is used again, whatever else is still under way."""

from __future__ import annotations

from typing import Any

from run_world import World

from engine.feedback import GOOD_FOR_RATE
from storage.model import HOUR, MINUTE, SECOND
from tests.support.counted import most_in_any
from tests.support.scripted import SHUTTING_DOWN

AT_ONCE: dict[str, Any] = {"mode": "blast", "concurrency": 10, "batch_delay": "0s"}


async def test_a_cap_opens_on_time_while_the_answers_to_what_filled_it_are_still_out(world: World) -> None:
    world.channel.service = (5 * MINUTE, 5 * MINUTE)
    await world.start(caps=["3/min"], concurrency=5)
    await world.campaign(people=5, concurrency=5, pacing=AT_ONCE)
    await world.clock.run(90 * SECOND)
    starts = world.channel.starts
    assert [round((start - starts[0]) / SECOND) for start in starts] == [0, 0, 0, 60, 60]
    await world.finish()


async def test_a_server_slow_to_take_an_envelope_holds_no_place_of_a_cap_twice(world: World) -> None:
    """Its start stands in the books already: it is no longer one that may still take what room is left."""

    async def prepare(message: Any) -> None:
        if message.recipient == "c00000@example.org":
            await world.clock.sleep(5 * MINUTE)

    world.channel.during_prepare = prepare
    await world.start(caps=["2/min"], concurrency=5)
    await world.campaign(people=5, concurrency=5, pacing=AT_ONCE)
    await world.clock.run(3 * MINUTE)
    starts = world.channel.starts
    assert len(starts) == 4, "all but the one whose envelope is still under way"
    assert round((starts[-1] - starts[0]) / SECOND) <= 120
    await world.finish()


async def slowed_down(world: World, cap: str) -> None:
    """A queue with a halved rate, ready again, whose cap is full until much later."""
    world.channel.script = {"c00000@example.org": [SHUTTING_DOWN]}
    await world.start(caps=[cap], concurrency=10)
    await world.campaign(people=100, concurrency=10, pacing=AT_ONCE)
    await world.clock.until(lambda: world.queue()["throttle"] == 1)


async def test_a_rate_that_a_person_gives_back_is_used_at_once(world: World) -> None:
    await slowed_down(world, "40/h")
    await world.clock.run(10 * MINUTE)
    assert (len(world.channel.deliveries), world.queue()["throttle"]) == (20, 1)
    await world.call("queue.resume", name="one")
    await world.clock.run(MINUTE)
    assert len(world.channel.deliveries) == 40
    await world.call("campaign.cancel", name="c")


async def test_a_rate_that_comes_back_by_good_answers_is_used_at_once(world: World) -> None:
    world.channel.service = (10 * SECOND, 11 * SECOND)
    await slowed_down(world, f"{2 * GOOD_FOR_RATE + 4}/h")
    await world.clock.run(20 * MINUTE)
    assert world.queue()["throttle"] == 0
    assert len(world.channel.deliveries) == 2 * GOOD_FOR_RATE + 4
    assert most_in_any(world.channel.starts, HOUR) <= 2 * GOOD_FOR_RATE + 4
    await world.call("campaign.cancel", name="c")
