"""Retry, cancel and undo of a fixed set of jobs (conformance of any store)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.acts import Left, Seen, packed, unpacked
from storage.errors import RefusedError
from storage.events import Event
from storage.model import HOUR, MINUTE, SECOND, JobState
from tests.support.stores import Desk, said

GRACE = 10 * SECOND


def told(n: int) -> Event:
    return said("job.acted", n=n)


def seen(desk: Desk, *ids: int) -> list[Seen]:
    rows = [desk.job(id) for id in ids]
    return [Seen(row["id"], row["state"], row["lease"]) for row in rows]


def slots(desk: Desk, jobs: list[Seen]) -> list[tuple[Seen, int, int]]:
    return [(job, desk.clock() + MINUTE, SECOND) for job in jobs]


# retry


async def test_a_retry_takes_what_is_as_it_was_seen(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED, 3)
    acted = await desk.store.retry_jobs(slots(desk, seen(desk, *batch.jobs)), told)
    assert (acted.n, acted.left) == (3, ())
    assert {desk.job(id)["state"] for id in batch.jobs} == {"pending"}
    event = desk.look.events()[-1]
    assert (event["id"], event["n"], event["data"]["changed"]) == (acted.event, 3, 0)


async def test_a_retry_knows_where_each_message_would_go(desk: Desk) -> None:
    batch, other = (
        await desk.settled_campaign(JobState.FAILED, 3),
        await desk.settled_campaign(JobState.FAILED, 1, name="d"),
    )
    asked = [batch.jobs[2], other.jobs[0], batch.jobs[0], 999_999]
    homes = await desk.store.homes_of(batch.id, asked, fields=["first_name"])
    rows = {id: desk.job(id) for id in batch.jobs}
    assert [home.id for home in homes] == [batch.jobs[2], batch.jobs[0]]
    assert all((home.queue_id, home.step_id) == (rows[home.id]["queue_id"], rows[home.id]["step_id"]) for home in homes)
    assert all("first_name" in json.loads(home.fields) for home in homes)
    assert {home.fields for home in await desk.store.homes_of(batch.id, asked)} == {"{}"}


async def test_what_changed_since_it_was_seen_is_left_and_told(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED, 2)
    before = seen(desk, *batch.jobs)
    await desk.store.retry_jobs(slots(desk, before[:1]), told)
    acted = await desk.store.retry_jobs(slots(desk, before), told)
    assert (acted.n, acted.left) == (
        1,
        (Left(batch.jobs[0], True, "it is pending: only failed or held ones are retried"),),
    )
    assert desk.look.events()[-1]["data"]["changed"] == 1


async def test_a_job_that_failed_again_meanwhile_is_not_the_one_that_was_seen(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED)
    before = seen(desk, *batch.jobs)
    await desk.store.retry_jobs([(before[0], desk.clock(), 0)], told)
    await desk.send(await desk.claim_one(), JobState.FAILED)
    acted = await desk.store.retry_jobs(slots(desk, before), told)
    assert acted.left == (Left(batch.jobs[0], True, "it was tried meanwhile"),)
    assert (acted.event, desk.job(batch.jobs[0])["state"]) == (0, "failed")


async def test_a_retry_grants_a_new_budget_and_keeps_the_attempts(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED)
    (job,) = batch.jobs
    due = desk.clock() + MINUTE
    await desk.store.retry_jobs([(Seen(job), due, SECOND)], told)
    row = desk.job(job)
    assert (row["state"], row["due_at"], row["gap"], row["tries"], row["attempts"]) == ("pending", due, SECOND, 0, 1)
    desk.clock.step(MINUTE)
    await desk.store.promote()
    assert (await desk.claim_one()).budget_at is None


async def test_a_retry_that_is_due_now_can_be_claimed_at_once(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED)
    await desk.store.retry_jobs([(Seen(batch.jobs[0]), desk.clock(), 0)], told)
    assert (await desk.claim_one()).id == batch.jobs[0]


async def test_a_retry_opens_its_batch_again(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED)
    await desk.store.settle()
    await desk.store.retry_jobs(slots(desk, seen(desk, *batch.jobs)), told)
    row = desk.look.batch(batch.batch_id)
    assert (row["state"], row["finished_at"]) == ("ready", None)


async def test_a_held_message_is_freed_by_a_retry(desk: Desk) -> None:
    batch = await desk.campaign(1, held="company")
    assert (await desk.store.retry_jobs(slots(desk, seen(desk, *batch.jobs)), told)).n == 1
    row = desk.job(batch.jobs[0])
    assert (row["state"], row["reason"]) == ("pending", "")


async def test_nothing_of_a_cancelled_campaign_is_retried(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED)
    await desk.store.cancel_campaign(batch.id, said())
    acted = await desk.store.retry_jobs(slots(desk, seen(desk, *batch.jobs)), told)
    assert acted.left == (Left(batch.jobs[0], False, "its campaign is cancelled"),)
    assert desk.counts() == {"failed": 1}


@pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.UNCERTAIN, JobState.PENDING])
async def test_a_retry_refuses_what_is_neither_failed_nor_held(desk: Desk, state: JobState) -> None:
    batch = await desk.settled_campaign(state)
    before = desk.job(batch.jobs[0])
    acted = await desk.store.retry_jobs(slots(desk, seen(desk, *batch.jobs)), told)
    assert acted.left == (Left(batch.jobs[0], False, f"it is {state}: only failed or held ones are retried"),)
    assert desk.job(batch.jobs[0]) == before


async def test_a_job_named_twice_is_retried_once(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED)
    acted = await desk.store.retry_jobs(slots(desk, seen(desk, *batch.jobs) * 2), told)
    assert (acted.n, len(acted.left)) == (1, 1)


async def test_what_awaits_approval_is_never_retried(desk: Desk) -> None:
    batch = await desk.campaign(1, held="approval")
    acted = await desk.store.retry_jobs(slots(desk, seen(desk, *batch.jobs)), told)
    assert acted.left == (Left(batch.jobs[0], False, "held for approval"),)


# the undo of a retry


async def test_a_retry_is_taken_back_as_it_was(desk: Desk) -> None:
    failed = await desk.settled_campaign(JobState.FAILED, 2)
    held = await desk.campaign(1, name="held", held="company")
    ids = [*failed.jobs, *held.jobs]
    before = [(desk.job(id)["state"], desk.job(id)["reason"], desk.job(id)["error_key"]) for id in ids]
    acted = await desk.store.retry_jobs(slots(desk, seen(desk, *ids)), told)
    undone = await desk.store.undo_act(acted.event, told, GRACE)
    assert (undone.n, undone.left) == (3, ())
    assert [(desk.job(id)["state"], desk.job(id)["reason"], desk.job(id)["error_key"]) for id in ids] == before
    assert (await desk.claim()).jobs == ()


async def test_only_what_was_not_tried_since_is_taken_back(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED, 3)
    now = desk.clock()
    acted = await desk.store.retry_jobs([(job, now, 0) for job in seen(desk, *batch.jobs)], told)
    flying, tried = (await desk.claim(2)).jobs
    await desk.intent(flying)
    await desk.send(tried, JobState.PENDING, due_at=now + HOUR)
    undone = await desk.store.undo_act(acted.event, told, GRACE)
    assert (undone.n, {left.why for left in undone.left}) == (1, {"it is processing now", "it was tried already"})
    assert {left.id for left in undone.left} == {flying.id, tried.id}


async def test_a_claim_from_before_the_undo_changes_nothing(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED)
    acted = await desk.store.retry_jobs([(seen(desk, *batch.jobs)[0], desk.clock(), 0)], told)
    job = await desk.claim_one()
    await desk.store.hand_back([(job.id, job.lease)])
    await desk.store.undo_act(acted.event, told, GRACE)
    assert not await desk.end(job, None, JobState.PENDING)
    assert desk.job(job.id)["state"] == "failed"


async def test_only_an_act_can_be_taken_back(desk: Desk) -> None:
    await desk.campaign(1)
    with pytest.raises(RefusedError, match="nothing that can be undone"):
        await desk.store.undo_act(desk.look.events()[-1]["id"], told, GRACE)
    with pytest.raises(RefusedError, match="nothing that can be undone"):
        await desk.store.undo_act(999_999, told, GRACE)


# cancel


async def test_what_is_cancelled_is_never_claimed_and_skipped_when_its_grace_is_over(desk: Desk) -> None:
    batch = await desk.campaign(3)
    acted = await desk.store.cancel_jobs(seen(desk, *batch.jobs[:2]), told)
    assert acted.n == 2
    assert [job.id for job in (await desk.claim()).jobs] == batch.jobs[2:]
    assert await desk.store.skip_cancelled(GRACE) == (0, desk.clock() + GRACE)
    desk.clock.step(GRACE)
    assert await desk.store.skip_cancelled(GRACE) == (2, None)
    assert [(desk.job(id)["state"], desk.job(id)["reason"]) for id in batch.jobs[:2]] == [("skipped", "cancelled")] * 2


async def test_a_cancel_is_taken_back_within_its_grace_as_it_was(desk: Desk) -> None:
    due = await desk.campaign(1)
    held = await desk.campaign(1, name="held", held="company")
    acted = await desk.store.cancel_jobs(seen(desk, *due.jobs, *held.jobs), told)
    desk.clock.step(GRACE - 1)
    undone = await desk.store.undo_act(acted.event, told, GRACE)
    assert undone.n == 2
    assert (desk.job(held.jobs[0])["state"], desk.job(held.jobs[0])["reason"]) == ("held", "company")
    assert (await desk.claim_one()).id == due.jobs[0]
    desk.clock.step(GRACE)
    assert await desk.store.skip_cancelled(GRACE) == (0, None)


async def test_a_cancel_is_final_when_its_grace_is_over(desk: Desk) -> None:
    batch = await desk.campaign(1)
    acted = await desk.store.cancel_jobs(seen(desk, *batch.jobs), told)
    desk.clock.step(GRACE)
    with pytest.raises(RefusedError, match="the time to undo this cancel is over"):
        await desk.store.undo_act(acted.event, told, GRACE)


async def test_a_cancel_outlives_the_engine_that_took_it(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.store.cancel_jobs(seen(desk, *batch.jobs), told)
    await desk.kill()
    desk.clock.step(GRACE)
    assert (await desk.claim()).jobs == ()
    assert await desk.store.skip_cancelled(GRACE) == (1, None)


async def test_what_is_in_flight_or_over_is_not_cancelled(desk: Desk) -> None:
    sent = await desk.settled_campaign(JobState.COMPLETED, name="sent")
    await desk.campaign(1)
    job = await desk.claim_one()
    acted = await desk.store.cancel_jobs(seen(desk, job.id, *sent.jobs), told)
    assert [left.why for left in acted.left] == [
        "it is in flight: it finishes and is counted",
        "it is completed: there is nothing to cancel",
    ]
    await desk.send(job)


async def test_what_is_being_cancelled_is_neither_retried_nor_cancelled_again(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.store.cancel_jobs(seen(desk, *batch.jobs), told)
    now = seen(desk, *batch.jobs)
    assert (await desk.store.retry_jobs(slots(desk, now), told)).left[0].why == "it is being cancelled"
    assert (await desk.store.cancel_jobs(now, told)).left[0].why == "it is being cancelled already"
    assert (await desk.store.retry_jobs(slots(desk, [Seen(batch.jobs[0])]), told)).n == 0


async def test_a_cancel_in_its_grace_keeps_a_run_that_ends_by_itself(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.store.cancel_jobs(seen(desk, *batch.jobs), told)
    assert await desk.store.runnable([desk.queue.id]) == 1
    desk.clock.step(GRACE)
    await desk.store.skip_cancelled(GRACE)
    assert await desk.store.runnable([desk.queue.id]) == 0


@given(st.sets(st.integers(1, 10**12), max_size=60))
def test_packed_ids_are_the_same_ids(ids: set[int]) -> None:
    assert list(unpacked(packed(ids))) == sorted(ids)


def test_neighbours_are_packed_as_one_run() -> None:
    assert packed([5, 3, 4, 9, 11, 12]) == "3-5,9,11-12"
