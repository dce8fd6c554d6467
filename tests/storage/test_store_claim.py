"""What may begin, in which order: claims, lanes, gaps, queue states (conformance of any store)."""

from __future__ import annotations

import pytest

from storage.model import HOUR, MINUTE, SECOND, JobState, PauseReason, QueueState
from tests.support.stores import Desk, said


async def test_the_earlier_due_job_goes_first(desk: Desk) -> None:
    now = desk.clock()
    await desk.campaign(3, dues=[now - 1, now - 3, now - 2])
    assert desk.addresses((await desk.claim()).jobs) == ["spring-1", "spring-2", "spring-0"]


async def test_jobs_due_at_one_time_go_in_the_order_of_their_ids(desk: Desk) -> None:
    batch = await desk.campaign(4)
    assert [job.id for job in (await desk.claim()).jobs] == batch.jobs


async def test_the_campaign_of_higher_priority_goes_first(desk: Desk) -> None:
    await desk.campaign(2, name="low", priority=3)
    await desk.campaign(2, name="high", priority=8)
    assert desk.addresses((await desk.claim(1)).jobs) == ["high-0"]


async def test_a_claim_raises_the_lease_and_reads_all_that_the_send_needs(desk: Desk) -> None:
    batch = await desk.campaign(1)
    job = await desk.claim_one()
    assert (job.id, job.lease, job.kind, job.campaign_id, job.step_id, job.batch_id) == (
        batch.jobs[0],
        1,
        "send",
        batch.id,
        batch.step_id,
        batch.batch_id,
    )
    assert (job.address, job.fields, job.tries, job.budget_at) == ("spring-0@example.org", '{"n": 1}', 0, None)
    assert desk.counts() == {"processing": 1}


async def test_a_claimed_job_is_not_claimed_again(desk: Desk) -> None:
    await desk.campaign(2)
    await desk.claim(1)
    assert desk.addresses((await desk.claim()).jobs) == ["spring-1"]
    assert (await desk.claim()).jobs == ()


async def test_a_claim_takes_no_more_than_there_is_room(desk: Desk) -> None:
    await desk.campaign(5)
    assert len((await desk.claim(2)).jobs) == 2


async def test_a_full_queue_takes_nothing(desk: Desk) -> None:
    await desk.campaign(1)
    claim = await desk.claim(0)
    assert (claim.jobs, claim.blocked_by) == ((), "concurrency")


async def test_campaigns_of_one_queue_share_its_room(desk: Desk) -> None:
    await desk.campaign(10, name="one")
    await desk.campaign(10, name="two")
    names = desk.addresses((await desk.claim(4)).jobs)
    assert sorted(names) == ["one-0", "one-1", "two-0", "two-1"]


async def test_room_that_a_small_campaign_leaves_goes_to_the_large_one(desk: Desk) -> None:
    await desk.campaign(10, name="large")
    await desk.campaign(1, name="small")
    names = desk.addresses((await desk.claim(6)).jobs)
    assert sorted(names) == ["large-0", "large-1", "large-2", "large-3", "large-4", "small-0"]


async def test_campaigns_of_one_priority_take_turns_for_a_single_place(desk: Desk) -> None:
    await desk.campaign(5, name="one")
    await desk.campaign(5, name="two")
    order = []
    for _ in range(4):
        job = await desk.claim_one()
        order.append(job.address[:3])
        await desk.send(job)
        desk.clock.step(SECOND)
    assert order == ["one", "two", "one", "two"]


async def test_a_campaign_keeps_its_own_concurrency(desk: Desk) -> None:
    batch = await desk.campaign(5, concurrency=2)
    assert len((await desk.claim()).jobs) == 2
    assert (await desk.claim(busy={batch.id: 2})).jobs == ()
    assert len((await desk.claim(busy={batch.id: 1})).jobs) == 1


async def test_another_queue_s_jobs_are_not_taken(desk: Desk) -> None:
    other = await desk.store.ensure_queue("other", "smtp")
    await desk.campaign(1)
    assert (await desk.claim(queue_id=other.id)).jobs == ()


async def test_a_job_that_is_not_due_is_not_claimed(desk: Desk) -> None:
    await desk.campaign(1, dues=[desk.clock() + MINUTE])
    assert (await desk.claim()).jobs == ()


async def test_a_job_is_claimed_once_promote_found_it_due(desk: Desk) -> None:
    await desk.campaign(1, dues=[desk.clock() + MINUTE])
    desk.clock.step(MINUTE)
    assert await desk.store.promote() == (1, None)
    assert len((await desk.claim()).jobs) == 1


# gaps


def long_ago(desk: Desk) -> int:
    return desk.clock() - 10 * HOUR


