"""What an engine writes for plans of which nothing may begin: next to nothing; what may begin leaves at its time."""

from __future__ import annotations

from typing import Any

import pytest
from run_world import World

from engine import scheduler
from storage.model import HOUR, MINUTE, SECOND, QueueState

FAST: dict[str, Any] = {"mode": "steady", "rate": "3000/min", "jitter": 0}
"""50 a second."""
PEOPLE = 3_500
HEARTBEAT = scheduler.HEARTBEAT


@pytest.fixture(autouse=True)
def as_in_service(unhurried: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The heart beats as often as it does for operators."""
    monkeypatch.setattr(scheduler, "HEARTBEAT", HEARTBEAT)


async def commits_of_a_minute(world: World) -> int:
    before = world.engine.store.writer.commits
    await world.clock.run(MINUTE)
    return world.engine.store.writer.commits - before


async def test_a_fast_plan_of_a_paused_campaign_costs_no_commit(world: World) -> None:
    await world.start()
    at_rest = await commits_of_a_minute(world)
    await world.campaign(people=PEOPLE, pacing=FAST)
    await world.call("campaign.pause", name="c")
    assert await commits_of_a_minute(world) <= at_rest + 2, "it was 6,000 more when each was flagged at its time"
    assert world.channel.starts == []


@pytest.mark.parametrize("held_by", ["queue.pause", "engine.pause", "cooling"])
async def test_a_fast_plan_behind_a_queue_that_stands_still_is_flagged_with_the_heartbeat(
    world: World, held_by: str
) -> None:
    await world.start()
    at_rest = await commits_of_a_minute(world)
    await world.campaign(people=PEOPLE, pacing=FAST)
    if held_by == "cooling":
        until = world.clock.now() + HOUR
        await world.engine.store.set_queue_state(world.queue()["id"], QueueState.COOLING, until=until, event=None)
    else:
        await world.call(held_by, **({"name": "one"} if held_by == "queue.pause" else {}))
    assert await commits_of_a_minute(world) <= at_rest + 2, "it was 6,000 more when each was flagged at its time"
    assert world.channel.starts == []
    [due] = world.rows("SELECT sum(due_at <= ?) AS passed, sum(ready) AS flagged FROM jobs", world.clock.now())
    assert due["passed"] >= 2_900
    assert due["flagged"] >= due["passed"] - 50 * (HEARTBEAT // SECOND), (
        "what is due is flagged a heartbeat later at most"
    )


async def test_what_fell_due_behind_a_cooling_queue_begins_when_it_has_cooled(world: World) -> None:
    await world.start()
    await world.campaign(people=20, pacing={**FAST, "rate": "60/min"})
    cooled = world.clock.now() + MINUTE + SECOND // 2
    await world.engine.store.set_queue_state(world.queue()["id"], QueueState.COOLING, until=cooled, event=None)
    await world.finish()
    assert world.channel.starts[0] == cooled
    assert len(world.channel.starts) == 20


async def test_beside_a_fast_plan_that_is_paused_another_campaign_leaves_on_time(world: World) -> None:
    await world.start()
    await world.campaign("slow", 60, pacing={"mode": "steady", "rate": "20/min", "jitter": 0})
    alone = await commits_of_a_minute(world)
    await world.campaign("fast", PEOPLE, pacing=FAST)
    await world.call("campaign.pause", name="fast")
    beside = await commits_of_a_minute(world)
    assert len(world.channel.starts) == 40
    assert beside <= alone + 10
    await world.clock.until(lambda: len(world.channel.starts) == 60)
    assert world.channel.starts == [job["due_at"] for job in world.jobs("slow")]


async def test_a_fast_plan_that_goes_on_leaves_on_time(world: World) -> None:
    await world.start()
    await world.campaign(people=500, pacing=FAST)
    dues = [job["due_at"] for job in world.jobs()]
    await world.clock.until(lambda: len(world.channel.starts) == 500)
    late = [start - due for start, due in zip(world.channel.starts, dues, strict=True)]
    assert min(late) >= 0 and max(late) <= 1_000, "an engine that wakes at most once a millisecond"
