"""What waits for approval in the store: asked about, decided, void, expired (conformance of any store)."""

from __future__ import annotations

from typing import Any

from storage.acts import Seen
from storage.deciding import Approved
from storage.letters import Letter
from storage.model import DAY, HOUR, JobState
from tests.support.stores import Batch, Desk, said

GIVEN = "digest of the message"


async def asked(desk: Desk, people: int = 2, **more: Any) -> Batch:
    return await desk.campaign(people, **{"approval": "message", "approval_time": DAY, **more})


async def approve(desk: Desk, *jobs: int, digest: str = GIVEN) -> int:
    given = [Approved(Seen(job), desk.clock(), 0, digest) for job in jobs]
    return (await desk.store.approve_jobs(given, "ada", lambda n: said("approval.approved", n=n))).n


async def force(desk: Desk, sql: str, *values: Any) -> None:
    """Change a row behind the back of everything that keeps the books."""
    await desk.store.writer.submit(lambda tx: tx.execute(sql, values))  # type: ignore[attr-defined]


def approval(desk: Desk, job: int) -> dict[str, Any]:
    return desk.look.rows("SELECT * FROM approvals WHERE job_id = ?", (job,))[0]


async def test_a_job_of_a_campaign_that_asks_is_made_held_and_asked_about(desk: Desk) -> None:
    batch = await asked(desk)
    assert desk.counts() == {"held": 2}
    assert (await desk.claim()).jobs == ()
    row = approval(desk, batch.jobs[0])
    assert (row["decision"], row["asked_at"], row["expires_at"]) == ("", desk.clock(), desk.clock() + DAY)


async def test_an_approved_job_is_claimed_and_passes_the_gate_as_it_was_approved(desk: Desk) -> None:
    batch = await asked(desk)
    assert await approve(desk, *batch.jobs) == 2
    job = await desk.claim_one()
    assert job.approval == "message"
    assert await desk.intent(job, digest=GIVEN)


async def test_what_came_to_wait_after_the_look_is_left_and_the_others_are_approved(desk: Desk) -> None:
    batch = await asked(desk)
    given = [Approved(Seen(job), desk.clock(), 0, digest) for job, digest in zip(batch.jobs, ("", GIVEN), strict=True)]
    acted = await desk.store.approve_jobs(given, "ada", lambda n: said("approval.approved", n=n))
    assert (acted.n, [entry.why for entry in acted.left]) == (1, ["it was changed meanwhile"])
    assert [approval(desk, job)["decision"] for job in batch.jobs] == ["", "approved"]


async def test_a_message_that_is_not_the_approved_one_is_held_at_the_gate(desk: Desk) -> None:
    batch = await asked(desk)
    await approve(desk, *batch.jobs)
    job = await desk.claim_one()
    answer = await desk.ask(job, digest="digest of another one")
    assert (answer.attempt_id, answer.refused) == (None, "approval")
    assert desk.state(job.id) == "held"
    assert desk.attempts(job.id) == []
    row = approval(desk, job.id)
    assert (row["decision"], row["note"]) == ("", "changed after it was approved")


async def test_a_job_that_nobody_approved_is_held_at_the_gate_however_it_came_there(desk: Desk) -> None:
    batch = await asked(desk, 1)
    await approve(desk, *batch.jobs)
    await force(desk, "UPDATE approvals SET decision = '', decided_at = NULL, digest = ''")
    job = await desk.claim_one()
    answer = await desk.ask(job, digest=GIVEN)
    assert (answer.attempt_id, desk.state(job.id)) == (None, "held")


async def test_a_job_without_any_question_is_held_at_the_gate_too(desk: Desk) -> None:
    batch = await asked(desk, 1)
    await approve(desk, *batch.jobs)
    await force(desk, "DELETE FROM approvals")
    job = await desk.claim_one()
    assert (await desk.ask(job, digest=GIVEN)).attempt_id is None
    assert approval(desk, job.id)["decision"] == ""


