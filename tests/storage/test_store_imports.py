"""Imports, batches and plans in slices (conformance of any store)."""

from __future__ import annotations

import itertools

import pytest

from engine.planning.limits import Limits
from engine.replanning import replan
from storage.errors import RefusedError
from storage.model import HOUR, MINUTE, JobState, PauseReason
from storage.nouns import RecipientRow
from storage.recipients import ImportSums
from tests.support.stores import Desk, said


async def emptied(remove: object, row_id: int) -> int:
    """Remove to the end; how many slices there were."""
    slices = 0
    while await remove(row_id):  # type: ignore[operator]
        slices += 1
    return slices


async def half_import(desk: Desk, campaign_id: int, people: int) -> int:
    import_id = await desk.store.begin_import(campaign_id, "people.csv", "abc", "ada")
    rows = [RecipientRow(n, f"p{n}@example.org", f"p{n}@example.org", {}) for n in range(people)]
    await desk.store.add_recipients(import_id, rows)
    return import_id


async def test_people_of_an_import_that_is_loading_are_seen_by_nobody(desk: Desk) -> None:
    draft = await desk.draft()
    import_id = await half_import(desk, draft.id, 2)
    step = (await desk.store.get_steps(draft.id))[0]
    assert await desk.store.unplanned(draft.id, step.id, 0) == []
    assert desk.look.recipients(draft.id) == []
    await desk.store.finish_import(import_id, ImportSums(3, 2, 1, 0, 0), said())
    assert [address for _, address, *_ in await desk.store.unplanned(draft.id, step.id, 0)] == [
        "p0@example.org",
        "p1@example.org",
    ]
    assert desk.campaign_row()["recipients"] == 2


async def test_a_person_the_campaign_has_is_told_as_a_duplicate(desk: Desk) -> None:
    draft = await desk.draft()
    await desk.people(draft.id, ["a"])
    import_id = await desk.store.begin_import(draft.id, "more.csv", "", "ada")
    rows = [
        RecipientRow(7, "A@example.org", "a@example.org", {}),
        RecipientRow(8, "b@example.org", "b@example.org", {}),
        RecipientRow(9, "b@example.org", "b@example.org", {}),
    ]
    assert await desk.store.add_recipients(import_id, rows) == [7, 9]


async def test_an_import_that_is_over_takes_no_more(desk: Desk) -> None:
    draft = await desk.draft()
    import_id = await desk.people(draft.id, ["a"])
    with pytest.raises(RefusedError, match="over"):
        await desk.store.add_recipients(import_id, [RecipientRow(1, "b@example.org", "b@example.org", {})])


async def test_an_unfinished_import_is_removed_in_slices(desk: Desk) -> None:
    draft = await desk.draft()
    import_id = await half_import(desk, draft.id, 1_200)
    assert (await desk.store.unfinished())[0] == [import_id]
    assert await emptied(desk.store.remove_import_slice, import_id) == 2
    assert (await desk.store.unfinished())[0] == []
    assert desk.campaign_row()["imports"] == []


async def test_an_import_that_is_done_is_not_removed(desk: Desk) -> None:
    draft = await desk.draft()
    import_id = await desk.people(draft.id, ["a", "b"])
    assert not await desk.store.remove_import_slice(import_id)
    assert len(desk.look.recipients(draft.id)) == 2
    assert desk.campaign_row()["recipients"] == 2


async def test_everybody_gets_one_job_and_only_once(desk: Desk) -> None:
    batch = await desk.campaign(3)
    assert await desk.store.unplanned(batch.id, batch.step_id, 0) == []
    await desk.people(batch.id, ["late"])
    assert [one.address for one in await desk.store.unplanned(batch.id, batch.step_id, 0)] == ["late@example.org"]


async def test_a_batch_counts_its_jobs_while_it_loads(desk: Desk) -> None:
    draft = await desk.draft()
    await desk.people(draft.id, ["a", "b"])
    batch = await desk.load(draft)
    row = desk.look.batch(batch.batch_id)
    assert (row["state"], row["total"], row["counts"]["pending"]) == ("loading", 2, 2)


async def test_a_released_batch_lets_due_jobs_go_and_keeps_the_others(desk: Desk) -> None:
    now = desk.clock()
    await desk.campaign(2, dues=[now, now + HOUR])
    assert desk.addresses((await desk.claim()).jobs) == ["spring-0"]
    assert await desk.store.promote() == (0, now + HOUR)


async def test_a_release_works_in_slices_in_order(desk: Desk) -> None:
    running = await desk.campaign(1)
    await desk.claim()
    await desk.people(running.id, [f"p{n}" for n in range(1_100)])
    batch = await desk.load(running.campaign)
    await desk.store.finish_batch(batch.batch_id)
    first = await desk.store.release_slice(batch.batch_id, 0)
    assert first == batch.jobs[999]
    assert await desk.store.release_slice(batch.batch_id, first) == batch.jobs[-1]
    assert await desk.store.release_slice(batch.batch_id, batch.jobs[-1]) is None


