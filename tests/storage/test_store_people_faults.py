"""What an enemy would try with people: old mail, what happens between two commits, edits of what runs, long lists."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storage import inbox, sequences, suppressions
from storage.acts import Seen
from storage.campaigns import StepSpec
from storage.edits import Edit
from storage.errors import RefusedError
from storage.inbox import Returned
from storage.model import DAY, HOUR, JobState, OutcomeClass, PauseReason
from storage.nouns import RecipientRow
from storage.recipients import ImportSums
from storage.restore import restore
from storage.sequences import Ended, Following
from storage.suppressions import Entry
from tests.support.stores import OPERATOR, Batch, Desk, said

PLAIN = StepSpec(text="again")


async def letters(desk: Desk, steps: tuple[StepSpec, ...] = (PLAIN,), people: int = 1, **more: Any) -> Batch:
    """A started campaign of several steps, its first messages due; everybody has a profile as well."""
    draft = await desk.draft("letters", **more)
    await desk.store.edit_campaign(draft.id, Edit(steps=steps), said())
    import_id = await desk.store.begin_import(draft.id, "people.csv", "", "ada")
    rows = [RecipientRow(n, f"p{n}@example.org", f"p{n}@example.org", {}, f"p{n}") for n in range(1, people + 1)]
    await desk.store.add_recipients(import_id, rows)
    sums = ImportSums(people, people, 0, 0, 0)
    await desk.store.finish_import(import_id, sums, said("recipients.imported", campaign_id=draft.id))
    return await desk.begin_campaign(await desk.load(draft))


async def sent(desk: Desk, n: int = 1) -> list[int]:
    """The next messages of the queue, accepted; their jobs."""
    jobs = (await desk.claim(room=n)).jobs
    for job in jobs:
        await desk.send(job, outcome=OutcomeClass.ACCEPTED)
    return [job.id for job in jobs]


async def following(desk: Desk, batch: Batch, one: Ended, **more: Any) -> Following:
    """The second step behind a message, as it was seen."""
    step = (await desk.store.get_steps(batch.id))[1]
    plain = Following(one.job_id, step.id, batch.campaign.queue_id, desk.clock() + DAY, message_id="<next@example.org>")
    return replace(plain, seen=one, **more)


async def pause(desk: Desk, batch: Batch) -> None:
    await desk.store.pause_campaign(batch.id, PauseReason.OPERATOR, "by ada", said())


def second(desk: Desk, batch: Batch) -> list[dict[str, Any]]:
    """The jobs of the second step."""
    return desk.look.rows(
        "SELECT j.* FROM jobs j JOIN steps s ON s.id = j.step_id WHERE j.campaign_id = ? AND s.position = 2",
        (batch.id,),
    )


def person(desk: Desk, job: int) -> dict[str, Any]:
    sql = "SELECT r.* FROM recipients r JOIN jobs j ON j.recipient_id = r.id WHERE j.id = ?"
    return desk.look.rows(sql, (job,))[0]


# what came back before the message left


@pytest.mark.parametrize("kind", ["bounce", "reply"])
async def test_mail_from_before_a_message_is_not_about_it(desk: Desk, kind: str) -> None:
    await letters(desk)
    (job,) = await sent(desk)
    old = Returned("a" * 64, kind, desk.clock() - 2 * DAY, addresses=("p1@example.org",), code=550)
    (effect,) = await desk.store.take_returned([old])
    assert (effect.job_id, desk.state(job), person(desk, job)["stopped"]) == (None, "completed", "")
    new = replace(old, digest="b" * 64, at=desk.clock() + HOUR)
    (effect,) = await desk.store.take_returned([new])
    assert (effect.job_id, effect.matched_by) == (job, "address")


async def test_mail_that_is_read_late_is_about_what_was_sent_before_it(desk: Desk) -> None:
    await letters(desk)
    (job,) = await sent(desk)
    written = desk.clock() + HOUR
    desk.clock.step(40 * DAY)
    bounce = Returned("a" * 64, "bounce", written, addresses=("p1@example.org",), code=550)
    (effect,) = await desk.store.take_returned([bounce])
    assert effect.job_id == job


# between what was read and what is written


async def test_who_accepts_while_it_is_decided_does_not_wait_for_weeks(desk: Desk) -> None:
    batch = await letters(desk)
    await sent(desk)
    (one,) = await desk.store.ended()
    assert await desk.store.note_accepted(desk.queue.id, ["p1"], desk.clock()) == 1
    await desk.store.follow([Following(one.job_id, waits=True, seen=one)])
    (again,) = await desk.store.ended()
    assert again.accepted_at is not None
    assert await desk.store.follow([await following(desk, batch, again)]) == 1


async def test_who_replies_while_it_is_decided_is_asked_about_again(desk: Desk) -> None:
    batch = await letters(desk, (replace(PLAIN, conditions=("no_reply",)),), settings={"stop_on": []})
    (job,) = await sent(desk)
    (one,) = await desk.store.ended()
    reply = Returned("a" * 64, "reply", desk.clock(), message_ids=(desk.job(job)["message_id"],))
    await desk.store.take_returned([reply])
    assert await desk.store.follow([await following(desk, batch, one)]) == 0
    assert second(desk, batch) == []
    (again,) = await desk.store.ended()
    assert again.replied_at is not None


async def test_nothing_follows_in_a_cancelled_campaign(desk: Desk) -> None:
    batch = await letters(desk)
    await sent(desk)
    (one,) = await desk.store.ended()
    await desk.store.cancel_campaign(batch.id, said())
    await desk.store.skip_cancelled(0)
    assert await desk.store.follow([await following(desk, batch, one)]) == 0
    assert second(desk, batch) == []


async def test_a_bounce_takes_back_what_is_only_for_those_without_one(desk: Desk) -> None:
    batch = await letters(desk, (replace(PLAIN, conditions=("no_bounce",)),), settings={"stop_on": ["reply"]})
    (job,) = await sent(desk)
    (one,) = await desk.store.ended()
    assert await desk.store.follow([await following(desk, batch, one)]) == 1
    bounce = Returned("a" * 64, "bounce", desk.clock(), message_ids=(desk.job(job)["message_id"],), code=550)
    await desk.store.take_returned([bounce])
    assert [(row["state"], row["reason"]) for row in second(desk, batch)] == [("skipped", "bounced")]


# edits of what runs


async def test_who_waits_for_an_acceptance_is_asked_again_when_the_steps_change(desk: Desk) -> None:
    batch = await letters(desk, (replace(PLAIN, conditions=("accepted",)),))
    (job,) = await sent(desk)
    await desk.store.follow([Following(job, waits=True)])
    assert await desk.store.ended() == []
    await pause(desk, batch)
    await desk.store.edit_campaign(batch.id, Edit(steps=(PLAIN,)), said())
    [edit] = await desk.store.unfinished_step_edits()
    await desk.store.look_again(edit, 0)
    assert [one.job_id for one in await desk.store.ended()] == [job]


async def test_a_step_put_before_one_that_was_sent_does_not_send_that_one_again(desk: Desk) -> None:
    batch = await letters(desk)
    (job,) = await sent(desk)
    (one,) = await desk.store.ended()
    await desk.store.follow([replace(await following(desk, batch, one), due_at=desk.clock())])
    await desk.store.promote()
    assert len(await sent(desk)) == 1
    await pause(desk, batch)
    between = StepSpec(text="something between")
    with pytest.raises(RefusedError, match="step 2"):
        await desk.store.edit_campaign(batch.id, Edit(steps=(between, PLAIN)), said())
    # New words for it and a further step behind it: that is what they say.
    await desk.store.edit_campaign(batch.id, Edit(steps=(between, StepSpec(text="and another"))), said())
    assert job


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.UNCERTAIN])
async def test_a_message_whose_account_was_taken_away_goes_through_another(desk: Desk, state: JobState) -> None:
    other = await desk.store.ensure_queue("other", "smtp")
    batch = await letters(desk, more_queues=(other.id,))
    (id,) = batch.jobs
    assert await desk.store.reassign(batch.id, desk.queue.id, other.id, [(id, desk.clock(), 0)], said()) == 1
    (job,) = (await desk.claim(queue_id=other.id)).jobs
    await desk.send(job, state)
    await desk.store.follow([Following(job.id)])
    await pause(desk, batch)
    await desk.store.edit_campaign(batch.id, Edit(more_queues=()), said())
    await desk.store.activate_campaign(batch.id, said(), execution="resume")
    if state is JobState.FAILED:
        row = desk.job(job.id)
        await desk.store.retry_jobs([(Seen(job.id, row["state"], row["lease"]), desk.clock(), 0)], lambda n: said())
    else:
        await desk.store.resolve(job.id, sent=False, event=said())
    await desk.store.promote()
    assert [claimed.id for claimed in (await desk.claim()).jobs] == [job.id]
    assert desk.counts("queue", other.id) == {}


# a backup that is older than what was sent


async def test_a_step_that_may_have_left_after_the_backup_is_not_sent_by_itself(desk: Desk, tmp_path: Path) -> None:
    batch = await letters(desk, people=2)
    first, later = await sent(desk, 2)
    backup = tmp_path / "backup.db"
    desk.look.backup(backup)
    one, other = await desk.store.ended()
    due = desk.clock() + 3 * DAY
    await desk.store.follow([await following(desk, batch, one, due_at=due)])
    desk.clock.step(5 * DAY)
    await desk.store.promote()
    assert len(await sent(desk)) == 1
    await desk.store.close()
    desk.path.write_bytes(b"not a database")
    await restore(desk.path, backup, now=desk.clock, actor=OPERATOR)
    desk.look.close()
    desk.look = desk.opener.look(desk.path)
    desk.store = await desk.opener.open(desk.path, desk.clock)
    assert [again.job_id for again in await desk.store.ended()] == [first, later]
    afterwards = desk.clock() + DAY
    assert await desk.store.follow(
        [await following(desk, batch, one, due_at=due), await following(desk, batch, other, due_at=afterwards)]
    ) == 2  # fmt: skip
    await desk.store.promote()
    doubtful, open_one = second(desk, batch)
    assert (doubtful["state"], open_one["state"]) == ("uncertain", "pending")
    assert (await desk.claim()).jobs == ()
    await desk.store.resolve(doubtful["id"], sent=True, event=said())
    assert desk.job(doubtful["id"])["sent_at"] == due


# suppressions


async def test_who_was_stopped_by_a_domain_is_free_again_when_it_is_taken_off(desk: Desk) -> None:
    await letters(desk)
    await desk.store.suppress([Entry("domain", "example.org")], said(), "ada")
    job = await desk.claim_one()
    assert (await desk.ask(job)).refused == "recipient suppressed"
    assert person(desk, job.id)["stopped"] == "suppressed"
    (row,) = desk.look.rows("SELECT id FROM suppressions")
    await desk.store.unsuppress([row["id"]], said())
    assert person(desk, job.id)["stopped"] == ""


# long lists


PLANS = {
    "ended": (f"{sequences._ROWS} LIMIT ?", (1, 1, 500)),
    "late": (f"{sequences._ROWS} AND COALESCE(j.sent_at, j.updated_at) < ? LIMIT ?", (1, 2, 0, 500)),
    "accepted": (sequences._ACCEPTED, ("[]", 1)),
    "suppressed profile": (suppressions._PEOPLE["profile"], ("p", "", "")),
    "suppressed address": (suppressions._PEOPLE["address"], ("a@b.org", "", "")),
    "freed profile": (suppressions._FREE["profile"], {"value": "p", "now": 0}),
    "freed address": (suppressions._FREE["address"], {"value": "p", "now": 0}),
    "profile that came back": (inbox._BY_PROFILE, ("p", "p")),
}


@pytest.mark.parametrize("name", PLANS)
async def test_no_question_reads_all_people_or_messages(desk: Desk, name: str) -> None:
    sql, values = PLANS[name]
    plan = [row["detail"] for row in desk.look.rows(f"EXPLAIN QUERY PLAN {sql}", values)]
    whole = ("SCAN r", "SCAN j ", "SCAN jobs", "SCAN recipients", "SCAN profiles", "SCAN p ")
    assert not [line for line in plan if line.startswith(whole) or line == "SCAN j"], plan
    if name in ("ended", "late"):
        # Messages that are not over, of which there may be as many as people, are never looked at.
        assert any("jobs_follow (campaign_id=? AND follow=? AND state=?)" in line for line in plan), plan
    if name == "accepted":
        assert not [line for line in plan if "PRIMARY KEY (queue_id=?)" in line], plan