async def test_nothing_is_claimed_of_a_campaign_whose_approval_is_void(desk: Desk) -> None:
    batch = await desk.campaign(2, approval="campaign")
    await desk.store.approve_campaign(batch.id, None, "ada", said("approval.approved"), {})
    await desk.store.activate_campaign(batch.id, said("campaign.resumed"), execution="resume")
    await force(desk, "UPDATE campaigns SET approved_at = NULL")
    assert (await desk.claim()).jobs == ()


async def test_a_campaign_is_paused_until_it_is_approved(desk: Desk) -> None:
    batch = await desk.campaign(2, approval="campaign")
    assert (batch.campaign.state, batch.campaign.pause_reason) == ("paused", "approval")
    assert await desk.store.approve_campaign(batch.id, batch.campaign.version, "ada", said("approval.approved"), {})
    await desk.store.activate_campaign(batch.id, said("campaign.resumed"), execution="resume")
    job = await desk.claim_one()
    assert await desk.intent(job)


async def test_whatever_changes_what_it_says_or_whom_it_reaches_takes_its_approval(desk: Desk) -> None:
    batch = await desk.campaign(2, approval="campaign")
    await force(
        desk,
        "INSERT INTO imports (id, campaign_id, state, source, created_at) "
        "SELECT 77, campaign_id, 'loading', 'more.csv', 0 FROM recipients LIMIT 1",
    )
    changes = (
        "UPDATE steps SET text = 'another'",
        "INSERT INTO steps (campaign_id, position, updated_at) SELECT campaign_id, 9, 0 FROM steps LIMIT 1",
        "DELETE FROM steps WHERE position = 9",
        'UPDATE recipients SET fields = \'{"n": "other"}\' WHERE id = 1',
        "UPDATE recipients SET address = 'x@example.org' WHERE id = 1",
        "UPDATE imports SET state = 'done', rows = 1, imported = 1 WHERE id = 77",
        'UPDATE campaigns SET settings = \'{"from_name": "Bea"}\'',
    )
    for change in changes:
        await desk.store.approve_campaign(batch.id, None, "ada", said("approval.approved"), {})
        assert desk.campaign_row()["approved_by"] == "ada"
        await force(desk, change)
        assert desk.campaign_row()["approved_at"] is None, change
    await force(desk, "UPDATE recipients SET stopped = 'replied' WHERE id = 1")


async def test_what_expired_is_skipped_and_says_so(desk: Desk) -> None:
    batch = await asked(desk)
    desk.clock.step(DAY - HOUR)
    assert (await desk.store.settle()).expires_at == desk.clock() + HOUR
    await approve(desk, batch.jobs[0])
    desk.clock.step(HOUR)
    assert (await desk.store.settle()).expires_at is None
    assert [desk.state(job) for job in batch.jobs] == ["pending", "skipped"]
    assert desk.job(batch.jobs[1])["reason"] == "expired"


async def test_what_expired_is_not_approved_even_before_it_is_skipped(desk: Desk) -> None:
    batch = await asked(desk)
    desk.clock.step(DAY)
    assert await approve(desk, *batch.jobs) == 0


async def test_many_that_expired_go_by_slices(desk: Desk) -> None:
    await asked(desk, 600)
    desk.clock.step(DAY)
    assert (await desk.store.settle()).expires_at == desk.clock()
    assert desk.counts() == {"held": 100, "skipped": 500}
    await desk.store.settle()
    assert desk.counts() == {"skipped": 600}


async def test_a_rejected_one_keeps_its_reason(desk: Desk) -> None:
    batch = await asked(desk)
    acted = await desk.store.reject_jobs([Seen(batch.jobs[0])], "not now", "ada", lambda n: said("approval.rejected"))
    row = approval(desk, batch.jobs[0])
    assert (acted.n, row["decision"], row["note"], row["decided_by"]) == (1, "rejected", "not now", "ada")
    assert desk.counts() == {"held": 1, "skipped": 1}


