"""A channel and a store whose every call may fail: nobody gets two messages, nobody is lost, the engine goes on."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from run_world import World

from engine.head_start import NEAR
from storage.errors import PacelineError
from storage.model import HOUR, MINUTE, SECOND
from tests.support.scripted import (
    ACCEPT,
    GREYLISTED,
    NO_SUCH_USER,
    SHUTTING_DOWN,
    FaultyChannel,
    ScriptedChannel,
    StoreFaults,
)

AT_ONCE: dict[str, Any] = {"mode": "blast", "concurrency": 10, "batch_delay": "0s"}


def assert_honest(world: World, people: int) -> None:
    """Sent means in the ledger, once; what is in the ledger is sent or uncertain; everybody is accounted for."""
    states = {job["address"]: job["state"] for job in world.jobs()}
    assert len(states) == people
    assert world.channel.twice == []
    for address, state in states.items():
        if state == "completed":
            assert world.channel.accepted[address] == 1, address
        elif world.channel.accepted[address]:
            assert state == "uncertain", f"{address} is {state}"


@pytest.mark.parametrize("seed", range(4))
async def test_a_channel_whose_every_call_may_raise_sends_nobody_twice(world: World, seed: int) -> None:
    faulty = FaultyChannel(world.channel, chance=0.15, seed=seed)
    world.channels["one"] = faulty
    world.channel.service = (0, SECOND)
    await world.start()
    await world.campaign(people=60, pacing=AT_ONCE)
    await world.clock.run(24 * HOUR)
    assert world.engine.in_flight() == 0
    faulty.chance = 0
    await world.finish()
    assert set(faulty.raised) >= {"prepare", "deliver"}
    assert_honest(world, 60)
    assert set(world.counts()) <= {"completed", "uncertain"}
    assert world.counts().get("uncertain", 0) == faulty.raised["deliver"]


async def test_a_channel_that_cannot_even_open_stops_no_other_queue(world: World) -> None:
    world.accounts["two"] = {}
    world.channels["two"] = FaultyChannel(ScriptedChannel(world.clock), chance=1.0, seed=1)
    await world.start()
    await world.campaign("a", 5)
    await world.campaign("b", 5, account="two")
    await world.clock.run(10 * MINUTE)
    assert world.state("a") == "completed"
    assert world.counts("b") == {"pending": 5}
    assert world.queue("two")["state"] in ("cooling", "probing")


@pytest.mark.parametrize("seed", range(4))
async def test_a_store_whose_every_call_may_fail_loses_nobody(world: World, seed: int) -> None:
    """A failed call leaves its row under the lease; when that ran out it is pending again, or uncertain."""
    await world.start()
    await world.campaign(people=80, pacing=AT_ONCE, start=False)
    world.channel.service = (0, SECOND)
    faults = StoreFaults(world.engine.store, seed=seed)
    await world.call("campaign.start", name="c")
    faults.chance = 0.15
    await world.clock.run(6 * HOUR)
    assert faults.raised > 20
    faults.chance = 0
    await world.clock.run(HOUR)
    await world.finish()
    assert_honest(world, 80)
    assert set(world.counts()) <= {"completed", "uncertain"}


async def test_a_store_that_is_down_for_an_hour_holds_everything_and_then_goes_on(world: World) -> None:
    world.channel.service = (SECOND, SECOND)
    await world.start()
    await world.campaign(people=40, pacing={"mode": "steady", "rate": "60/min"})
    await world.clock.run(10 * SECOND)
    faults = StoreFaults(world.engine.store)
    faults.down = True
    down_at = world.clock.now()
    await world.clock.run(HOUR)
    assert not any(at > down_at + SECOND for at in world.channel.starts)
    assert faults.raised < 20_000
    assert "could not be written" in world.engine.status()["queues"][0]["trouble"]
    faults.down = False
    await world.finish()
    assert_honest(world, 40)


async def test_claims_without_an_intent_are_given_back_as_soon_as_the_store_writes_again(world: World) -> None:
    """Far from its server a message asks for its intent after its claim; when that cannot be written, nothing left."""

    async def far(message: Any) -> None:
        faults.down = message.recipient == "c00007@example.org" and not faults.raised
        await world.clock.sleep(NEAR)

    await world.start()
    faults = StoreFaults(world.engine.store)
    world.channel.during_prepare = far
    await world.campaign(people=20, pacing=AT_ONCE)
    await world.clock.run(SECOND)
    assert faults.raised
    faults.down = False
    await world.clock.run(MINUTE)
    assert world.counts() == {"completed": 20}
    assert_honest(world, 20)


@pytest.mark.parametrize("nth", range(8))
async def test_a_start_that_fails_halfway_can_be_done_again(world: World, nth: int) -> None:
    """Whichever store call of a start fails, starting again (after a restart of the engine) sends to everybody once."""
    await world.start()
    await world.campaign(people=1_200, start=False, pacing=AT_ONCE)
    faults = StoreFaults(world.engine.store)
    calls = 0
    submit = world.engine.store.writer.submit

    def break_nth(run: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        faults.down = calls - 1 == nth
        try:
            return submit(run, **more)
        finally:
            faults.down = False

    world.engine.scheduler.wake()
    await world.clock.settle()
    world.engine.store.writer.submit = break_nth  # type: ignore[method-assign]
    try:
        await world.call("campaign.start", name="c")
    except PacelineError:
        pass
    world.engine.store.writer.submit = submit  # type: ignore[method-assign]
    faults.down = False
    await world.restart()
    again = await world.call("campaign.start", name="c")
    assert again["success"]
    await world.finish()
    assert world.state() == "completed"
    assert world.counts() == {"completed": 1_200}
    assert world.channel.twice == []


@pytest.mark.parametrize("seed", range(3))
async def test_a_believable_server_and_a_nervous_operator(world: World, seed: int) -> None:
    """Random answers, service times, pauses, restarts and clock steps: the books and the ledger agree at the end."""
    rng = random.Random(seed)
    answers = [ACCEPT] * 14 + [GREYLISTED] * 3 + [NO_SUCH_USER] * 2 + [SHUTTING_DOWN]
    world.channel.answer = lambda message: rng.choice(answers)
    world.channel.service = (0, 5 * SECOND)
    # A tenth of the addresses is dead: it is the alarms that are not looked at here.
    await world.start(concurrency=4, rate="30/min", alarms={"bounce_share": 1.0})
    await world.campaign("a", 60, pacing=AT_ONCE)
    await world.campaign("b", 40, pacing={"mode": "steady", "rate": "20/min"})
    for _ in range(25):
        await world.clock.run(rng.randint(1, 90) * SECOND)
        name = rng.choice("ab")
        match rng.randrange(6):
            case 0:
                await world.restart(after=rng.randint(0, 60) * SECOND)
            case 1:
                world.clock.step_wall(rng.randint(-3600, 3600) * SECOND)
            case 2:
                await world.call("queue.pause", name="one")
                await world.clock.run(rng.randint(1, 30) * SECOND)
                await world.call("queue.resume", name="one")
            case 3:
                await world.retry(name, which="all")
            case _ if world.state(name) == "active":
                await world.call("campaign.pause", name=name)
            case _ if world.state(name) == "paused":
                await world.call("campaign.resume", name=name)
    for name in "ab":
        if world.state(name) == "paused":
            await world.call("campaign.resume", name=name)
    await world.finish()
    sent = Counter(job["state"] for name in "ab" for job in world.jobs(name))
    assert set(sent) <= {"completed", "failed"} and sum(sent.values()) == 100
    assert sent["completed"] == len(world.channel.deliveries)
    assert world.channel.twice == []
