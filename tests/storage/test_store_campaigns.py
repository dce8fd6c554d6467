"""Campaigns and queues between their states (conformance of any store)."""

from __future__ import annotations

import pytest

from storage.errors import NotFoundError, RefusedError, UsageError
from storage.events import Event
from storage.model import MINUTE, SECOND, CampaignState, JobState, PauseReason, QueueState
from tests.support.stores import Desk, said

GRACE = 10 * SECOND


async def test_a_new_campaign_is_a_draft_with_one_step(desk: Desk) -> None:
    draft = await desk.draft(subject="Hi", headers={"X-A": "1"}, attachments=({"name": "a.txt"},))
    (step,) = await desk.store.get_steps(draft.id)
    assert (draft.state, draft.live, draft.account, draft.version) == (CampaignState.DRAFT, False, "mail", 1)
    assert (step.position, step.subject, step.headers, step.attachments) == (
        1,
        "Hi",
        {"X-A": "1"},
        ({"name": "a.txt"},),
    )


async def test_a_name_that_is_taken_is_refused(desk: Desk) -> None:
    await desk.draft()
    with pytest.raises(UsageError, match="is taken"):
        await desk.draft()


async def test_a_campaign_is_found_by_name_and_by_id(desk: Desk) -> None:
    draft = await desk.draft()
    assert await desk.store.get_campaign("spring") == await desk.store.get_campaign(draft.id) == draft


async def test_an_unknown_campaign_is_named(desk: Desk) -> None:
    with pytest.raises(NotFoundError, match="'winter'"):
        await desk.store.get_campaign("winter")


async def test_a_pause_changes_no_job_and_keeps_its_reason(desk: Desk) -> None:
    batch = await desk.campaign(2)
    before = [desk.job(job) for job in batch.jobs]
    paused = await desk.store.pause_campaign(batch.id, PauseReason.ERRORS, "3 times spam", said("campaign.paused"))
    assert (paused.state, paused.pause_reason, paused.pause_detail) == (CampaignState.PAUSED, "errors", "3 times spam")
    assert paused.version == batch.campaign.version + 1
    assert [desk.job(job) for job in batch.jobs] == before


