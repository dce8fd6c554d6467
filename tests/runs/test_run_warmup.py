"""The warm-up of a new sender through the whole engine: a rung a day of sending, in the account's own days."""

from __future__ import annotations

from typing import Any

import pytest
from run_world import World, slow_heart

from engine.planning.caps import Ramp
from storage.model import DAY, HOUR
from tests.support.counted import by_calendar

AT_ONCE: dict[str, Any] = {"mode": "blast", "concurrency": 10, "batch_delay": "0s"}
ZONE = "America/New_York"
BY_ONE = {"start": 5, "step": 1, "ceiling": 20}
BY_TENTH = {"start": 20, "growth": 0.1, "ceiling": 40}


@pytest.fixture(autouse=True)
def a_slow_heart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_heart(monkeypatch)


def days(world: World) -> list[int]:
    return list(by_calendar(world.channel.starts, DAY, ZONE).values())


@pytest.mark.parametrize("ramp", [BY_ONE, BY_TENTH], ids=["one more a day", "a tenth more a day"])
async def test_each_day_of_sending_allows_its_rung_over_restarts_and_cuts(world: World, ramp: dict[str, Any]) -> None:
    """Through a change of the clocks too: the days are those of the account's zone."""
    world.set_clock("2026-03-05T15:00Z")
    await world.start(warmup=ramp, zone=ZONE)
    ladder = Ramp(**ramp).ladder()
    await world.campaign(people=sum(ladder[:8]) + 1, pacing=AT_ONCE)
    for n in range(8):
        await world.clock.run(DAY // 2)
        await (world.cut() if n % 2 else world.stop())
        await world.clock.run(HOUR)
        await world.start()
        await world.clock.run(DAY // 2 - HOUR)
    assert days(world) == [*ladder[:8], 1]
    assert world.channel.twice == []


async def test_a_day_without_a_message_is_no_day_of_sending(world: World) -> None:
    world.set_clock("2026-03-05T15:00Z")
    await world.start(warmup=BY_ONE, zone=ZONE)
    await world.campaign(people=100, pacing=AT_ONCE)
    await world.clock.run(HOUR)
    await world.call("queue.pause", name="one")
    await world.clock.run(10 * DAY)
    await world.call("queue.resume", name="one")
    await world.clock.run(DAY)
    assert days(world) == [5, 6, 7]


async def test_a_clock_that_is_set_back_climbs_no_rung(world: World) -> None:
    world.set_clock("2026-03-05T15:00Z")
    await world.start(warmup=BY_ONE, zone=ZONE)
    await world.campaign(people=100, pacing=AT_ONCE)
    await world.clock.run(2 * DAY)
    assert days(world) == [5, 6, 7]
    world.clock.step_wall(-3 * DAY)
    world.engine.wake()
    before = len(world.channel.begun)
    await world.clock.run(3 * DAY)
    assert len(world.channel.begun) - before <= 8 * 3


async def test_a_lower_cap_wins_over_the_rung(world: World) -> None:
    world.set_clock("2026-03-05T15:00Z")
    await world.start(warmup=BY_ONE, zone=ZONE, caps=["6/day calendar"])
    await world.campaign(people=60, pacing=AT_ONCE)
    await world.clock.run(4 * DAY)
    assert days(world) == [5, 6, 6, 6, 6]
