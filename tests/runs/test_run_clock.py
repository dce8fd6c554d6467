"""The simulated clock itself: tests that stand on it must be able to trust it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from run_world import World

from storage.model import DAY, HOUR, SECOND
from tests.support.scripted import ACCEPT, GREYLISTED, ScriptedChannel
from tests.support.simulated import SimulatedClock


async def test_time_stands_until_it_is_driven(clock: SimulatedClock) -> None:
    begun = clock.now()
    sleeper = asyncio.ensure_future(clock.sleep(SECOND))
    await asyncio.to_thread(lambda: None)
    assert clock.now() == begun and not sleeper.done()
    await clock.run(SECOND)
    assert clock.now() == begun + SECOND and sleeper.done()


async def test_sleepers_wake_in_the_order_of_their_times(clock: SimulatedClock) -> None:
    woken: list[int] = []

    async def sleeper(duration: int) -> None:
        await clock.sleep(duration)
        woken.append(duration)

    tasks = [asyncio.ensure_future(sleeper(hours * HOUR)) for hours in (3, 1, 2)]
    await clock.run(DAY)
    assert woken == [HOUR, 2 * HOUR, 3 * HOUR]
    assert all(task.done() for task in tasks)


async def test_a_wait_ends_by_its_event_or_by_time(clock: SimulatedClock) -> None:
    event = asyncio.Event()
    assert await clock.drive(clock.wait(event, SECOND)) is False
    waiting = asyncio.ensure_future(clock.wait(event, HOUR))
    await clock.run(SECOND)
    event.set()
    await clock.settle()
    assert waiting.done() and waiting.result() is True


async def test_a_step_of_the_wall_clock_leaves_monotonic_time_and_waits_alone(clock: SimulatedClock) -> None:
    begun, monotonic = clock.now(), clock.monotonic()
    sleeper = asyncio.ensure_future(clock.sleep(2 * SECOND))
    clock.step_wall(-HOUR)
    await clock.run(SECOND)
    assert (clock.now(), clock.monotonic()) == (begun - HOUR + SECOND, monotonic + SECOND)
    assert not sleeper.done()
    await clock.run(SECOND)
    assert sleeper.done()


async def test_a_clock_that_is_busy_stands(clock: SimulatedClock) -> None:
    """An open store call in another thread holds time."""
    finished = asyncio.Event()
    clock.stand_while(lambda: not finished.is_set())
    begun, loop = clock.now(), asyncio.get_running_loop()
    seen: list[int] = []

    def work() -> None:
        seen.append(clock.now())
        loop.call_soon_threadsafe(finished.set)

    thread = asyncio.ensure_future(asyncio.to_thread(work))
    await clock.run(HOUR)
    await thread
    assert seen == [begun]


async def test_waiting_for_what_never_comes_fails_instead_of_hanging(clock: SimulatedClock) -> None:
    with pytest.raises(AssertionError, match="nothing waits"):
        await clock.until(lambda: False)
    with pytest.raises(AssertionError, match="limit"):
        await clock.drive(clock.sleep(DAY), limit=HOUR)


async def test_the_same_run_gives_the_same_ledger(tmp_path: Path, world: World, clock: SimulatedClock) -> None:
    async def once(made: World) -> list[tuple[str, int]]:
        answers = iter([ACCEPT, GREYLISTED, ACCEPT] * 200)
        made.channel.answer = lambda message: next(answers)
        made.channel.service = (0, 20 * SECOND)
        begun = clock.now()
        await made.start(concurrency=4, retry={"jitter": 0.0})
        await made.campaign("a", 40)
        await made.campaign("b", 40, pacing={"mode": "human", "gap_min": "1s", "gap_max": "9s"})
        await made.finish()
        return [(delivery.recipient, delivery.at - begun) for delivery in made.channel.deliveries]

    again = tmp_path / "again"
    again.mkdir()
    first = await once(world)
    assert first == await once(World(again, clock))
    assert len(first) == 80


def test_a_world_needs_no_real_sleep() -> None:
    """Nothing in the channels' script waits for real: what takes time takes it on the clock."""
    source = Path(ScriptedChannel.serve.__code__.co_filename).read_text()
    assert "asyncio.sleep(" not in source