async def test_a_resume_clears_the_reason(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.store.pause_campaign(batch.id, PauseReason.OPERATOR, "by ada", said())
    active = await desk.store.activate_campaign(batch.id, said(), execution="resume")
    assert (active.state, active.pause_reason, active.pause_detail) == (CampaignState.ACTIVE, "", "")
    assert active.started_at == batch.campaign.started_at


async def test_an_active_campaign_may_be_activated_again(desk: Desk) -> None:
    batch = await desk.campaign(1)
    assert (await desk.store.activate_campaign(batch.id, said())).version == batch.campaign.version


async def test_every_change_writes_its_event_with_the_campaign(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.store.pause_campaign(batch.id, PauseReason.OPERATOR, "", said("campaign.paused"))
    event = desk.look.events(campaign_id=batch.id)[-1]
    assert (event["kind"], event["actor"], event["via"], event["at"]) == (
        "campaign.paused",
        "ada",
        "cli",
        desk.clock(),
    )


async def test_a_draft_cannot_be_paused_and_nothing_is_written(desk: Desk) -> None:
    draft = await desk.draft()
    events = desk.look.events()
    with pytest.raises(RefusedError, match="draft: it cannot become paused"):
        await desk.store.pause_campaign(draft.id, PauseReason.OPERATOR, "", said())
    assert desk.look.events() == events
    assert await desk.store.get_campaign(draft.id) == draft


async def test_a_cancelled_campaign_can_neither_be_paused_nor_started_nor_cancelled_again(desk: Desk) -> None:
    batch = await desk.campaign(1)
    cancelled = await desk.store.cancel_campaign(batch.id, said())
    with pytest.raises(RefusedError):
        await desk.store.pause_campaign(batch.id, PauseReason.OPERATOR, "", said())
    with pytest.raises(RefusedError):
        await desk.store.activate_campaign(batch.id, said(), execution="start", queued=1)
    with pytest.raises(RefusedError):
        await desk.store.cancel_campaign(batch.id, said())
    assert await desk.store.get_campaign(batch.id) == cancelled


async def test_a_completed_campaign_can_be_neither_paused_nor_cancelled(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.COMPLETED)
    await desk.store.settle()
    with pytest.raises(RefusedError):
        await desk.store.pause_campaign(batch.id, PauseReason.OPERATOR, "", said())
    with pytest.raises(RefusedError):
        await desk.store.cancel_campaign(batch.id, said())


async def test_live_is_set_and_taken_back(desk: Desk) -> None:
    draft = await desk.draft()
    assert (await desk.store.set_live(draft.id, True, said())).live
    assert not (await desk.store.set_live(draft.id, False, said())).live


# cancel and its grace


async def test_a_cancel_changes_no_job_before_its_grace_is_over(desk: Desk) -> None:
    batch = await desk.campaign(2)
    await desk.store.cancel_campaign(batch.id, said())
    assert await desk.store.skip_cancelled(GRACE) == (0, desk.clock() + GRACE)
    desk.clock.step(GRACE - 1)
    assert await desk.store.skip_cancelled(GRACE) == (0, desk.clock() + 1)
    assert desk.counts() == {"pending": 2}


async def test_after_the_grace_open_messages_are_skipped_as_cancelled(desk: Desk) -> None:
    batch = await desk.campaign(2)
    held = await desk.campaign(1, name="held", held="company")
    for cancelled in (batch, held):
        await desk.store.cancel_campaign(cancelled.id, said())
    desk.clock.step(GRACE)
    assert await desk.store.skip_cancelled(GRACE) == (3, None)
    assert [desk.job(job)["reason"] for job in batch.jobs + held.jobs] == ["cancelled"] * 3
    assert desk.counts() == {"skipped": 3}


async def test_the_end_of_a_grace_works_in_slices(desk: Desk) -> None:
    batch = await desk.campaign(1_100)
    await desk.store.cancel_campaign(batch.id, said())
    now = desk.clock.step(GRACE)
    assert await desk.store.skip_cancelled(GRACE) == (1_000, now)
    assert await desk.store.skip_cancelled(GRACE) == (100, None)


@pytest.mark.parametrize("before", [CampaignState.DRAFT, CampaignState.ACTIVE, CampaignState.PAUSED])
async def test_an_undone_cancel_stands_as_it_stood_before(desk: Desk, before: CampaignState) -> None:
    if before is CampaignState.DRAFT:
        stood = await desk.draft()
    else:
        stood = (await desk.campaign(1)).campaign
    if before is CampaignState.PAUSED:
        stood = await desk.store.pause_campaign(stood.id, PauseReason.ERRORS, "why", said())
    await desk.store.cancel_campaign(stood.id, said())
    desk.clock.step(GRACE - 1)
    back = await desk.store.undo_cancel(stood.id, said(), GRACE)
    assert (back.state, back.pause_reason, back.pause_detail, back.cancelled_at) == (
        before,
        stood.pause_reason,
        stood.pause_detail,
        None,
    )


async def test_nothing_is_skipped_after_an_undo(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.store.cancel_campaign(batch.id, said())
    await desk.store.undo_cancel(batch.id, said(), GRACE)
    desk.clock.step(GRACE)
    assert await desk.store.skip_cancelled(GRACE) == (0, None)
    assert len((await desk.claim()).jobs) == 1


async def test_after_the_grace_a_cancel_cannot_be_undone(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.store.cancel_campaign(batch.id, said())
    desk.clock.step(GRACE)
    with pytest.raises(RefusedError, match="can no longer be undone"):
        await desk.store.undo_cancel(batch.id, said(), GRACE)


async def test_once_messages_were_skipped_a_clock_that_steps_back_brings_no_undo(desk: Desk) -> None:
    batch = await desk.campaign(2)
    await desk.claim(1)
    await desk.store.cancel_campaign(batch.id, said())
    desk.clock.step(GRACE)
    await desk.store.skip_cancelled(GRACE)
    desk.clock.step(-GRACE)
    with pytest.raises(RefusedError, match="can no longer be undone"):
        await desk.store.undo_cancel(batch.id, said(), GRACE)


async def test_what_is_in_flight_at_a_cancel_finishes_and_its_retry_is_skipped(desk: Desk) -> None:
    batch = await desk.campaign(2)
    sent, again = (await desk.claim()).jobs
    attempts = [await desk.intent(sent), await desk.intent(again)]
    await desk.store.cancel_campaign(batch.id, said())
    desk.clock.step(GRACE)
    await desk.store.skip_cancelled(GRACE)
    assert await desk.end(sent, attempts[0], JobState.COMPLETED)
    assert await desk.end(again, attempts[1], JobState.PENDING, due_at=desk.clock() + MINUTE)
    assert await desk.store.skip_cancelled(GRACE) == (1, None)
    assert desk.counts() == {"completed": 1, "skipped": 1}


# executions


async def test_an_execution_counts_what_was_sent_and_failed_in_it(desk: Desk) -> None:
    batch = await desk.campaign(3)
    jobs = (await desk.claim()).jobs
    await desk.send(jobs[0])
    await desk.store.pause_campaign(batch.id, PauseReason.OPERATOR, "by ada", said())
    await desk.store.activate_campaign(batch.id, said(), execution="resume", queued=2)
    await desk.send(jobs[1])
    await desk.send(jobs[2], JobState.FAILED)
    await desk.store.settle()
    resume, start = desk.look.executions()
    assert [(e["kind"], e["state"], e["queued"], e["sent"], e["failed"]) for e in (start, resume)] == [
        ("start", "done", 3, 1, 0),
        ("resume", "done", 2, 1, 1),
    ]
    assert start["message"] == "paused: by ada"


async def test_a_refused_activation_begins_no_execution(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.store.cancel_campaign(batch.id, said())
    before = desk.look.executions()
    with pytest.raises(RefusedError):
        await desk.store.activate_campaign(batch.id, said(), execution="retry", queued=1)
    assert desk.look.executions() == before


# queues and the engine


async def test_a_queue_is_made_once(desk: Desk) -> None:
    again = await desk.store.ensure_queue("mail", "outbox")
    assert (again.id, again.channel, again.state) == (desk.queue.id, "outbox", QueueState.READY)
    assert await desk.store.get_queue("mail") == again
    assert await desk.store.get_queue("none") is None


async def test_a_queue_s_change_of_state_is_told_once(desk: Desk) -> None:
    assert await desk.set_queue(QueueState.PAUSED)
    assert not await desk.set_queue(QueueState.PAUSED)
    assert [event["kind"] for event in desk.look.events()] == ["queue"]


@pytest.mark.parametrize("state", [QueueState.PAUSED, QueueState.NEEDS_ATTENTION, QueueState.RESTRICTED])
async def test_what_a_person_must_leave_the_engine_does_not_change(desk: Desk, state: QueueState) -> None:
    await desk.set_queue(state)
    for wanted, until in ((QueueState.READY, None), (QueueState.COOLING, desk.clock() + MINUTE)):
        changed = await desk.store.set_queue_state(desk.queue.id, wanted, until=until, event=Event("queue", "engine"))
        assert not changed
    assert desk.queue_row()["state"] == state.value
    assert await desk.set_queue(QueueState.READY)


async def test_a_pause_of_the_engine_outlives_a_restart(desk: Desk) -> None:
    await desk.campaign(1)
    assert await desk.store.set_engine_paused(True, said())
    assert not await desk.store.set_engine_paused(True, said())
    await desk.kill()
    assert (await desk.claim()).blocked_by == "engine paused"


async def test_a_closed_engine_is_noted_as_stopped(desk: Desk) -> None:
    await desk.store.heartbeat("draining", "asked by ada")
    assert (desk.look.engine()["state"], desk.look.engine()["note"]) == ("draining", "asked by ada")
    await desk.store.close(note="done")
    row = desk.look.engine()
    assert (row["state"], row["note"], row["stopped_at"]) == ("stopped", "done", desk.clock())
    desk.store = await desk.opener.open(desk.path, desk.clock)