async def test_the_first_message_of_a_human_plan_waits_for_its_own_due_time(desk: Desk) -> None:
    due = desk.clock() + 10 * MINUTE
    await desk.campaign(1, dues=[due], gaps=[10 * MINUTE])
    desk.clock.step(10 * MINUTE)
    await desk.store.promote()
    assert len((await desk.claim()).jobs) == 1


async def test_a_gap_runs_from_the_start_before_it(desk: Desk) -> None:
    await desk.campaign(2, gaps=[MINUTE, MINUTE])
    first = await desk.claim_one()
    await desk.send(first)
    held = await desk.claim()
    assert (held.jobs, held.next_at, held.blocked_by) == ((), desk.clock() + MINUTE, "gap")
    desk.clock.step(MINUTE - 1)
    assert (await desk.claim()).jobs == ()
    desk.clock.step(1)
    assert len((await desk.claim()).jobs) == 1


async def test_overdue_jobs_with_gaps_leave_one_at_a_time_and_never_in_a_burst(desk: Desk) -> None:
    await desk.campaign(5, gaps=[MINUTE] * 5)
    desk.clock.step(10 * HOUR)
    assert len((await desk.claim()).jobs) == 1


async def test_a_claim_whose_intent_is_not_written_holds_the_next_gap(desk: Desk) -> None:
    batch = await desk.campaign(2, gaps=[MINUTE, MINUTE])
    await desk.claim(1)
    desk.clock.step(10 * MINUTE)
    assert (await desk.claim(starting=frozenset({batch.id}))).jobs == ()


async def test_a_head_that_waits_for_its_gap_holds_those_behind_it(desk: Desk) -> None:
    now = desk.clock()
    await desk.campaign(3, dues=[now - 3, now - 2, now - 1], gaps=[0, HOUR, 0])
    await desk.send(await desk.claim_one())
    assert (await desk.claim()).jobs == ()


async def test_one_campaign_s_gap_does_not_hold_another_campaign(desk: Desk) -> None:
    await desk.campaign(2, name="slow", gaps=[HOUR, HOUR])
    await desk.send(await desk.claim_one())
    await desk.campaign(1, name="fast")
    assert desk.addresses((await desk.claim()).jobs) == ["fast-0"]


async def test_a_gapped_job_is_never_early_by_a_clock_that_stepped_back(desk: Desk) -> None:
    due = desk.clock()
    await desk.campaign(1, gaps=[MINUTE])
    desk.clock.step(-HOUR)
    assert (await desk.claim()).next_at == due


async def test_after_the_clock_stepped_back_a_gap_counts_from_now_once(desk: Desk) -> None:
    await desk.campaign(2, dues=[long_ago(desk)] * 2, gaps=[MINUTE, MINUTE])
    await desk.send(await desk.claim_one())
    now = desk.clock.step(-5 * HOUR)
    assert (await desk.claim()).next_at == now + MINUTE
    desk.clock.step(MINUTE - 1)
    assert (await desk.claim()).jobs == ()
    desk.clock.step(1)
    assert len((await desk.claim()).jobs) == 1


async def test_a_campaign_paused_while_the_clock_stepped_back_goes_on_after_one_gap(desk: Desk) -> None:
    paused = await desk.campaign(2, name="paused", dues=[long_ago(desk)] * 2, gaps=[MINUTE, MINUTE])
    await desk.send(await desk.claim_one())
    await desk.store.pause_campaign(paused.id, PauseReason.OPERATOR, "", said())
    await desk.campaign(1, name="other")
    desk.clock.step(-5 * HOUR)
    await desk.send(await desk.claim_one())
    await desk.store.activate_campaign(paused.id, said(), execution="resume")
    await desk.claim()
    desk.clock.step(MINUTE)
    assert desk.addresses((await desk.claim()).jobs) == ["paused-1"]


async def test_a_start_of_a_neighbour_does_not_hide_that_the_clock_stepped_back(desk: Desk) -> None:
    await desk.campaign(2, name="gapped", dues=[long_ago(desk)] * 2, gaps=[MINUTE, MINUTE])
    await desk.send(await desk.claim_one())
    await desk.campaign(1, name="plain")
    flying = await desk.claim_one()
    desk.clock.step(-5 * HOUR)
    await desk.send(flying)
    await desk.claim()
    desk.clock.step(MINUTE)
    assert desk.addresses((await desk.claim()).jobs) == ["gapped-1"]


async def test_the_queue_s_minimum_gap_lets_one_begin_at_a_time(desk: Desk) -> None:
    await desk.campaign(3)
    await desk.send(await desk.claim_one(min_gap=MINUTE), JobState.COMPLETED)
    held = await desk.claim(min_gap=MINUTE)
    assert (held.jobs, held.next_at, held.blocked_by) == ((), desk.clock() + MINUTE, "minimum gap")
    desk.clock.step(MINUTE)
    assert len((await desk.claim(min_gap=MINUTE)).jobs) == 1


