"""One person changed by hand (conformance of any store): compared, refused where the books would not stay true."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage.errors import NotFoundError, RefusedError, UsageError
from storage.model import JobState
from storage.person_edit import Person
from tests.support.stores import Batch, Desk, said

NEW = "right@example.org"


async def person(desk: Desk, batch: Batch, n: int = 0) -> Person:
    return await desk.store.get_person(batch.id, f"spring-{n}@example.org")


def readdressed(who: Person, address: str = NEW) -> Person:
    return replace(who, address=address, key=address.lower())


async def test_a_failed_message_gets_another_address_and_keeps_its_message_id(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED)
    was = desk.job(batch.jobs[0])
    who = await person(desk, batch)
    changed = await desk.store.edit_person(who, readdressed(who), said("recipients.edited"))
    now = desk.job(batch.jobs[0])
    assert (now["address"], now["message_id"], now["state"]) == (NEW, was["message_id"], "failed")
    assert [(job.id, job.state, job.lease) for job in changed.retryable] == [(now["id"], "failed", now["lease"])]
    event = desk.look.events()[-1]
    assert (event["kind"], event["campaign_id"], event["job_id"], event["n"]) == (
        "recipients.edited", batch.id, now["id"], 1,
    )  # fmt: skip
    with pytest.raises(NotFoundError):
        await person(desk, batch)


@pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.UNCERTAIN])
async def test_what_was_sent_or_may_have_been_keeps_its_address_and_fields(desk: Desk, state: JobState) -> None:
    batch = await desk.settled_campaign(state)
    who = await person(desk, batch)
    with pytest.raises(RefusedError, match="or may have been: its address does not change"):
        await desk.store.edit_person(who, readdressed(who), said())
    with pytest.raises(RefusedError, match="nothing is still to be sent"):
        await desk.store.edit_person(who, replace(who, fields={"n": "2"}), said())
    assert await person(desk, batch) == who


async def test_a_message_that_once_was_uncertain_keeps_its_address_but_not_its_fields(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.UNCERTAIN)
    await desk.store.resolve(batch.jobs[0], sent=False, event=said("job.resolved"))
    await desk.store.promote()
    await desk.send(await desk.claim_one(), JobState.FAILED)
    who = await person(desk, batch)
    with pytest.raises(RefusedError, match="or may have been"):
        await desk.store.edit_person(who, readdressed(who), said())
    await desk.store.edit_person(who, replace(who, fields={"n": "2"}), said())
    assert (await person(desk, batch)).fields == {"n": "2"}


async def test_nothing_of_a_person_changes_while_a_message_is_in_flight(desk: Desk) -> None:
    batch = await desk.campaign(1)
    who = await person(desk, batch)
    job = await desk.claim_one()
    for after in (readdressed(who), replace(who, fields={})):
        with pytest.raises(RefusedError, match=f"job {job.id} for spring-0@example.org is in flight"):
            await desk.store.edit_person(who, after, said())
    await desk.send(job)
    assert await person(desk, batch) == who


async def test_a_waiting_message_is_claimed_with_what_was_changed(desk: Desk) -> None:
    batch = await desk.campaign(1)
    who = await person(desk, batch)
    await desk.store.edit_person(who, replace(readdressed(who), fields={"n": "x"}), said())
    job = await desk.claim_one()
    assert (job.address, job.fields) == (NEW, '{"n": "x"}')
    await desk.send(job)


async def test_an_address_belongs_to_one_person_of_a_campaign(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED, 2)
    who = await person(desk, batch)
    with pytest.raises(UsageError, match="already a recipient"):
        await desk.store.edit_person(who, readdressed(who, "Spring-1@example.org"), said())
    # The same address in other letters is the same person.
    await desk.store.edit_person(who, readdressed(who, "SPRING-0@example.org"), said())
    assert (await person(desk, batch)).address == "SPRING-0@example.org"


async def test_somebody_changed_meanwhile_is_not_changed_again_unseen(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED)
    who = await person(desk, batch)
    await desk.store.edit_person(who, replace(who, fields={"n": "1"}), said())
    with pytest.raises(RefusedError, match="changed meanwhile"):
        await desk.store.edit_person(who, replace(who, fields={"n": "2"}), said())
    assert (await person(desk, batch)).fields == {"n": "1"}


async def test_a_cancelled_campaign_is_left_as_it_is(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.store.cancel_campaign(batch.id, said("campaign.cancelled"))
    who = await person(desk, batch)
    with pytest.raises(RefusedError, match="is cancelled"):
        await desk.store.edit_person(who, readdressed(who), said())


async def test_nothing_changed_writes_no_event(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED)
    who = await person(desk, batch)
    before = len(desk.look.events())
    await desk.store.edit_person(who, who, said())
    assert len(desk.look.events()) == before
