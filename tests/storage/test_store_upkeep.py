"""Settling, resolving, what can still run (conformance of any store)."""

from __future__ import annotations

import pytest

from storage import people_page
from storage.errors import RefusedError
from storage.model import HOUR, SECOND, JobState, PauseReason, QueueState
from storage.people_page import PeopleQuery
from storage.upkeep import Settled
from tests.support.stores import Desk, said

NOTHING = Settled((), 0)


# settle


async def test_a_campaign_with_nothing_open_is_completed_with_its_batch(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.COMPLETED, 2)
    assert await desk.store.settle() == Settled(("spring",), 1)
    row = desk.campaign_row()
    assert (row["state"], row["completed_at"]) == ("completed", desk.clock())
    done = desk.look.batch(batch.batch_id)
    assert (done["state"], done["finished_at"]) == ("done", desk.clock())


@pytest.mark.parametrize("state", [JobState.PENDING, JobState.HELD])
async def test_a_campaign_with_something_open_goes_on(desk: Desk, state: JobState) -> None:
    await desk.settled_campaign(state)
    assert await desk.store.settle() == NOTHING


async def test_a_campaign_with_something_in_flight_goes_on(desk: Desk) -> None:
    await desk.campaign(1)
    await desk.claim()
    assert await desk.store.settle() == NOTHING


async def test_a_paused_campaign_with_nothing_open_is_completed(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED)
    await desk.store.pause_campaign(batch.id, PauseReason.ERRORS, "", said())
    assert (await desk.store.settle()).completed == ("spring",)


async def test_the_end_of_a_campaign_says_what_is_uncertain(desk: Desk) -> None:
    await desk.settled_campaign(JobState.UNCERTAIN, 2)
    await desk.store.settle()
    event = desk.look.events()[-1]
    assert (event["kind"], event["text"]) == (
        "campaign.completed",
        "campaign spring completed: 0 sent, 0 failed, 2 uncertain (they wait for your word)",
    )


async def test_a_campaign_without_anybody_is_not_completed_in_silence(desk: Desk) -> None:
    draft = await desk.draft()
    await desk.store.activate_campaign(draft.id, said())
    assert await desk.store.settle() == NOTHING


async def test_drafts_and_cancelled_campaigns_are_not_completed(desk: Desk) -> None:
    await desk.draft("draft")
    batch = await desk.settled_campaign(JobState.FAILED)
    await desk.store.cancel_campaign(batch.id, said())
    assert (await desk.store.settle()).completed == ()


async def test_a_campaign_that_is_planned_anew_is_not_completed(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED)
    await desk.store.set_replanning(batch.id, True)
    assert (await desk.store.settle()).completed == ()


async def test_settling_twice_changes_nothing(desk: Desk) -> None:
    await desk.settled_campaign(JobState.COMPLETED)
    await desk.store.settle()
    assert await desk.store.settle() == NOTHING


# what can still run


async def test_pending_and_flying_messages_can_still_run(desk: Desk) -> None:
    await desk.campaign(3)
    await desk.claim(1)
    assert await desk.store.runnable([desk.queue.id]) == 3


async def test_held_failed_and_uncertain_messages_need_a_person(desk: Desk) -> None:
    for n, state in enumerate((JobState.HELD, JobState.FAILED, JobState.UNCERTAIN)):
        await desk.settled_campaign(state, name=f"c{n}")
    assert await desk.store.runnable([desk.queue.id]) == 0


@pytest.mark.parametrize(
    ("state", "n"),
    [(QueueState.COOLING, 2), (QueueState.PROBING, 2), (QueueState.PAUSED, 0), (QueueState.RESTRICTED, 0)],
)
async def test_messages_behind_a_queue_can_run_unless_it_waits_for_a_person(
    desk: Desk, state: QueueState, n: int
) -> None:
    await desk.campaign(2)
    await desk.set_queue(state, until=desk.clock() + HOUR if state is QueueState.COOLING else None)
    assert await desk.store.runnable([desk.queue.id]) == n


