"""Edits of steps and the messages that exist: no slice holds the Writer for long, none is forgotten (conformance)."""

from __future__ import annotations

import pytest

from storage.campaigns import StepSpec
from storage.edits import Edit
from storage.errors import RefusedError
from storage.model import DAY, JobState, PauseReason
from storage.recipients import SLICE
from storage.sequences import Following
from storage.step_edits import Replanned, StepEdit
from tests.support.stores import Batch, Desk, said

AGAIN = StepSpec(text="again")
LAST = StepSpec(text="bye")


async def paused(desk: Desk, people: int = 1) -> Batch:
    """A campaign of one step, paused; everybody had it."""
    batch = await desk.campaign(people)
    for job in (await desk.claim(people)).jobs:
        await desk.send(job)
    await desk.store.pause_campaign(batch.id, PauseReason.OPERATOR, "", said("campaign.paused"))
    return batch


def looked_at(desk: Desk) -> int:
    [row] = desk.look.rows("SELECT count(*) AS n FROM jobs WHERE follow = 1")
    return int(row["n"])


async def test_a_step_that_is_added_is_told_to_its_people_slice_by_slice(desk: Desk) -> None:
    batch = await desk.campaign(SLICE + 5)
    await desk.store.pause_campaign(batch.id, PauseReason.OPERATOR, "", said("campaign.paused"))
    await desk.store.edit_campaign(batch.id, Edit(steps=(AGAIN,)), said())
    assert looked_at(desk) == 0
    [edit] = await desk.store.unfinished_step_edits()
    assert edit == StepEdit(batch.id, behind=(batch.step_id,))
    last, _ = await desk.store.look_again(edit, 0)
    assert (last, looked_at(desk)) == (batch.jobs[SLICE - 1], SLICE)
    last, _ = await desk.store.look_again(edit, last or 0)
    assert (last, looked_at(desk)) == (batch.jobs[-1], SLICE + 5)
    assert await desk.store.unfinished_step_edits() == [edit]
    assert await desk.store.look_again(edit, last or 0) == (None, [])
    assert await desk.store.unfinished_step_edits() == []


async def test_an_edit_before_the_last_one_was_done_takes_over_what_it_left(desk: Desk) -> None:
    batch = await paused(desk)
    await desk.store.edit_campaign(batch.id, Edit(steps=(AGAIN,)), said())
    [edit] = await desk.store.unfinished_step_edits()
    further = (StepSpec(text="again", wait={"duration": DAY}), LAST)
    await desk.store.edit_campaign(batch.id, Edit(steps=further), said())
    second = (await desk.store.get_steps(batch.id))[1].id
    [both] = await desk.store.unfinished_step_edits()
    assert both == StepEdit(batch.id, (batch.step_id, second), (second,))
    # Who still had the older one in hand does not end the newer one.
    await desk.store.look_again(edit, batch.jobs[-1])
    assert await desk.store.unfinished_step_edits() == [both]


async def test_other_words_alone_leave_nothing_to_be_done(desk: Desk) -> None:
    batch = await paused(desk)
    await desk.store.edit_campaign(batch.id, Edit(steps=(AGAIN,)), said())
    [edit] = await desk.store.unfinished_step_edits()
    await desk.store.look_again(edit, batch.jobs[-1])
    await desk.store.edit_campaign(batch.id, Edit(steps=(StepSpec(text="other words"),)), said())
    assert await desk.store.unfinished_step_edits() == []


async def test_a_completed_campaign_takes_no_further_step(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.COMPLETED)
    await desk.store.settle()
    with pytest.raises(RefusedError, match="is completed"):
        await desk.store.edit_campaign(batch.id, Edit(steps=(AGAIN,)), said())
    assert await desk.store.unfinished_step_edits() == []


async def with_a_second(desk: Desk) -> tuple[Batch, int, Following]:
    """Everybody had the first step; the second one is planned for tomorrow."""
    batch = await paused(desk)
    await desk.store.edit_campaign(batch.id, Edit(steps=(AGAIN,)), said())
    [edit] = await desk.store.unfinished_step_edits()
    await desk.store.look_again(edit, 0)
    await desk.store.look_again(edit, batch.jobs[-1])
    second = (await desk.store.get_steps(batch.id))[1].id
    next_one = Following(
        batch.jobs[0], second, batch.campaign.queue_id, desk.clock() + DAY, message_id="<2@example.org>"
    )
    assert await desk.store.follow([next_one]) == 1
    [row] = desk.look.rows("SELECT id FROM jobs WHERE step_id = ?", (second,))
    return batch, row["id"], next_one


async def test_what_is_planned_is_found_with_the_message_before_it(desk: Desk) -> None:
    batch, planned, _ = await with_a_second(desk)
    await desk.store.edit_campaign(batch.id, Edit(steps=(StepSpec(text="again", wait={"duration": DAY}),)), said())
    [edit] = await desk.store.unfinished_step_edits()
    _, [one] = await desk.store.look_again(edit, 0)
    assert (one.job_id, one.before.job_id, one.before.position) == (planned, batch.jobs[0], 1)


async def test_a_planned_message_is_moved_left_out_or_taken_back_until_an_acceptance(desk: Desk) -> None:
    batch, planned, was = await with_a_second(desk)
    later = Following(was.job_id, was.step_id, was.queue_id, desk.clock() + 2 * DAY)
    assert await desk.store.replan_steps([(planned, later)]) == Replanned(moved=1)
    assert desk.job(planned)["due_at"] == desk.clock() + 2 * DAY
    assert await desk.store.replan_steps([(planned, later)]) == Replanned()
    total = desk.look.batch(batch.batch_id)["total"]
    assert await desk.store.replan_steps([(planned, Following(was.job_id, waits=True))]) == Replanned(waiting=1)
    assert desk.look.rows("SELECT id FROM jobs WHERE id = ?", (planned,)) == []
    assert desk.look.batch(batch.batch_id)["total"] == total - 1
    assert desk.job(was.job_id)["follow"] == 2


async def test_a_planned_message_goes_through_another_queue_with_its_sums(desk: Desk) -> None:
    _, planned, was = await with_a_second(desk)
    other = (await desk.store.ensure_queue("other", "unipile")).id
    moved = Following(was.job_id, was.step_id, other, was.due_at)
    assert await desk.store.replan_steps([(planned, moved)]) == Replanned(moved=1)
    assert desk.counts("queue", other) == {"pending": 1}


async def test_a_message_that_was_tried_or_is_over_stays_as_it_is(desk: Desk) -> None:
    batch, planned, was = await with_a_second(desk)
    await desk.store.activate_campaign(batch.id, said("campaign.resumed"), execution="resume")
    desk.clock.step(DAY)
    await desk.store.promote()
    await desk.send(await desk.claim_one())
    assert await desk.store.replan_steps([(planned, Following(was.job_id, skipped="replied"))]) == Replanned()
    assert desk.state(planned) == "completed"
