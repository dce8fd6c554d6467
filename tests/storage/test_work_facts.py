"""What is told of a background job's place in line is what a claim does."""

from __future__ import annotations

import random

import pytest

from storage import work_facts
from storage.model import HOUR, MINUTE
from storage.tasks import NewTask, TaskClaim
from tests.support.stores import Desk


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("ageing", [0, 10 * MINUTE])
async def test_the_place_in_line_is_that_of_the_claim(desk: Desk, seed: int, ageing: int) -> None:
    rng = random.Random(seed)
    queue = await desk.store.ensure_queue("default", "jobs")
    for _ in range(4):
        new = [
            NewTask("report", queue.id, desk.clock(), priority=rng.randint(1, 10)) for _ in range(rng.randint(1, 10))
        ]
        await desk.store.enqueue(new, name="", actor="ana")
        desk.clock.step(rng.choice((0, MINUTE, 10 * MINUTE, HOUR)))
    now = desk.clock()
    ids = [row["id"] for row in desk.look.rows("SELECT id FROM jobs ORDER BY id")]
    told = {id: work_facts.ahead(desk.look, work_facts.job(desk.look, id), now, ageing) for id in ids}
    request = TaskClaim(queue.id, len(ids), now, now + HOUR, ageing, desk.store.epoch)
    claimed = [task.id for task in await desk.store.claim_tasks(lambda: request)]
    assert sorted(claimed) == ids
    assert told == {id: place for place, id in enumerate(claimed)}


async def test_a_place_far_back_is_not_counted(desk: Desk) -> None:
    queue = await desk.store.ensure_queue("default", "jobs")
    new = [NewTask("report", queue.id, desk.clock()) for _ in range(work_facts.LINE + 1)]
    _, made = await desk.store.enqueue(new, name="", actor="ana")
    job = work_facts.job(desk.look, made[-1].id)
    assert work_facts.ahead(desk.look, job, desk.clock(), 0) is None
