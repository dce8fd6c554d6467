"""How an attempt ends: outcomes, lost leases, rescue, hand-back (conformance of any store)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from storage.endings import Rescued
from storage.model import HOUR, MINUTE, JobState, OutcomeClass, PauseReason
from tests.support.stores import LEASE, Desk, ending, said


async def test_an_accepted_message_is_completed_with_the_time_it_was_sent(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    await desk.send(job, server="mx.example.org")
    row = desk.job(job.id)
    assert (row["state"], row["sent_at"], row["outcome"], row["error_key"]) == (
        "completed",
        desk.clock(),
        "accepted",
        "",
    )
    (attempt,) = row["attempts_log"]
    assert (attempt["outcome"], attempt["code"], attempt["reply"], attempt["server"]) == (
        "accepted",
        250,
        "250 ok",
        "mx.example.org",
    )
    assert (attempt["finished_at"], attempt["counted_at"] is not None, attempt["duration"]) == (
        desk.clock(),
        True,
        5_000,
    )


async def test_a_refused_message_is_failed_with_the_server_s_words(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    await desk.send(job, JobState.FAILED, reply="550 5.1.1 no such user", error_key="no such user")
    row = desk.job(job.id)
    assert (row["state"], row["error"], row["error_key"]) == ("failed", "550 5.1.1 no such user", "no such user")
    assert desk.look.failures()[0]["n"] == 1


async def test_a_message_to_try_again_waits_until_its_new_time(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    due = desk.clock() + 5 * MINUTE
    await desk.send(job, JobState.PENDING, due_at=due)
    assert (desk.job(job.id)["state"], desk.job(job.id)["due_at"]) == ("pending", due)
    assert await desk.store.promote() == (0, due)
    assert (await desk.claim()).jobs == ()
    desk.clock.step(5 * MINUTE)
    await desk.store.promote()
    assert (await desk.claim_one()).id == job.id
    assert desk.look.counts()["retry"] == 0


async def test_a_message_to_try_again_is_counted_as_a_retry(desk: Desk) -> None:
    await desk.settled_campaign(JobState.PENDING)
    assert desk.look.counts()["retry"] == 1


async def test_a_message_that_waits_for_a_person_keeps_its_reason(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    assert await desk.end(job, None, JobState.HELD, reason="field", error_key="held: missing field: company")
    row = desk.job(job.id)
    assert (row["state"], row["reason"], row["attempts"], row["tries"]) == ("held", "field", 0, 0)


async def test_a_message_that_may_have_left_is_uncertain(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    await desk.send(job, JobState.UNCERTAIN)
    assert (desk.state(job.id), desk.attempts(job.id)[0]["counted_at"] is None) == ("uncertain", False)


async def test_a_skipped_message_keeps_its_reason(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    assert await desk.end(job, None, JobState.SKIPPED, reason="suppressed")
    assert (desk.state(job.id), desk.job(job.id)["reason"]) == ("skipped", "suppressed")


async def test_attempts_count_every_try_and_the_budget_only_those_that_count(desk: Desk) -> None:
    await desk.campaign(1)
    for counts in (True, False, True):
        job = await desk.claim_one()
        await desk.send(job, JobState.PENDING, counts_try=counts, due_at=desk.clock())
        await desk.store.promote()
    row = desk.job(job.id)
    assert (row["attempts"], row["tries"]) == (3, 2)
    assert [attempt["number"] for attempt in row["attempts_log"]] == [1, 2, 3]


async def test_the_budget_begins_with_its_first_attempt(desk: Desk) -> None:
    await desk.campaign(1)
    began = desk.clock()
    await desk.send(await desk.claim_one(), JobState.PENDING, due_at=began)
    desk.clock.step(HOUR)
    await desk.store.promote()
    assert (await desk.claim_one()).budget_at == began


async def test_finished_attempts_are_summed_per_minute(desk: Desk) -> None:
    batch = await desk.campaign(3)
    since = desk.clock()
    jobs = (await desk.claim()).jobs
    await desk.send(jobs[0])
    await desk.send(jobs[1], JobState.FAILED)
    await desk.send(jobs[2], JobState.PENDING)
    (row,) = desk.look.rates(since - MINUTE, campaign_id=batch.id)
    assert (row["sent"], row["failed"], row["other"], row["duration"]) == (1, 1, 1, 15_000)


async def test_failures_are_spread_over_the_hours_of_their_reason(desk: Desk) -> None:
    await desk.campaign(3)
    jobs = (await desk.claim()).jobs
    await desk.send(jobs[0], JobState.FAILED, reply="550 first")
    await desk.send(jobs[1], JobState.FAILED, reply="550 second")
    first = desk.clock()
    desk.clock.step(HOUR)
    await desk.send(jobs[2], JobState.FAILED, reply="550 third")
    (row,) = desk.look.failures()
    assert [n for _, n in row["hours"]] == [2, 1]
    assert (row["first_at"], row["last_at"], row["sample"]) == (first, desk.clock(), "550 third")


async def test_an_end_without_an_attempt_counts_in_no_rate(desk: Desk) -> None:
    await desk.campaign(1)
    await desk.end(await desk.claim_one(), None, JobState.HELD)
    assert desk.look.rates(0) == []


# the fence


@pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.FAILED, JobState.PENDING, JobState.UNCERTAIN])
async def test_a_completion_from_a_lost_lease_changes_nothing(desk: Desk, state: JobState) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    attempt_id = await desk.intent(job)
    await desk.store.rescue(everything=True)
    before = desk.job(job.id)
    assert not await desk.end(job, attempt_id, state)
    assert desk.job(job.id) == before


async def test_a_completion_with_an_old_lease_leaves_the_new_holder_alone(desk: Desk) -> None:
    await desk.campaign(1)
    old = await desk.claim_one()
    await desk.store.rescue(everything=True)
    new = await desk.claim_one()
    attempt_id = await desk.intent(new)
    assert not await desk.end(old, attempt_id, JobState.FAILED)
    assert desk.state(new.id) == "processing"
    assert desk.attempts(new.id)[0]["outcome"] is None


async def test_a_second_finish_of_one_lease_is_refused(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    attempt_id = await desk.send(job)
    assert not await desk.end(job, attempt_id, JobState.FAILED)
    assert desk.state(job.id) == "completed"


async def test_two_finishes_of_one_lease_in_one_commit_count_once(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    attempt_id = await desk.intent(job)
    answers = await asyncio.gather(
        desk.end(job, attempt_id, JobState.COMPLETED), desk.end(job, attempt_id, JobState.FAILED)
    )
    assert answers == [True, False]
    assert desk.counts() == {"completed": 1}


async def test_a_finish_of_a_job_that_does_not_exist_is_refused(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    assert not await desk.store.finish_attempt(replace(ending(job, None, JobState.HELD, desk.clock()), job_id=999_999))


# rescue


async def test_a_dead_engine_s_claim_without_an_intent_waits_again(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    await desk.kill()
    assert await desk.store.rescue(everything=True) == Rescued(1, 0)
    assert (desk.state(job.id), desk.attempts(job.id)) == ("pending", [])


async def test_a_dead_engine_s_intent_without_an_answer_is_uncertain(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    await desk.intent(job)
    await desk.kill()
    assert await desk.store.rescue(everything=True) == Rescued(0, 1)
    row = desk.job(job.id)
    assert (row["state"], row["attempts"], row["error_key"]) == ("uncertain", 1, "engine ended while sending")
    assert (row["attempts_log"][0]["outcome"], row["attempts_log"][0]["counted_at"] is None) == ("uncertain", False)


async def test_a_dead_engine_s_recorded_outcome_stands(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    await desk.send(job)
    await desk.kill()
    assert await desk.store.rescue(everything=True) == Rescued(0, 0)
    assert desk.state(job.id) == "completed"


async def test_a_try_before_the_lost_one_does_not_make_a_claim_uncertain(desk: Desk) -> None:
    await desk.campaign(1)
    await desk.send(await desk.claim_one(), JobState.PENDING, due_at=desk.clock())
    await desk.store.promote()
    await desk.claim_one()
    assert await desk.store.rescue(everything=True) == Rescued(1, 0)


async def test_a_running_engine_rescues_only_leases_that_ran_out(desk: Desk) -> None:
    await desk.campaign(2)
    await desk.claim(1)
    desk.clock.step(LEASE)
    await desk.claim(1)
    assert await desk.store.rescue(everything=False) == Rescued(0, 0)
    desk.clock.step(1)
    assert await desk.store.rescue(everything=False) == Rescued(1, 0)


async def test_a_rescue_works_in_slices(desk: Desk) -> None:
    await desk.campaign(1_200, concurrency=2_000)
    await desk.claim(1_200)
    assert await desk.store.rescue(everything=True) == Rescued(1_000, 0)
    assert await desk.store.rescue(everything=True) == Rescued(200, 0)


async def test_a_rescued_job_is_claimed_under_a_higher_lease(desk: Desk) -> None:
    await desk.campaign(1)
    old = await desk.claim_one()
    await desk.store.rescue(everything=True)
    assert (await desk.claim_one()).lease > old.lease


async def test_nothing_automatic_claims_an_uncertain_message(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.send(await desk.claim_one(), JobState.UNCERTAIN)
    desk.clock.step(100 * HOUR)
    await desk.store.promote()
    await desk.store.rescue(everything=True)
    await desk.store.settle()
    assert (await desk.claim()).jobs == ()
    assert desk.state(batch.jobs[0]) == "uncertain"


# hand-back


async def test_a_claim_handed_back_can_be_claimed_at_once(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    assert await desk.store.hand_back([(job.id, job.lease)]) == 1
    assert (await desk.claim_one()).lease == job.lease + 1


async def test_a_claim_with_an_intent_cannot_be_handed_back(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    await desk.intent(job)
    assert await desk.store.hand_back([(job.id, job.lease)]) == 0
    assert desk.state(job.id) == "processing"


async def test_a_lost_lease_cannot_be_handed_back(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    assert await desk.store.hand_back([(job.id, job.lease - 1), (999_999, 1)]) == 0
    assert desk.state(job.id) == "processing"


async def test_what_is_in_flight_when_its_campaign_is_paused_finishes_and_is_counted(desk: Desk) -> None:
    batch = await desk.campaign(1)
    job = await desk.claim_one()
    attempt_id = await desk.intent(job)
    await desk.store.pause_campaign(batch.id, PauseReason.OPERATOR, "", said())
    assert await desk.end(job, attempt_id, JobState.COMPLETED)
    assert desk.counts("campaign", batch.id) == {"completed": 1}


@pytest.mark.parametrize("outcome", list(OutcomeClass))
async def test_every_class_of_outcome_is_kept_with_its_attempt(desk: Desk, outcome: OutcomeClass) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    await desk.send(
        job, JobState.PENDING if outcome is not OutcomeClass.ACCEPTED else JobState.COMPLETED, outcome=outcome
    )
    assert desk.attempts(job.id)[0]["outcome"] == outcome.value