async def test_the_minimum_gap_waits_for_a_claim_that_has_not_begun(desk: Desk) -> None:
    batch = await desk.campaign(2)
    await desk.claim(1, min_gap=MINUTE)
    claim = await desk.claim(min_gap=MINUTE, starting=frozenset({batch.id}))
    assert (claim.jobs, claim.next_at, claim.blocked_by) == ((), None, "minimum gap")


async def test_the_minimum_gap_holds_across_a_restart(desk: Desk) -> None:
    await desk.campaign(2)
    await desk.send(await desk.claim_one())
    await desk.kill()
    assert (await desk.claim(min_gap=MINUTE)).next_at == desk.clock() + MINUTE


# states of the queue, the engine, the campaign


async def test_a_cooling_queue_takes_nothing_and_says_until_when(desk: Desk) -> None:
    await desk.campaign(1)
    until = desk.clock() + MINUTE
    await desk.set_queue(QueueState.COOLING, until=until, cooling_step=2)
    claim = await desk.claim()
    assert (claim.jobs, claim.next_at, claim.blocked_by, claim.cooling_step) == ((), until, "cooling", 2)


async def test_after_its_cooling_a_queue_probes_with_one_message(desk: Desk) -> None:
    await desk.campaign(5)
    await desk.set_queue(QueueState.COOLING, until=desk.clock() + MINUTE)
    desk.clock.step(MINUTE)
    claim = await desk.claim()
    assert (len(claim.jobs), claim.queue_state) == (1, QueueState.PROBING)
    assert desk.queue_row()["state"] == "probing"


async def test_a_probing_queue_waits_for_what_is_in_flight(desk: Desk) -> None:
    batch = await desk.campaign(2)
    await desk.set_queue(QueueState.PROBING)
    assert (await desk.claim(busy={batch.id: 1})).jobs == ()


@pytest.mark.parametrize("state", [QueueState.PAUSED, QueueState.NEEDS_ATTENTION, QueueState.RESTRICTED])
async def test_a_queue_that_waits_for_a_person_takes_nothing(desk: Desk, state: QueueState) -> None:
    await desk.campaign(1)
    await desk.set_queue(state)
    claim = await desk.claim()
    assert (claim.jobs, claim.next_at, claim.blocked_by) == ((), None, state.value)


async def test_a_paused_engine_takes_nothing(desk: Desk) -> None:
    await desk.campaign(1)
    await desk.store.set_engine_paused(True, said())
    claim = await desk.claim()
    assert (claim.jobs, claim.blocked_by) == ((), "engine paused")


async def test_a_resumed_engine_takes_again(desk: Desk) -> None:
    await desk.campaign(1)
    await desk.store.set_engine_paused(True, said())
    await desk.store.set_engine_paused(False, said())
    assert len((await desk.claim()).jobs) == 1


async def test_a_paused_campaign_s_jobs_are_not_claimed(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.store.pause_campaign(batch.id, PauseReason.OPERATOR, "", said())
    assert (await desk.claim()).jobs == ()


async def test_a_cancelled_campaign_s_jobs_are_not_claimed(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.store.cancel_campaign(batch.id, said())
    assert (await desk.claim()).jobs == ()


async def test_a_campaign_that_is_planned_anew_is_not_claimed_from(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.store.set_replanning(batch.id, True)
    assert (await desk.claim()).jobs == ()


async def test_a_loading_batch_cannot_be_claimed(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.claim()
    await desk.people(batch.id, ["late"])
    await desk.load(batch.campaign)
    await desk.store.promote()
    assert (await desk.claim()).jobs == ()


async def test_held_jobs_are_not_claimed(desk: Desk) -> None:
    await desk.campaign(1, held="company")
    assert (await desk.claim()).jobs == ()
    assert desk.counts() == {"held": 1}


# peek


async def test_a_peek_says_how_many_could_begin_and_takes_nothing(desk: Desk) -> None:
    await desk.campaign(3)
    peek = await desk.claim(2, peek=True)
    assert (peek.jobs, peek.available) == ((), 2)
    assert desk.counts() == {"pending": 3}


async def test_a_peek_names_the_gap_that_holds_the_head(desk: Desk) -> None:
    await desk.campaign(2, gaps=[MINUTE, MINUTE])
    await desk.send(await desk.claim_one())
    peek = await desk.claim(peek=True)
    assert (peek.available, peek.next_at, peek.blocked_by) == (0, desk.clock() + MINUTE, "gap")
