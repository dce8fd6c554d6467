"""Pause, resume, cancel, undo and drain: nothing begins that a person stopped, and nothing is lost by it."""

from __future__ import annotations

from typing import Any

import pytest
from run_world import World

from engine.channels.channel import Message
from storage.errors import RefusedError
from storage.model import HOUR, MINUTE, SECOND
from tests.support.scripted import GREYLISTED

AT_ONCE: dict[str, Any] = {"mode": "blast", "concurrency": 10, "batch_delay": "0s"}
STEADY: dict[str, Any] = {"mode": "steady", "rate": "60/min"}

PAUSES = {
    "campaign": ("campaign.pause", "campaign.resume", {"name": "c"}),
    "queue": ("queue.pause", "queue.resume", {"name": "one"}),
    "engine": ("engine.pause", "engine.resume", {}),
}


@pytest.mark.parametrize("what", PAUSES)
async def test_no_attempt_begins_after_a_pause_and_what_is_in_flight_finishes(world: World, what: str) -> None:
    pause, resume, args = PAUSES[what]
    world.channel.service = (10 * SECOND, 20 * SECOND)
    await world.start(concurrency=10)
    await world.campaign(people=60, concurrency=10, pacing=AT_ONCE)
    await world.clock.run(25 * SECOND)
    assert world.channel.inside == 10
    await world.call(pause, **args)
    paused = world.clock.now()
    await world.clock.run(HOUR)
    assert max(world.channel.starts) <= paused
    assert len(world.channel.deliveries) == len(world.channel.begun) == world.counts()["completed"]
    assert world.counts()["pending"] == 60 - len(world.channel.begun)
    await world.call(resume, **args)
    await world.finish()
    assert world.counts() == {"completed": 60}
    assert world.channel.twice == []


@pytest.mark.parametrize("what", [*PAUSES, "cancel"])
async def test_the_gate_stops_a_send_between_claim_and_intent(world: World, what: str) -> None:
    """A pause that was written before the intent must win, although the envelope is being offered already."""
    await world.start(concurrency=1)
    await world.campaign(people=4, pacing=AT_ONCE, start=False)
    action, _, args = PAUSES.get(what, ("campaign.cancel", "", {"name": "c"}))
    real = world.engine.store.begin_attempt
    asked: list[int] = []

    async def late(request: Any) -> Any:
        asked.append(request.job_id)
        await world.call(action, **args)
        return await real(request)

    world.engine.store.begin_attempt = late  # type: ignore[method-assign]
    await world.call("campaign.start", name="c")
    await world.clock.run(5 * SECOND)
    world.engine.store.begin_attempt = real  # type: ignore[method-assign]
    assert len(asked) == 1
    assert len(world.channel.offers) == 1 and world.channel.begun == []
    assert world.counts() == {"pending": 4}
    assert world.rows("SELECT * FROM attempts") == []


@pytest.mark.parametrize("what", PAUSES)
async def test_a_pause_while_envelopes_are_offered_lets_at_most_those_through(world: World, what: str) -> None:
    pause, resume, args = PAUSES[what]
    done: list[int] = []

    async def stop(message: Message) -> None:
        if not done:
            done.append(1)
            await world.call(pause, **args)
            done.append(world.clock.now())

    world.channel.during_prepare = stop
    await world.start(concurrency=3)
    await world.campaign(people=30, concurrency=3, pacing=AT_ONCE)
    await world.clock.run(MINUTE)
    assert len(world.channel.begun) <= 3
    assert max(world.channel.starts, default=0) <= done[1]
    await world.call(resume, **args)
    await world.finish()
    assert world.counts() == {"completed": 30}
    assert world.channel.twice == []


async def test_cancel_lets_nothing_leave_and_undo_sends_everything_later(world: World) -> None:
    await world.start()
    await world.campaign(people=20, pacing=STEADY)
    await world.clock.run(5 * SECOND)
    await world.call("campaign.cancel", name="c")
    cancelled, left = world.clock.now(), len(world.channel.begun)
    await world.clock.run(9 * SECOND)
    assert len(world.channel.begun) == left
    assert world.counts() == {"completed": left, "pending": 20 - left}
    await world.call("campaign.undo_cancel", name="c")
    assert world.state() == "active"
    await world.finish()
    assert world.counts() == {"completed": 20}
    assert not any(cancelled < at < cancelled + 9 * SECOND for at in world.channel.starts)


async def test_undo_of_a_paused_campaign_leaves_it_paused(world: World) -> None:
    await world.start()
    await world.campaign(people=3, pacing=STEADY)
    await world.call("campaign.pause", name="c")
    await world.call("campaign.cancel", name="c")
    await world.clock.run(3 * SECOND)
    await world.call("campaign.undo_cancel", name="c")
    await world.clock.run(HOUR)
    assert (world.state(), world.counts()) == ("paused", {"pending": 3})
    assert world.row()["pause_reason"] == "operator"


async def test_ten_seconds_after_a_cancel_open_rows_are_skipped(world: World) -> None:
    await world.start()
    await world.campaign(people=20, pacing=STEADY)
    await world.clock.run(5 * SECOND)
    await world.call("campaign.cancel", name="c")
    sent = len(world.channel.begun)
    await world.clock.run(11 * SECOND)
    assert world.counts() == {"completed": sent, "skipped": 20 - sent}
    assert {job["reason"] for job in world.jobs() if job["state"] == "skipped"} == {"cancelled"}
    with pytest.raises(RefusedError, match="no longer be undone"):
        await world.call("campaign.undo_cancel", name="c")
    with pytest.raises(RefusedError, match="is cancelled"):
        await world.call("campaign.start", name="c")
    await world.finish()


