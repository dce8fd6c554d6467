"""What follows a message, who is stopped, who must not be contacted, what comes back: asked of the port."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from storage.acts import Seen
from storage.campaigns import StepSpec
from storage.edits import Edit
from storage.inbox import Returned
from storage.model import DAY, MINUTE, JobState, OutcomeClass
from storage.nouns import RecipientRow
from storage.profiles import KnownProfile
from storage.recipients import ImportSums
from storage.sequences import Following
from storage.suppressions import Entry
from tests.support.stores import Batch, Desk, said

TEXT = StepSpec(text="again")


async def two_steps(desk: Desk, people: int = 2, **more: object) -> Batch:
    """A campaign of two steps whose first messages are due."""
    draft = await desk.draft("letters")
    await desk.store.edit_campaign(draft.id, Edit(steps=(TEXT,)), said())
    await desk.people(draft.id, [f"p{i}" for i in range(people)])
    return await desk.begin_campaign(await desk.load(draft))


async def sent(desk: Desk, n: int = 1) -> list[int]:
    """The next messages of the queue, accepted; their jobs."""
    claim = await desk.claim(room=n)
    for job in claim.jobs:
        await desk.end(job, await desk.intent(job), JobState.COMPLETED, outcome=OutcomeClass.ACCEPTED)
    return [job.id for job in claim.jobs]


def rows(desk: Desk, sql: str, values: tuple[object, ...] = ()) -> list[dict[str, Any]]:
    return desk.look.rows(sql, values)


async def follow(desk: Desk, batch: Batch, job: int, due: int, **more: object) -> int:
    second = (await desk.store.get_steps(batch.id))[1]
    plain = Following(job, second.id, batch.campaign.queue_id, due, 0, f"<next-{job}@example.org>")
    return await desk.store.follow([replace(plain, **more)])  # type: ignore[arg-type]


async def test_a_message_that_is_over_is_dealt_with_once(desk: Desk) -> None:
    batch = await two_steps(desk)
    assert await desk.store.ended() == []
    first, second = await sent(desk, 2)
    assert [one.job_id for one in await desk.store.ended()] == [first, second]
    assert await follow(desk, batch, first, desk.clock() + DAY) == 1
    assert [one.job_id for one in await desk.store.ended()] == [second]
    # Said again, as after a crash between the two: nobody gets the step twice.
    assert await follow(desk, batch, first, desk.clock() + DAY) == 0
    assert await desk.store.recount() == []


async def test_a_campaign_is_not_over_while_something_follows(desk: Desk) -> None:
    batch = await two_steps(desk, 1)
    (job,) = await sent(desk)
    await desk.store.settle()
    assert (await desk.store.get_campaign(batch.id)).state == "active"
    await desk.store.follow([Following(job)])
    await desk.store.settle()
    assert (await desk.store.get_campaign(batch.id)).state == "completed"


async def test_what_waits_for_an_acceptance_goes_on_with_it(desk: Desk) -> None:
    batch = await two_steps(desk, 1)
    await desk.store.suppress([], None, "ada")
    (job,) = await sent(desk)
    await desk.store.follow([Following(job, waits=True)])
    assert await desk.store.ended() == []
    await desk.store.settle()
    assert (await desk.store.get_campaign(batch.id)).state == "active"
    desk.clock.step(22 * DAY)
    (late,) = await desk.store.ended()
    assert late.waits and late.job_id == job


async def test_a_retry_of_the_first_step_brings_the_second_back(desk: Desk) -> None:
    batch = await two_steps(desk, 1)
    (job,) = (await desk.claim()).jobs
    await desk.end(job, await desk.intent(job), JobState.FAILED, outcome=OutcomeClass.PERMANENT)
    await desk.store.follow([Following(job.id)])
    assert await desk.store.ended() == []
    row = desk.job(job.id)
    seen = Seen(row["id"], row["state"], row["lease"])
    await desk.store.retry_jobs([(seen, desk.clock(), 0)], lambda acted: said())
    await sent(desk)
    assert [one.job_id for one in await desk.store.ended()] == [job.id]
    assert batch.id


@pytest.mark.parametrize(
    "entry",
    [
        Entry("address", "p0@example.org"),
        Entry("domain", "example.org"),
        Entry("address", "p0@example.org", scope="letters"),
    ],
    ids=["address", "domain", "list"],
)
async def test_who_is_suppressed_between_claim_and_intent_is_not_sent_to(desk: Desk, entry: Entry) -> None:
    await two_steps(desk, 1)
    (job,) = (await desk.claim()).jobs
    await desk.store.suppress([entry], said(), "ada")
    intent = await desk.ask(job)
    assert intent.attempt_id is None
    assert intent.refused.startswith("recipient")
    assert desk.job(job.id)["state"] == "skipped"
    assert await desk.store.recount() == []


@pytest.mark.parametrize(
    "entry",
    [
        Entry("address", "p1@example.org"), Entry("domain", "example.com"),
        Entry("address", "p0@example.org", scope="another"), Entry("profile", "p0"),
    ],
    ids=["another", "domain", "list", "profile"],
)  # fmt: skip
async def test_a_suppression_of_somebody_else_holds_nobody(desk: Desk, entry: Entry) -> None:
    await two_steps(desk, 1)
    await desk.store.suppress([entry], said(), "ada")
    (job,) = (await desk.claim()).jobs
    assert await desk.intent(job)


async def test_a_suppression_that_is_over_holds_nobody(desk: Desk) -> None:
    await two_steps(desk, 1)
    await desk.store.suppress([Entry("domain", "example.org", expires_at=desk.clock() + MINUTE)], said(), "ada")
    desk.clock.step(MINUTE)
    (job,) = (await desk.claim()).jobs
    assert await desk.intent(job)


async def test_a_suppression_spares_what_is_still_to_come(desk: Desk) -> None:
    batch = await two_steps(desk, 1)
    (job,) = await sent(desk)
    await follow(desk, batch, job, desk.clock() + DAY)
    assert await desk.store.suppress([Entry("address", "p0@example.org")], said(), "ada") == (1, 1)
    assert await desk.store.suppress([Entry("address", "p0@example.org")], said(), "ada") == (0, 0)
    assert await desk.store.recount() == []


@pytest.mark.parametrize(
    ("kind", "state", "stopped"),
    [("bounce", "bounced", "bounced"), ("reply", "completed", "replied"), ("complaint", "completed", "unsubscribed"),
     ("out_of_office", "completed", ""), ("delayed", "completed", "")],
)  # fmt: skip
async def test_what_comes_back_is_taken_in_once(desk: Desk, kind: str, state: str, stopped: str) -> None:
    batch = await two_steps(desk, 1)
    (job,) = await sent(desk)
    await follow(desk, batch, job, desk.clock() + DAY)
    message_id = desk.job(job)["message_id"]
    back = Returned("d1", kind, desk.clock(), message_ids=(message_id,), enhanced="5.1.1")
    (effect,) = await desk.store.take_returned([back])
    assert (effect.job_id, effect.matched_by) == (job, "Message-ID")
    assert desk.job(job)["state"] == state
    (again,) = await desk.store.take_returned([back])
    assert again.effect == "known already"
    jobs = rows(desk, "SELECT state FROM jobs WHERE id <> ?", (job,))
    assert [row["state"] for row in jobs] == (["skipped"] if stopped else ["pending"])
    assert [row["stopped"] for row in rows(desk, "SELECT stopped FROM recipients")] == [stopped]
    assert await desk.store.recount() == []


async def test_what_belongs_to_nobody_is_kept_with_its_bytes(desk: Desk) -> None:
    await two_steps(desk, 1)
    back = Returned("d2", "unparsable", desk.clock(), raw=b"\xff\x00 no mail")
    (effect,) = await desk.store.take_returned([back])
    assert (effect.effect, effect.job_id) == ("kept", None)
    assert [row["raw"] for row in rows(desk, "SELECT raw FROM inbox")] == [b"\xff\x00 no mail"]


@pytest.mark.parametrize(("kind", "suppressed"), [("bounce", 0), ("complaint", 1), ("unsubscribe", 1)])
async def test_a_strangers_bounce_suppresses_nobody_and_a_wish_does(desk: Desk, kind: str, suppressed: int) -> None:
    back = Returned(kind, kind, desk.clock(), addresses=("who@example.net",), suppress="dead")
    (effect,) = await desk.store.take_returned([back])
    assert effect.effect == ("suppressed" if suppressed else "kept")
    assert len(rows(desk, "SELECT 1 FROM suppressions")) == suppressed


async def test_look_ups_keep_their_own_cap_through_a_clock_step(desk: Desk) -> None:
    queue = await desk.store.ensure_queue("linkedin", "unipile")
    begun = desk.clock()
    assert [await desk.store.take_look_up(queue.id, 2, DAY) for _ in range(3)] == [None, None, begun + DAY]
    desk.clock.step(-3 * DAY)
    assert await desk.store.take_look_up(queue.id, 2, DAY) == desk.clock() + DAY
    desk.clock.step(DAY)
    assert await desk.store.take_look_up(queue.id, 2, DAY) is None
    known = KnownProfile("anna", "ACo1", "Anna", "SECOND_DEGREE", "", "", desk.clock())
    await desk.store.keep_profile(queue.id, known)
    assert await desk.store.known_profile(queue.id, "anna") == known
    assert await desk.store.known_profile(queue.id, "ben") is None


async def test_before_an_invitation_in_doubt_is_sent_again_somebody_looks_again(desk: Desk) -> None:
    draft = await desk.draft("invitations")
    import_id = await desk.store.begin_import(draft.id, "people.csv", "", "ada")
    await desk.store.add_recipients(import_id, [RecipientRow(1, "a@example.org", "a@example.org", {}, "anna")])
    await desk.store.finish_import(import_id, ImportSums(1, 1, 0, 0, 0), said())
    await desk.begin_campaign(await desk.load(draft))
    (job,) = (await desk.claim()).jobs
    await desk.end(job, await desk.intent(job), JobState.UNCERTAIN, outcome=OutcomeClass.UNCERTAIN)
    await desk.store.keep_profile(job.queue_id, KnownProfile("anna", "A1", "Anna", "", "", "", desk.clock()))
    await desk.store.keep_profile(job.queue_id, KnownProfile("ben", "B1", "Ben", "", "", "", desk.clock()))
    await desk.store.resolve(job.id, sent=False, event=said())
    anna = await desk.store.known_profile(job.queue_id, "anna")
    ben = await desk.store.known_profile(job.queue_id, "ben")
    assert anna is not None
    assert ben is not None
    assert (anna.checked_at, ben.checked_at) == (0, desk.clock())
