"""The times that a timeline gives to what comes are those at which it leaves, message by message."""

from __future__ import annotations

from typing import Any

import pytest
from run_world import World

from engine.config import load_config
from engine.forecasting import expected_starts
from storage.model import HOUR, MINUTE, SECOND

OFFICE = {"hours": "mon-fri 09:00-17:00", "zone": "Europe/Berlin"}
HUMAN = {"mode": "human", "gap_min": "15m", "gap_max": "45m"}


def expected(world: World, name: str = "c") -> dict[int, int]:
    config = load_config(world.config)
    return world.read(lambda reader: expected_starts(reader, name, config, now=world.clock.now()))


def sent(world: World, name: str = "c") -> dict[int, int]:
    return {job["id"]: job["sent_at"] for job in world.jobs(name)}


@pytest.mark.parametrize(
    "limits",
    [
        {"caps": ["6/day calendar"]}, {"caps": ["6/day", "2/h"]}, {"caps": ["1/h"]},
        {"warmup": {"start": 3, "step": 1, "ceiling": 5}},
    ],
    ids=str,
)  # fmt: skip
async def test_each_message_begins_when_it_was_expected(world: World, limits: dict[str, Any]) -> None:
    await world.start(zone="Europe/Berlin", **limits)
    await world.campaign(people=30, pacing=HUMAN, window=OFFICE)
    told = expected(world)
    due = {job["id"]: job["due_at"] for job in world.jobs("c")}
    await world.finish()
    assert told.keys() == sent(world).keys()
    assert all(abs(at - told[number]) <= MINUTE for number, at in sent(world).items())
    late = [at - due[number] for number, at in told.items()]
    assert max(late) > HOUR, "the plan alone would have told something else"
    assert list(told) == sorted(due, key=lambda number: (due[number], number))


async def test_what_is_overdue_is_expected_by_its_gaps_and_not_at_once(world: World) -> None:
    world.channel.service = (2 * SECOND, 2 * SECOND)
    await world.start()
    await world.campaign(people=40, pacing=HUMAN)
    await world.call("queue.pause", name="one")
    await world.clock.run(5 * HOUR)
    assert expected(world) == {}, "nobody knows when a person opens the queue"
    await world.call("queue.resume", name="one")
    told, now = expected(world), world.clock.now()
    assert min(told.values()) >= now
    await world.finish()
    assert all(abs(at - told[number]) <= MINUTE for number, at in sent(world).items() if number in told)


async def test_what_does_not_run_is_not_expected(world: World) -> None:
    await world.start()
    await world.campaign(people=5, start=False, pacing=HUMAN)
    assert expected(world) == {}
    await world.call("campaign.start", name="c")
    assert len(expected(world)) == 5
    await world.call("engine.pause")
    assert expected(world) == {}
    await world.call("engine.resume")
    await world.call("campaign.pause", name="c")
    assert expected(world) == {}
