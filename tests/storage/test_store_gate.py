"""The gate: the last look before a message can leave (conformance of any store)."""

from __future__ import annotations

import asyncio

import pytest

from storage.dispatch_nouns import Intent
from storage.model import DAY, HOUR, MINUTE, SECOND, JobState, PauseReason, QueueState
from storage.nouns import ClaimedJob
from tests.support.stores import Desk, ending, said


def stands_pending(desk: Desk, job: ClaimedJob) -> bool:
    """A refused job waits again, under no lease, and no attempt was written."""
    row = desk.job(job.id)
    return row["state"] == "pending" and not row["attempts_log"] and row["attempts"] == 0


async def test_an_open_gate_writes_the_intent_with_no_outcome_yet(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    attempt_id = await desk.intent(job)
    (attempt,) = desk.attempts(job.id)
    assert attempt["id"] == attempt_id
    assert (attempt["lease"], attempt["number"], attempt["intent_at"]) == (job.lease, 1, desk.clock())
    assert (attempt["outcome"], attempt["finished_at"], attempt["counted_at"]) == (None, None, desk.clock())
    assert attempt["epoch"] == desk.store.epoch
    assert desk.state(job.id) == "processing"


async def test_an_intent_notes_the_start_of_queue_campaign_and_batch(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.intent(await desk.claim_one())
    assert desk.queue_row()["last_start"] == desk.clock()
    assert desk.campaign_row()["last_start"] == desk.clock()
    assert desk.look.batch(batch.batch_id)["started_at"] == desk.clock()


async def test_a_lost_lease_is_refused_and_changes_nothing(desk: Desk) -> None:
    await desk.campaign(1)
    old = await desk.claim_one()
    await desk.store.rescue(everything=True)
    new = await desk.claim_one()
    assert await desk.ask(old) == Intent(None, "lease")
    assert desk.job(new.id)["lease"] == new.lease
    assert desk.state(new.id) == "processing"


async def test_a_job_that_is_not_processing_is_refused(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    await desk.store.hand_back([(job.id, job.lease)])
    assert await desk.ask(job) == Intent(None, "lease")
    assert stands_pending(desk, job)


async def test_a_job_that_does_not_exist_is_refused(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    ghost = ClaimedJob(**{name: getattr(job, name) for name in ClaimedJob.__slots__} | {"id": 999_999})
    assert await desk.ask(ghost) == Intent(None, "lease")


async def test_one_lease_is_granted_one_intent(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    await desk.intent(job)
    assert await desk.ask(job) == Intent(None, "lease")
    assert len(desk.attempts(job.id)) == 1


async def test_one_lease_asked_for_twice_in_one_commit_is_granted_once(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    first, second = await asyncio.gather(desk.ask(job), desk.ask(job))
    assert first.attempt_id is not None
    assert second == Intent(None, "lease")


async def test_an_old_lease_that_asks_first_does_not_take_the_new_one_s_answer(desk: Desk) -> None:
    await desk.campaign(1)
    old = await desk.claim_one()
    await desk.store.rescue(everything=True)
    new = await desk.claim_one()
    stale, granted = await asyncio.gather(desk.ask(old), desk.ask(new))
    assert stale == Intent(None, "lease")
    assert granted.attempt_id is not None


async def test_a_refusal_asked_for_twice_in_one_commit_returns_the_job_once(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    await desk.set_queue(QueueState.PAUSED)
    await asyncio.gather(desk.ask(job), desk.ask(job))
    assert desk.counts() == {"pending": 1}


async def test_a_campaign_paused_after_the_claim_stops_the_send(desk: Desk) -> None:
    batch = await desk.campaign(1)
    job = await desk.claim_one()
    await desk.store.pause_campaign(batch.id, PauseReason.OPERATOR, "", said())
    assert (await desk.ask(job)).refused == "campaign paused"
    assert stands_pending(desk, job)


async def test_a_campaign_cancelled_after_the_claim_stops_the_send(desk: Desk) -> None:
    batch = await desk.campaign(1)
    job = await desk.claim_one()
    await desk.store.cancel_campaign(batch.id, said())
    assert (await desk.ask(job)).refused == "campaign cancelled"
    assert stands_pending(desk, job)


async def test_a_campaign_that_is_planned_anew_stops_the_send(desk: Desk) -> None:
    batch = await desk.campaign(1)
    job = await desk.claim_one()
    await desk.store.set_replanning(batch.id, True)
    assert (await desk.ask(job)).refused
    assert stands_pending(desk, job)


@pytest.mark.parametrize(
    "state", [QueueState.PAUSED, QueueState.NEEDS_ATTENTION, QueueState.RESTRICTED, QueueState.COOLING]
)
async def test_a_queue_that_is_not_ready_stops_the_send(desk: Desk, state: QueueState) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    await desk.set_queue(state, until=desk.clock() + MINUTE if state is QueueState.COOLING else None)
    assert (await desk.ask(job)).refused == f"queue {state.value}"
    assert stands_pending(desk, job)


async def test_a_probing_queue_lets_its_probe_through(desk: Desk) -> None:
    await desk.campaign(1)
    await desk.set_queue(QueueState.PROBING)
    assert (await desk.ask(await desk.claim_one())).attempt_id is not None


async def test_a_paused_engine_stops_the_send(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    await desk.store.set_engine_paused(True, said())
    assert (await desk.ask(job)).refused == "engine paused"
    assert stands_pending(desk, job)


async def test_a_pause_asked_for_before_the_intent_in_one_commit_stops_the_send(desk: Desk) -> None:
    batch = await desk.campaign(1)
    job = await desk.claim_one()
    _, intent = await asyncio.gather(
        desk.store.pause_campaign(batch.id, PauseReason.OPERATOR, "", said()), desk.ask(job)
    )
    assert intent.refused == "campaign paused"


async def test_a_refused_job_can_be_claimed_again_at_once(desk: Desk) -> None:
    await desk.campaign(1)
    job = await desk.claim_one()
    await desk.set_queue(QueueState.PAUSED)
    await desk.ask(job)
    await desk.set_queue(QueueState.READY)
    again = await desk.claim_one()
    assert (again.id, again.lease) == (job.id, job.lease + 1)


# caps


async def test_a_cap_lets_exactly_its_number_through_in_a_period(desk: Desk) -> None:
    await desk.campaign(5)
    jobs = (await desk.claim()).jobs
    answers = await asyncio.gather(*(desk.ask(job, caps=((3, HOUR),)) for job in jobs))
    assert [intent.refused for intent in answers] == ["", "", "", "cap", "cap"]
    assert {intent.retry_at for intent in answers[3:]} == {desk.clock() + HOUR}
    assert desk.counts() == {"processing": 3, "pending": 2}


async def test_a_cap_rolls_with_the_first_intent_of_its_period(desk: Desk) -> None:
    await desk.campaign(3)
    cap = ((2, HOUR),)
    began = desk.clock()
    for _ in range(2):
        job = await desk.claim_one()
        await desk.end(job, await desk.intent(job, caps=cap), JobState.COMPLETED)
        desk.clock.step(10 * MINUTE)
    job = await desk.claim_one()
    assert await desk.ask(job, caps=cap) == Intent(None, "cap", began + HOUR)
    desk.clock.time = began + HOUR - 1
    assert (await desk.ask(await desk.claim_one(), caps=cap)).refused == "cap"
    desk.clock.step(1)
    assert (await desk.ask(await desk.claim_one(), caps=cap)).attempt_id is not None


async def test_every_cap_of_a_queue_holds(desk: Desk) -> None:
    await desk.campaign(3)
    caps = ((1, MINUTE), (2, DAY))
    for n in range(2):
        await desk.intent(await desk.claim_one(), caps=caps)
        desk.clock.step(MINUTE)
        assert n < 2
    assert (await desk.ask(await desk.claim_one(), caps=caps)).retry_at == desk.clock() - 2 * MINUTE + DAY


async def test_a_cap_counts_an_intent_in_the_future_as_now(desk: Desk) -> None:
    await desk.campaign(2)
    cap = ((1, HOUR),)
    await desk.intent(await desk.claim_one(), caps=cap)
    now = desk.clock.step(-3 * HOUR)
    assert await desk.ask(await desk.claim_one(), caps=cap) == Intent(None, "cap", now + HOUR)


async def test_an_attempt_that_handed_no_content_over_gives_its_place_back(desk: Desk) -> None:
    await desk.campaign(2)
    cap = ((1, HOUR),)
    job = await desk.claim_one()
    await desk.end(job, await desk.intent(job, caps=cap), JobState.FAILED, content_sent=False)
    assert (await desk.ask(await desk.claim_one(), caps=cap)).attempt_id is not None


async def test_an_uncertain_attempt_keeps_its_place_under_the_cap(desk: Desk) -> None:
    await desk.campaign(2)
    cap = ((1, HOUR),)
    job = await desk.claim_one()
    await desk.intent(job, caps=cap)
    await desk.store.rescue(everything=True)
    assert (await desk.ask(await desk.claim_one(), caps=cap)).refused == "cap"


async def test_a_cap_holds_across_a_restart(desk: Desk) -> None:
    await desk.campaign(2)
    await desk.intent(await desk.claim_one())
    await desk.kill()
    assert (await desk.ask(await desk.claim_one(), caps=((1, HOUR),))).refused == "cap"


# gaps


async def test_the_minimum_gap_is_asked_again_at_the_gate(desk: Desk) -> None:
    await desk.campaign(2)
    first, second = (await desk.claim(2)).jobs
    await desk.intent(first, min_gap=MINUTE)
    desk.clock.step(SECOND)
    assert await desk.ask(second, min_gap=MINUTE) == Intent(None, "minimum gap", desk.clock() - SECOND + MINUTE)
    assert stands_pending(desk, second)


async def test_the_minimum_gap_holds_between_intents_of_one_commit(desk: Desk) -> None:
    await desk.campaign(3)
    jobs = (await desk.claim(3)).jobs
    answers = await asyncio.gather(*(desk.ask(job, min_gap=MINUTE) for job in jobs))
    assert [intent.refused for intent in answers] == ["", "minimum gap", "minimum gap"]


async def test_a_job_s_own_gap_is_asked_again_at_the_gate(desk: Desk) -> None:
    now = desk.clock()
    await desk.campaign(2, dues=[now - 2, now - 1], gaps=[0, MINUTE])
    first = await desk.claim_one()
    second = await desk.claim_one()
    await desk.intent(first)
    assert await desk.ask(second) == Intent(None, "gap")


async def test_a_job_s_own_gap_holds_between_intents_of_one_commit(desk: Desk) -> None:
    now = desk.clock()
    await desk.campaign(2, dues=[now - 2, now - 1], gaps=[0, MINUTE])
    first = await desk.claim_one()
    second = await desk.claim_one()
    answers = await asyncio.gather(desk.ask(first), desk.ask(second))
    assert [intent.refused for intent in answers] == ["", "gap"]


async def test_an_outcome_frees_no_gap(desk: Desk) -> None:
    await desk.campaign(2)
    await desk.send(await desk.claim_one())
    assert (await desk.ask(await desk.claim_one(), min_gap=MINUTE)).refused == "minimum gap"


async def test_intents_and_outcomes_of_one_commit_are_kept_apart(desk: Desk) -> None:
    await desk.campaign(2)
    first, second = (await desk.claim(2)).jobs
    attempt_id = await desk.intent(first)
    finished, intent = await asyncio.gather(
        desk.store.finish_attempt(ending(first, attempt_id, JobState.COMPLETED, desk.clock())), desk.ask(second)
    )
    assert finished
    assert intent.attempt_id is not None
    assert desk.counts() == {"completed": 1, "processing": 1}