async def test_a_cancelled_campaign_waits_for_what_is_in_flight_without_spinning(world: World) -> None:
    """The refused one is skipped when it comes back, and the clockwork sleeps until then."""
    world.channel.service = (5 * MINUTE, 5 * MINUTE)
    world.channel.script = {"c00000@example.org": [GREYLISTED_LATE]}
    await world.start(concurrency=2)
    await world.campaign(people=6, concurrency=2, pacing=AT_ONCE)
    await world.clock.run(SECOND)
    await world.call("campaign.cancel", name="c")
    before = world.engine.store.writer.commits
    await world.clock.run(4 * MINUTE)
    assert world.counts() == {"processing": 2, "skipped": 4}
    assert world.engine.store.writer.commits - before < 1_000
    await world.clock.run(2 * MINUTE)
    assert world.counts() == {"completed": 1, "skipped": 5}


GREYLISTED_LATE = type(GREYLISTED)(451, "4.2.1 Greylisted", "content")


async def test_a_pause_survives_a_restart(world: World) -> None:
    await world.start()
    await world.campaign(people=9, pacing=STEADY)
    await world.call("engine.pause")
    await world.restart(after=HOUR)
    await world.clock.run(HOUR)
    assert world.channel.begun == []
    await world.call("engine.resume")
    await world.finish()
    assert world.counts() == {"completed": 9}


async def test_a_cancel_in_its_grace_survives_a_restart(world: World) -> None:
    await world.start()
    await world.campaign(people=9, pacing=STEADY)
    await world.call("campaign.cancel", name="c")
    await world.restart()
    await world.clock.run(12 * SECOND)
    assert world.counts() == {"skipped": 9}


async def test_pausing_or_cancelling_twice_says_so_and_changes_nothing(world: World) -> None:
    await world.start()
    await world.campaign(people=3, pacing=STEADY)
    await world.call("campaign.pause", name="c")
    assert "already" in (await world.call("campaign.pause", name="c"))["message"]
    assert "already" in (await world.call("queue.resume", name="one"))["message"]
    await world.call("campaign.cancel", name="c")
    assert "already" in (await world.call("campaign.cancel", name="c"))["message"]
    with pytest.raises(RefusedError, match="only a paused one"):
        await world.call("campaign.resume", name="c")
    assert len(world.events("campaign.paused")) == len(world.events("campaign.cancelled")) == 1


async def test_resume_in_the_middle_of_sending_plans_everybody_once(world: World) -> None:
    world.channel.service = (SECOND, 5 * SECOND)
    await world.start()
    await world.campaign(people=40, pacing={"mode": "blast", "concurrency": 5, "batch_delay": "1s"})
    for _ in range(6):
        await world.clock.run(2 * SECOND)
        await world.call("campaign.pause", name="c")
        await world.call("campaign.resume", name="c")
    await world.finish()
    assert world.counts() == {"completed": 40}
    assert world.channel.twice == []


async def test_a_drain_finishes_what_is_inside_and_begins_nothing_more(world: World) -> None:
    world.channel.service = (9 * MINUTE, 9 * MINUTE)
    await world.start(concurrency=4)
    await world.campaign(people=20, concurrency=4, pacing=AT_ONCE)
    await world.clock.run(SECOND)
    assert world.channel.inside == 4
    begun = world.clock.monotonic()
    await world.stop()
    assert world.clock.monotonic() - begun >= 8 * MINUTE
    assert world.counts() == {"completed": 4, "pending": 16}
    assert len(world.channel.begun) == 4


async def test_a_drain_asked_by_a_person_ends_the_engine(world: World) -> None:
    await world.start()
    await world.campaign(people=20, pacing=STEADY)
    world.running = False
    run = world._end(world.engine.run())
    await world.call("engine.drain")
    await run
    assert world.rows("SELECT state, note FROM engines") == [{"state": "stopped", "note": "asked by ana"}]
    assert world.counts() == {"pending": 20}


@pytest.mark.parametrize("left", ["held", "paused campaign", "paused queue", "paused engine", "needs attention"])
async def test_until_idle_ends_when_only_a_person_can_go_on(world: World, left: str) -> None:
    from tests.support.scripted import BAD_LOGIN

    await world.start()
    if left == "held":
        await world.campaign(people=2, text="Hi {{ first_name }}")
    else:
        if left == "needs attention":
            world.channel.door = lambda: BAD_LOGIN
        await world.campaign(people=2, pacing=STEADY)
    pauses = {"paused campaign": "campaign", "paused queue": "queue", "paused engine": "engine"}
    if left in pauses:
        action, _, args = PAUSES[pauses[left]]
        await world.call(action, **args)
    await world.finish()
    assert world.counts() == {"held" if left == "held" else "pending": 2}


async def test_until_idle_waits_for_a_cooling_and_for_a_retry(world: World) -> None:
    from tests.support.scripted import REFUSED

    world.channel.doors.extend([REFUSED] * 3)
    world.channel.script = {"c00001@example.org": [GREYLISTED]}
    await world.start()
    await world.campaign(people=2)
    await world.finish()
    assert world.counts() == {"completed": 2}


async def test_until_idle_waits_for_the_end_of_a_cancel_s_grace(world: World) -> None:
    await world.start()
    await world.campaign(people=2, pacing=STEADY)
    await world.call("campaign.cancel", name="c")
    await world.finish()
    assert world.counts() == {"skipped": 2}