async def test_only_what_is_in_flight_can_run_while_paused(desk: Desk) -> None:
    batch = await desk.campaign(3)
    await desk.claim(1)
    await desk.store.pause_campaign(batch.id, PauseReason.OPERATOR, "", said())
    assert await desk.store.runnable([desk.queue.id]) == 1


async def test_only_what_is_in_flight_can_run_while_everything_is_paused(desk: Desk) -> None:
    await desk.campaign(3)
    await desk.claim(1)
    await desk.store.set_engine_paused(True, said())
    assert await desk.store.runnable([desk.queue.id]) == 1


async def test_another_queue_s_messages_do_not_count(desk: Desk) -> None:
    await desk.campaign(1)
    other = await desk.store.ensure_queue("other", "smtp")
    assert await desk.store.runnable([other.id]) == 0


async def test_a_cancel_in_its_grace_counts_as_one(desk: Desk) -> None:
    batch = await desk.campaign(3)
    await desk.store.cancel_campaign(batch.id, said())
    assert await desk.store.runnable([desk.queue.id]) == 1
    desk.clock.step(10 * SECOND)
    await desk.store.skip_cancelled(10 * SECOND)
    assert await desk.store.runnable([desk.queue.id]) == 0


# resolving


async def test_a_person_s_word_that_it_was_sent_completes_an_uncertain_message(desk: Desk) -> None:
    began = desk.clock()
    batch = await desk.settled_campaign(JobState.UNCERTAIN)
    desk.clock.step(HOUR)
    assert await desk.store.resolve(batch.jobs[0], sent=True, event=said("job.resolved")) == batch.id
    row = desk.job(batch.jobs[0])
    assert (row["state"], row["sent_at"], row["error_key"]) == ("completed", began, "")
    assert desk.look.events(campaign_id=batch.id)[-1]["kind"] == "job.resolved"


async def test_what_was_said_of_a_doubt_that_is_over_stays_with_the_attempt_alone(desk: Desk) -> None:
    batch = await desk.campaign(1)
    job = await desk.claim_one()
    await desk.send(job, JobState.UNCERTAIN, reply="connection lost", error_key="connection lost")
    assert desk.job(job.id)["error"] == "connection lost"
    await desk.store.resolve(job.id, sent=True, event=said())
    assert desk.job(job.id)["error"] == ""
    assert people_page.people(desk.look, PeopleQuery(batch.id))[0][0]["error"] == ""
    assert desk.attempts(job.id)[0]["reply"] == "connection lost"


async def test_a_person_may_send_an_uncertain_message_again(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.UNCERTAIN)
    await desk.store.resolve(batch.jobs[0], sent=False, event=said())
    await desk.store.promote()
    job = await desk.claim_one()
    assert (job.id, job.tries) == (batch.jobs[0], 0)
    await desk.send(job)
    assert [a["outcome"] for a in desk.attempts(job.id)] == ["uncertain", "accepted"]


@pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.FAILED, JobState.PENDING])
async def test_only_an_uncertain_message_is_resolved(desk: Desk, state: JobState) -> None:
    batch = await desk.settled_campaign(state)
    before = desk.job(batch.jobs[0]), desk.look.events()
    with pytest.raises(RefusedError, match="is not uncertain"):
        await desk.store.resolve(batch.jobs[0], sent=True, event=said())
    assert (desk.job(batch.jobs[0]), desk.look.events()) == before


async def test_a_cancelled_campaign_s_uncertain_message_is_not_sent_again(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.UNCERTAIN)
    await desk.store.cancel_campaign(batch.id, said())
    with pytest.raises(RefusedError, match="cancelled"):
        await desk.store.resolve(batch.jobs[0], sent=False, event=said())
    await desk.store.resolve(batch.jobs[0], sent=True, event=said())
    assert desk.counts() == {"completed": 1}
