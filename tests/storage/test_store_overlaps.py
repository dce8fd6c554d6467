"""One person in two campaigns: `overlap = "wait"` holds where a message would leave (conformance of any store)."""

from __future__ import annotations

import asyncio

import pytest

from storage.dispatch_nouns import Intent, IntentRequest
from storage.model import DAY, HOUR, JobState
from storage.nouns import ClaimedJob, RecipientRow
from storage.overlaps import AFTER, WAITS
from storage.recipients import ImportSums
from tests.support.stores import Batch, Desk, said

ADA = RecipientRow(1, "ada@example.org", "ada@example.org", {})


async def campaign_to(desk: Desk, name: str, person: RecipientRow = ADA, **more: object) -> Batch:
    draft = await desk.draft(name, **more)
    import_id = await desk.store.begin_import(draft.id, "people.csv", "", "ada")
    await desk.store.add_recipients(import_id, [person])
    await desk.store.finish_import(import_id, ImportSums(1, 1, 0, 0, 0), said("recipients.imported"))
    return await desk.begin_campaign(await desk.load(draft))


async def waiting(desk: Desk, person: RecipientRow = ADA, rule: str = "wait") -> Batch:
    return await campaign_to(desk, "waits", person, settings={"overlap": rule})


async def claimed(desk: Desk, *batches: Batch) -> list[ClaimedJob]:
    """The one job of each campaign, claimed."""
    jobs = {job.campaign_id: job for job in (await desk.claim()).jobs}
    return [jobs[batch.id] for batch in batches]


async def test_what_another_campaign_sent_meanwhile_holds_a_message_for_three_days(desk: Desk) -> None:
    first, mine = await claimed(desk, await campaign_to(desk, "first"), await waiting(desk))
    await desk.send(first)
    desk.clock.step(HOUR)
    assert await desk.ask(mine) == Intent(None, WAITS)
    row = desk.job(mine.id)
    assert (row["state"], row["reason"], row["attempts_log"]) == ("pending", WAITS, [])
    assert row["due_at"] == desk.clock() - HOUR + AFTER
    assert (await desk.claim()).jobs == ()
    desk.clock.step(AFTER - HOUR)
    await desk.store.promote()
    assert await desk.intent(await desk.claim_one())


async def test_two_that_are_asked_in_one_commit_are_not_both_let_go(desk: Desk) -> None:
    mine = await waiting(desk)
    theirs = await campaign_to(desk, "too", settings={"overlap": "wait"})
    answers = await asyncio.gather(*(desk.ask(job) for job in await claimed(desk, theirs, mine)))
    assert sorted(bool(answer.attempt_id) for answer in answers) == [False, True]


async def test_two_that_are_claimed_with_their_intents_are_not_both_let_go(desk: Desk) -> None:
    """Near a server the intent is written in the commit of the claim."""
    batches = [await campaign_to(desk, name, settings={"overlap": "wait"}) for name in ("one", "other")]

    def begin(job: ClaimedJob) -> IntentRequest:
        return IntentRequest(job.id, job.lease, desk.store.epoch, desk.clock())

    claim = await desk.claim(begin=begin)
    assert sorted(job.campaign_id for job in claim.jobs) == [batch.id for batch in batches]
    assert sorted(intent.refused for intent in claim.intents.values()) == ["", WAITS]


@pytest.mark.parametrize("state", [JobState.UNCERTAIN, JobState.COMPLETED])
async def test_what_left_or_may_have_left_holds(desk: Desk, state: JobState) -> None:
    first, mine = await claimed(desk, await campaign_to(desk, "first"), await waiting(desk))
    await desk.send(first, state)
    assert (await desk.ask(mine)).refused == WAITS


async def test_one_in_flight_holds(desk: Desk) -> None:
    first, mine = await claimed(desk, await campaign_to(desk, "first"), await waiting(desk))
    await desk.intent(first)
    assert (await desk.ask(mine)).refused == WAITS


async def test_the_same_profile_is_the_same_person(desk: Desk) -> None:
    there = RecipientRow(1, "a@example.org", "a@example.org", {}, "ada-l")
    here = RecipientRow(1, "b@example.org", "b@example.org", {}, "ada-l")
    first, mine = await claimed(desk, await campaign_to(desk, "first", there), await waiting(desk, here))
    await desk.send(first)
    assert (await desk.ask(mine)).refused == WAITS


async def test_a_message_that_waits_or_failed_elsewhere_holds_nothing(desk: Desk) -> None:
    """Two campaigns that wait for each other's plans would wait for ever."""
    failed, mine = await claimed(desk, await campaign_to(desk, "first"), await waiting(desk))
    await campaign_to(desk, "later")
    await desk.send(failed, JobState.FAILED)
    assert await desk.intent(mine)


@pytest.mark.parametrize("rule", ["allow", "skip"])
async def test_other_rules_are_for_plans_only(desk: Desk, rule: str) -> None:
    first, mine = await claimed(desk, await campaign_to(desk, "first"), await waiting(desk, rule=rule))
    await desk.send(first)
    assert await desk.intent(mine)


async def test_what_left_longer_ago_holds_nothing(desk: Desk) -> None:
    (first,) = await claimed(desk, await campaign_to(desk, "first"))
    await desk.send(first)
    desk.clock.step(4 * DAY)
    (mine,) = await claimed(desk, await waiting(desk))
    assert await desk.intent(mine)
