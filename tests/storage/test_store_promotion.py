"""What became due is flagged, and who asks to be looked at again: only lanes that may begin something."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from storage.cap_room import CapRoom
from storage.model import HOUR, MINUTE, SECOND, PauseReason, QueueState
from storage.promotion import SLICE, promote
from storage.tasks import NewTask
from storage.tx import Tx
from storage.work_terms import CHANNEL
from tests.support.stores import Batch, Desk, said


async def pause(desk: Desk, batch: Batch) -> None:
    await desk.store.pause_campaign(batch.id, PauseReason.OPERATOR, "by ada", said("campaign.paused"))


def flagged(desk: Desk, batch: Batch) -> int:
    return sum(desk.job(job)["ready"] for job in batch.jobs)


async def test_promote_says_when_the_next_job_is_due(desk: Desk) -> None:
    now = desk.clock()
    await desk.campaign(3, dues=[now + MINUTE, now + 2 * MINUTE, now + HOUR])
    assert await desk.store.promote() == (0, now + MINUTE)
    desk.clock.step(2 * MINUTE)
    assert await desk.store.promote() == (2, now + HOUR)


async def test_promote_works_in_slices_the_earliest_first(desk: Desk) -> None:
    now = desk.clock()
    await desk.campaign(1_200, dues=[now + 1 + n for n in range(1_200)], concurrency=2_000)
    desk.clock.step(HOUR)
    assert await desk.store.promote() == (SLICE, now + SLICE + 1)
    assert await desk.store.promote() == (200, None)
    assert len((await desk.claim(2_000)).jobs) == 1_200


async def test_a_paused_campaign_asks_for_no_look_and_is_given_none_before_it_goes_on(desk: Desk) -> None:
    now = desk.clock()
    batch = await desk.campaign(3, dues=[now + n * SECOND for n in (1, 2, 3)])
    await pause(desk, batch)
    assert await desk.store.promote() == (0, None)
    desk.clock.step(2 * SECOND)
    assert await desk.store.promote() == (0, None)
    assert flagged(desk, batch) == 0
    await desk.store.activate_campaign(batch.id, said("campaign.resumed"), execution="resume")
    assert await desk.store.promote() == (2, now + 3 * SECOND)
    assert len((await desk.claim()).jobs) == 2


async def test_beside_a_paused_campaign_another_one_is_looked_at_by_its_own_times(desk: Desk) -> None:
    now = desk.clock()
    fast = await desk.campaign(3, name="fast", dues=[now + n * SECOND for n in (1, 2, 3)])
    slow = await desk.campaign(2, name="slow", dues=[now + MINUTE, now + HOUR])
    await pause(desk, fast)
    assert await desk.store.promote() == (0, now + MINUTE)
    desk.clock.step(MINUTE)
    assert await desk.store.promote() == (1, now + HOUR)
    assert [job.campaign_id for job in (await desk.claim()).jobs] == [slow.id]


@pytest.mark.parametrize("state", [QueueState.PAUSED, QueueState.NEEDS_ATTENTION, QueueState.RESTRICTED])
async def test_a_queue_that_waits_for_a_person_asks_for_no_look_but_is_flagged_by_the_way(
    desk: Desk, state: QueueState
) -> None:
    now = desk.clock()
    batch = await desk.campaign(3, dues=[now + n * SECOND for n in (1, 2, 3)])
    await desk.set_queue(state)
    assert await desk.store.promote() == (0, None)
    desk.clock.step(2 * SECOND)
    assert await desk.store.promote() == (2, None)
    assert flagged(desk, batch) == 2
    await desk.set_queue(QueueState.READY)
    assert await desk.store.promote() == (0, now + 3 * SECOND)


async def test_a_cooling_queue_is_looked_at_when_it_has_cooled(desk: Desk) -> None:
    now = desk.clock()
    batch = await desk.campaign(3, dues=[now + SECOND, now + 2 * SECOND, now + HOUR])
    await desk.set_queue(QueueState.COOLING, until=now + MINUTE)
    assert await desk.store.promote() == (0, now + MINUTE)
    desk.clock.step(MINUTE)
    assert await desk.store.promote() == (2, now + HOUR)
    assert [job.id for job in (await desk.claim()).jobs] == batch.jobs[:1], "a queue that cooled is tried with one"


async def test_what_is_due_after_the_cooling_is_looked_at_at_its_time(desk: Desk) -> None:
    now = desk.clock()
    await desk.campaign(1, dues=[now + HOUR])
    await desk.set_queue(QueueState.COOLING, until=now + MINUTE)
    assert await desk.store.promote() == (0, now + HOUR)


async def test_while_everything_is_paused_nobody_asks_for_a_look(desk: Desk) -> None:
    now = desk.clock()
    await desk.campaign(1, dues=[now + SECOND])
    await desk.store.set_engine_paused(True, said("paused"))
    assert await desk.store.promote() == (0, None)
    await desk.store.set_engine_paused(False, said("resumed"))
    assert await desk.store.promote() == (0, now + SECOND)


async def test_background_jobs_of_a_paused_queue_ask_for_no_look_either(desk: Desk) -> None:
    now, queue = desk.clock(), await desk.store.ensure_queue("default", CHANNEL)
    await desk.store.enqueue([NewTask(kind="report", queue_id=queue.id, due_at=now + SECOND)], name="t", actor="ada")
    assert await desk.store.promote() == (0, now + SECOND)
    await desk.store.set_queue_state(queue.id, QueueState.PAUSED, event=said("queue"))
    assert await desk.store.promote() == (0, None)


async def test_what_may_begin_goes_before_the_backlog_of_a_queue_that_stands_still(desk: Desk) -> None:
    now = desk.clock()
    other = await desk.store.ensure_queue("other", "smtp")
    stopped = await desk.campaign(SLICE, name="stopped", dues=[now + 1] * SLICE, queue_id=other.id)
    await desk.store.set_queue_state(other.id, QueueState.PAUSED, event=said("queue"))
    late = await desk.campaign(2, name="late", dues=[now + SECOND] * 2)
    desk.clock.step(SECOND)
    assert await desk.store.promote() == (SLICE, None)
    assert flagged(desk, late) == 2
    assert flagged(desk, stopped) == SLICE - 2


async def test_lanes_that_are_behind_share_a_slice(desk: Desk) -> None:
    now = desk.clock()
    large = await desk.campaign(SLICE + 200, name="large", dues=[now + 1] * (SLICE + 200))
    small = await desk.campaign(2, name="small", dues=[now + SECOND] * 2)
    desk.clock.step(SECOND)
    moved, next_look = await desk.store.promote()
    assert moved == SLICE // 2 + 2 and next_look is not None and next_look <= desk.clock()
    assert flagged(desk, small) == 2
    while (await desk.store.promote())[0]:
        pass
    assert flagged(desk, large) == SLICE + 200


async def test_the_cost_of_a_look_does_not_grow_with_what_waits(desk: Desk) -> None:
    """In steps of SQLite's machine, which are the same on every machine."""
    now = desk.clock()
    await desk.campaign(1, name="active", dues=[now + HOUR])
    few = await desk.campaign(10, name="few", dues=[now + 1] * 10)
    await pause(desk, few)
    before = steps_of_promote(desk)
    many = await desk.campaign(2_000, name="many", dues=[now + 1] * 2_000)
    await pause(desk, many)
    assert steps_of_promote(desk) == before


def steps_of_promote(desk: Desk) -> int:
    taken = 0

    def step() -> None:
        nonlocal taken
        taken += 1

    with closing(sqlite3.connect(desk.path)) as raw:
        raw.row_factory = sqlite3.Row
        raw.set_progress_handler(step, 1)
        assert promote(Tx(raw, set(), CapRoom()), desk.clock() + SECOND) == (0, desk.clock() + HOUR)
    return taken