async def test_a_letter_comes_with_the_claim(desk: Desk) -> None:
    batch = await asked(desk)
    letter = Letter("Own", "own text", "")
    await desk.store.write_letter(Seen(batch.jobs[0]), letter, "ada", said("approval.edited"))
    await approve(desk, *batch.jobs)
    found = {job.id: job.letter for job in (await desk.claim()).jobs}
    assert found == {batch.jobs[0]: letter, batch.jobs[1]: None}


async def test_a_letter_changes_what_was_seen(desk: Desk) -> None:
    batch = await asked(desk, 1)
    row = desk.job(batch.jobs[0])
    await desk.store.write_letter(Seen(row["id"]), Letter("Own", "x"), "ada", said("approval.edited"))
    given = Approved(Seen(row["id"], "held", row["lease"]), desk.clock(), 0, GIVEN)
    acted = await desk.store.approve_jobs([given], "ada", lambda n: said("approval.approved"))
    assert [left.why for left in acted.left] == ["it was changed meanwhile"]


async def test_a_word_that_an_uncertain_one_is_to_be_sent_again_asks_anew_where_nobody_approved(desk: Desk) -> None:
    batch = await asked(desk, 2)
    await approve(desk, *batch.jobs)
    for job in (await desk.claim()).jobs:
        await desk.end(job, await desk.intent(job, digest=GIVEN), JobState.UNCERTAIN)
    await force(desk, "DELETE FROM approvals WHERE job_id = ?", batch.jobs[1])
    for job in batch.jobs:
        await desk.store.resolve(job, sent=False, event=said("job.resolved"))
    assert [desk.state(job) for job in batch.jobs] == ["pending", "held"]


async def test_a_cancel_that_is_undone_asks_again_where_the_approval_is_void(desk: Desk) -> None:
    batch = await asked(desk)
    await approve(desk, *batch.jobs)
    acted = await desk.store.cancel_jobs([Seen(job) for job in batch.jobs], lambda n: said("job.cancelled"))
    await force(desk, "DELETE FROM approvals WHERE job_id = ?", batch.jobs[0])
    await desk.store.undo_act(acted.event, lambda n: said("job.undone"), HOUR)
    assert [desk.state(job) for job in batch.jobs] == ["held", "pending"]


SENDER = '{"from_address": "us@example.com"}'


async def released(desk: Desk, sender: str = SENDER) -> Batch:
    """A running campaign that was approved as a whole, to be sent as `sender`."""
    batch = await desk.campaign(2, approval="campaign")
    await desk.store.approve_campaign(batch.id, None, "ada", said("approval.approved"), {desk.queue.id: sender})
    await desk.store.activate_campaign(batch.id, said("campaign.resumed"), execution="resume")
    return batch


async def test_a_campaign_leaves_as_the_sender_that_was_approved(desk: Desk) -> None:
    await released(desk)
    job = await desk.claim_one()
    assert job.approval == "campaign"
    assert await desk.intent(job, digest=SENDER)


async def test_another_sender_closes_the_gate_for_the_whole_campaign_and_says_why(desk: Desk) -> None:
    await released(desk)
    first, second = await desk.claim_one(), await desk.claim_one()
    answer = await desk.ask(first, digest='{"from_address": "them@example.com", "from_name": "Eve"}')
    assert (answer.attempt_id, answer.refused, desk.state(first.id)) == (None, "approval", "pending")
    row = desk.campaign_row()
    assert (row["state"], row["pause_reason"], row["approved_at"]) == ("paused", "approval", None)
    assert row["approval_note"] == "mail: from_address us@example.com -> them@example.com, from_name (none) -> Eve"
    assert (await desk.ask(second, digest=SENDER)).attempt_id is None, "the yes is gone for everything of it"
    assert (await desk.claim()).jobs == ()
    assert len(desk.look.rows("SELECT 1 FROM events WHERE kind = 'approval.void'")) == 1


async def test_a_yes_from_before_senders_were_kept_does_not_cover_any(desk: Desk) -> None:
    await released(desk, "")
    job = await desk.claim_one()
    assert (await desk.ask(job, digest=SENDER)).attempt_id is None
    assert desk.campaign_row()["approval_note"] == "mail: nobody was asked about this sender"