async def test_a_batch_that_a_dead_engine_left_loading_is_removed_in_slices(desk: Desk) -> None:
    draft = await desk.draft()
    await desk.people(draft.id, [f"p{n}" for n in range(1_100)])
    batch = await desk.load(draft)
    await desk.kill()
    assert (await desk.store.unfinished())[1] == [batch.batch_id]
    assert await emptied(desk.store.remove_batch_slice, batch.batch_id) == 2
    assert desk.counts() == {}
    assert desk.look.batches() == []
    assert len(await desk.store.unplanned(draft.id, batch.step_id, 0)) == 1_000


async def test_a_batch_that_is_ready_is_not_removed(desk: Desk) -> None:
    batch = await desk.campaign(2)
    assert not await desk.store.remove_batch_slice(batch.batch_id)
    assert desk.counts() == {"pending": 2}
    assert desk.look.batch(batch.batch_id)["state"] == "ready"


async def test_a_ready_batch_that_was_not_released_is_named_after_a_restart(desk: Desk) -> None:
    running = await desk.campaign(1)
    await desk.people(running.id, ["late"])
    batch = await desk.load(running.campaign)
    await desk.store.finish_batch(batch.batch_id)
    await desk.kill()
    imports, loading, unreleased, replanning = await desk.store.unfinished()
    assert (imports, loading, unreleased, replanning) == ([], [], [batch.batch_id], [])


async def test_a_plan_half_made_anew_is_named_after_a_restart(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.store.set_replanning(batch.id, True)
    await desk.kill()
    assert (await desk.store.unfinished())[3] == [batch.id]


async def test_what_waits_is_read_in_plan_order_and_in_slices(desk: Desk) -> None:
    now = desk.clock()
    batch = await desk.campaign(3, dues=[now + 3, now + 1, now + 1])
    first, second, third = batch.jobs
    more = (batch.campaign.queue_id, batch.step_id, 0)
    assert await desk.store.waiting(batch.id, (-1, 0)) == [
        (second, now + 1, "", "{}", *more),
        (third, now + 1, "", "{}", *more),
        (first, now + 3, "", "{}", *more),
    ]
    assert await desk.store.waiting(batch.id, (now + 1, third), fields=["n", "m"]) == [
        (first, now + 3, "", '{"n":1,"m":null}', *more)
    ]
    assert await desk.store.waiting(batch.id, (now + 1, third), fields=['n"']) == [
        (first, now + 3, "", '{"n": 1}', *more)
    ]


async def test_a_move_gives_a_pending_job_its_new_slot(desk: Desk) -> None:
    batch = await desk.campaign(1)
    due = desk.clock() + HOUR
    await desk.store.move([(batch.jobs[0], due, MINUTE)])
    row = desk.job(batch.jobs[0])
    assert (row["due_at"], row["gap"]) == (due, MINUTE)
    assert (await desk.claim()).jobs == ()


async def test_a_move_leaves_what_is_not_pending_alone(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.claim()
    before = desk.job(batch.jobs[0])
    await desk.store.move([(batch.jobs[0], 1, 1)])
    assert desk.job(batch.jobs[0]) == before


async def test_a_plan_made_anew_keeps_the_order_and_begins_with_a_gap(desk: Desk) -> None:
    human = {"mode": "human", "gap_min": "15m", "gap_max": "90m"}
    now = desk.clock()
    batch = await desk.campaign(4, dues=[now + 4, now + 2, now + 3, now + 1], gaps=[1] * 4, pacing=human)
    await desk.store.pause_campaign(batch.id, PauseReason.OPERATOR, "", said())
    order = [job for job, *_ in await desk.store.waiting(batch.id, (-1, 0))]
    later = desk.clock.step(100 * HOUR)
    planned, first, *_ = await replan(desk.store, batch.campaign, {batch.campaign.queue_id: Limits()}, now=later)
    waiting = await desk.store.waiting(batch.id, (-1, 0))
    assert planned == 4
    assert [job for job, *_ in waiting] == order
    dues = [due for _, due, *_ in waiting]
    assert first is not None and first >= later + 15 * MINUTE
    assert all(after - before >= 15 * MINUTE for before, after in itertools.pairwise(dues))


async def test_a_plan_made_anew_keeps_a_retry_s_own_later_time(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.PENDING)
    late = desk.clock() + 50 * HOUR
    await desk.store.move([(batch.jobs[0], late, 0)])
    await replan(desk.store, batch.campaign, {batch.campaign.queue_id: Limits()}, now=desk.clock())
    assert desk.job(batch.jobs[0])["due_at"] == late


async def test_a_plan_made_anew_keeps_the_first_step_s_own_pacing(desk: Desk) -> None:
    batch = await desk.campaign(3, pacing={"mode": "steady", "rate": "60/min"})
    own = '{"mode": "human", "gap_min": "2h", "gap_max": "2h"}'
    await desk.store.writer.submit(lambda tx: tx.execute("UPDATE steps SET pacing = ?", (own,)))
    now = desk.clock()
    await replan(desk.store, batch.campaign, {batch.campaign.queue_id: Limits()}, now=now)
    assert [due for _, due, *_ in await desk.store.waiting(batch.id, (-1, 0))] == [
        now + n * 2 * HOUR for n in (1, 2, 3)
    ]
