"""No burst: whatever held messages up, they leave by gap, cap and window, in order. And a month of pacing."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from run_world import World, slow_heart

from storage.model import DAY, HOUR, MINUTE, SECOND
from tests.support.counted import by_calendar, most_in_any
from tests.support.scripted import ACCEPT, DAILY_LIMIT, REFUSED, SHUTTING_DOWN
from tests.support.simulated import SimulatedClock
from tests.support.window_oracle import wall_time

ZONE = "Europe/Berlin"
HOURS = {"hours": "daily 08:00-20:00", "zone": ZONE}
CAP = "60/day calendar"
HUMAN: dict[str, Any] = {"mode": "human", "gap_min": "5m", "gap_max": "15m"}
OVERDUE = 169
"""So many messages came late by five hours in the operator's own words, and must not leave at once."""


async def pause(world: World) -> None:
    await world.call("campaign.pause", name="c")
    await world.clock.run(5 * HOUR)
    await world.call("campaign.resume", name="c")


async def pause_everything(world: World) -> None:
    await world.call("engine.pause")
    await world.clock.run(5 * HOUR)
    await world.call("engine.resume")


async def pause_the_queue(world: World) -> None:
    await world.call("queue.pause", name="one")
    await world.clock.run(5 * HOUR)
    await world.call("queue.resume", name="one")


async def restart(world: World) -> None:
    await world.restart(after=5 * HOUR)


async def die(world: World) -> None:
    await world.cut()
    await world.clock.run(5 * HOUR)
    await world.start()


async def sleep(world: World) -> None:
    """A laptop: monotonic time stands, the wall clock jumps."""
    world.clock.step_wall(5 * HOUR)


async def step_forward_and_back(world: World) -> None:
    world.clock.step_wall(5 * HOUR)
    await world.clock.run(10 * MINUTE)
    world.clock.step_wall(-5 * HOUR)
    await world.clock.run(5 * HOUR)


async def unreachable(world: World) -> None:
    world.channel.door = lambda: REFUSED
    await world.clock.run(5 * HOUR)
    world.channel.door = None


async def rate_limited(world: World) -> None:
    world.channel.answer = lambda message: SHUTTING_DOWN
    await world.clock.run(5 * HOUR)
    world.channel.answer = lambda message: ACCEPT


Trouble = Callable[[World], Awaitable[None]]
TROUBLES: list[Trouble] = [
    pause, pause_everything, pause_the_queue, restart, die, sleep, step_forward_and_back, unreachable, rate_limited,
]  # fmt: skip


def all_of(world: World) -> list[str]:
    return [job["address"] for job in world.jobs()]


@pytest.mark.parametrize(
    ("spacing", "trouble"),
    [("own gaps", trouble) for trouble in TROUBLES]
    + [("the queue's", trouble) for trouble in (die, sleep, rate_limited)],
    ids=lambda value: getattr(value, "__name__", value),
)
async def test_overdue_messages_keep_gap_cap_and_window(
    world: World, spacing: str, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_heart(monkeypatch, 5 * MINUTE)
    world.set_clock("2026-03-27T09:00:00+01:00")
    gap = 5 * MINUTE
    queue = {"caps": [CAP], "zone": ZONE, "window": HOURS}
    if spacing == "own gaps":
        await world.start(**queue)
        await world.campaign(people=OVERDUE, pacing=HUMAN)
    else:
        await world.start(**queue, min_gap="5m")
        await world.campaign(people=OVERDUE, pacing={"mode": "blast", "concurrency": 10, "batch_delay": "0s"})
    await world.clock.run(40 * MINUTE)
    before = len(world.channel.begun)
    await trouble(world)
    since = len(world.channel.begun)
    assert before >= 2
    await world.clock.run(DAY)
    # After five hours of refusals the rate stands at a sixteenth.
    assert len(world.channel.begun) - since >= (5 if trouble is rate_limited else 40), "it goes on"
    begun = world.channel.begun
    order = [start.recipient for start in begun]
    # A message that met the refusal itself is due again from then on: those that were due before it go first.
    assert len(set(order)) == len(order) if trouble is rate_limited else order == all_of(world)[: len(order)]
    # Of two times that a clock which was set says between two messages the longer one is what people saw.
    waits = [max(two.at - one.at, two.mono - one.mono) for one, two in itertools.pairwise(begun)]
    assert min(waits) >= gap
    assert max(by_calendar([start.at for start in begun], DAY, ZONE).values()) <= 60
    assert all(8 <= wall_time(start.at, ZONE).hour < 20 for start in begun)


async def test_an_account_back_from_a_day_of_rest_sends_no_burst(world: World) -> None:
    world.channel.script = {"c00005@example.org": [DAILY_LIMIT]}
    await world.start(rate="30/h")
    await world.campaign(people=100, pacing={"mode": "steady", "rate": "30/h", "jitter": 0})
    await world.finish()
    starts = world.channel.starts
    assert any(later - earlier >= DAY for earlier, later in itertools.pairwise(starts))
    # Halved after the refusal: 15 in any hour until thirty good answers, then 30.
    assert most_in_any(starts[5:34], HOUR) <= 15
    assert most_in_any(starts, HOUR) <= 30
    assert world.counts() == {"completed": 100}


async def test_a_clock_that_is_set_back_does_not_lengthen_a_cooling(world: World) -> None:
    world.channel.script = {"c00002@example.org": [SHUTTING_DOWN]}
    await world.start()
    await world.campaign(people=20, pacing={"mode": "blast", "concurrency": 5, "batch_delay": "1s"})
    await world.clock.until(lambda: world.queue()["state"] == "cooling")
    world.clock.step_wall(-6 * HOUR)
    world.engine.wake()
    await world.clock.run(2 * MINUTE)
    assert world.queue()["state"] == "probing"


async def test_a_month_of_pacing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's pace for four weeks: gaps in range, caps kept, the warm-up climbed, order kept."""
    slow_heart(monkeypatch)
    world.set_clock("2026-03-02T08:00:00+01:00")
    office = {"hours": "mon-fri 09:00-12:00, 13:00-18:00", "zone": ZONE}
    await world.start(zone=ZONE, window=office, caps=["14/day calendar"], warmup={"start": 5, "step": 1, "ceiling": 20})
    await world.campaign(people=230, pacing={"mode": "human", "gap_min": "15m", "gap_max": "40m"})
    await world.clock.until(lambda: world.state() == "completed")
    begun = world.channel.begun
    assert [start.recipient for start in begun] == all_of(world)
    days = list(by_calendar([start.at for start in begun], DAY, ZONE).values())
    assert days[:10] == [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]
    assert max(days) <= 14 and len(days) == 20
    assert min(world.channel.gaps()) >= 15 * MINUTE
    within = [gap for gap in world.channel.gaps() if gap < 3 * HOUR]
    assert max(within) <= 40 * MINUTE + HOUR + 5 * SECOND, "in open time; lunch is an hour"


async def test_the_same_seed_gives_the_same_days(
    world: World, tmp_path: Path, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_heart(monkeypatch)

    async def sent(folder: str, seed: int) -> list[int]:
        (tmp_path / folder).mkdir()
        made = World(tmp_path / folder, clock)
        begun = made.set_clock("2026-03-02T08:00:00+01:00")
        await made.start(window=HOURS)
        await made.campaign(people=40, seed=seed, pacing=HUMAN)
        await clock.until(lambda: made.state() == "completed")
        await made.stop()
        return [start.at - begun for start in made.channel.begun]

    await world.start()
    first = await sent("first", 3)
    assert len(first) == 40
    assert first == await sent("second", 3)
    assert first != await sent("third", 4)
