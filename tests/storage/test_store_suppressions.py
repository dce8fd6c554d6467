"""Who must not be contacted is not contacted: at the plan, between claim and intent, and after an answer (conformance
of any store)."""

from __future__ import annotations

from typing import Any

import pytest

from storage.filter_languages import SUPPRESSIONS
from storage.filters import parse
from storage.model import DAY, HOUR, JobState, OutcomeClass
from storage.nouns import ClaimedJob
from storage.suppression_pages import SuppressionQuery, count, every, left_out, page, refused, standing
from storage.suppressions import SLICE, Entry
from tests.support.stores import Batch, Desk, said


async def suppress(desk: Desk, value: str, kind: str = "address", **more: Any) -> tuple[int, int]:
    event = said("suppression.added")
    return await desk.store.suppress([Entry(kind, value, **more)], event, "ada")


async def claimed(desk: Desk, **more: Any) -> ClaimedJob:
    """One job of `spring`, between its claim and its intent."""
    await desk.campaign(1, **more)
    return await desk.claim_one()


async def asked(desk: Desk, job: ClaimedJob) -> tuple[str, str, str]:
    """What the gate says, and what becomes of the job: (refusal, state, reason)."""
    refusal = (await desk.ask(job)).refused
    row = desk.job(job.id)
    return refusal, row["state"], row["reason"]


LET_GO = ("", "processing", "")
STOPPED = ("recipient suppressed", "skipped", "suppressed")


async def test_an_address_that_is_suppressed_after_the_claim_is_not_written_to(desk: Desk) -> None:
    job = await claimed(desk)
    assert await suppress(desk, "spring-0@example.org") == (1, 0)
    assert await asked(desk, job) == STOPPED
    assert desk.attempts(job.id) == []


async def test_a_domain_is_stopped_at_the_gate(desk: Desk) -> None:
    job = await claimed(desk)
    await suppress(desk, "example.org", "domain")
    assert desk.state(job.id) == "processing"
    assert await asked(desk, job) == STOPPED


async def test_another_domain_of_which_the_name_is_a_part_is_not_meant(desk: Desk) -> None:
    job = await claimed(desk)
    await suppress(desk, "ample.org", "domain")
    await suppress(desk, "sub.example.org", "domain")
    assert await asked(desk, job) == LET_GO


async def test_a_list_s_entry_holds_for_campaigns_of_this_list_alone(desk: Desk) -> None:
    await suppress(desk, "example.org", "domain", scope="news")
    free = await claimed(desk, list="offers")
    assert await asked(desk, free) == LET_GO
    await desk.campaign(1, name="second", list="news")
    assert await asked(desk, await desk.claim_one()) == STOPPED


async def test_a_campaign_without_a_list_is_a_list_of_its_own_name(desk: Desk) -> None:
    await suppress(desk, "example.org", "domain", scope="spring")
    assert await asked(desk, await claimed(desk)) == STOPPED


async def test_an_entry_holds_until_its_time_and_no_longer(desk: Desk) -> None:
    await suppress(desk, "example.org", "domain", expires_at=desk.clock() + HOUR)
    assert await asked(desk, await claimed(desk)) == STOPPED
    desk.clock.step(HOUR)
    await desk.campaign(1, name="second")
    assert await asked(desk, await desk.claim_one()) == LET_GO


async def test_open_messages_of_an_address_are_skipped_in_every_campaign_at_once(desk: Desk) -> None:
    first = await desk.campaign(2, dues=[desk.clock() + HOUR] * 2)
    second = await desk.draft("second")
    await desk.people(second.id, ["spring-1"])
    other = await desk.begin_campaign(await desk.load(second, held="company"))
    assert await suppress(desk, "spring-1@example.org", reason="unsubscribed") == (1, 2)
    assert [desk.state(job) for job in (*first.jobs, *other.jobs)] == ["pending", "skipped", "skipped"]
    assert desk.job(other.jobs[0])["reason"] == "unsubscribed"


async def test_a_list_s_entry_stops_its_own_people_only(desk: Desk) -> None:
    first = await desk.campaign(1, list="news")
    second = await desk.draft("second")
    await desk.people(second.id, ["spring-0"])
    other = await desk.begin_campaign(await desk.load(second))
    await suppress(desk, "spring-0@example.org", scope="news")
    assert [desk.state(job) for job in (*first.jobs, *other.jobs)] == ["skipped", "pending"]


async def test_a_plan_leaves_out_whoever_is_suppressed_in_slices(desk: Desk) -> None:
    draft = await desk.draft()
    await desk.people(draft.id, ["a", "b", "c"])
    await suppress(desk, "example.org", "domain", scope="other")
    await suppress(desk, "b@example.org", expires_at=desk.clock() + HOUR)
    desk.clock.step(DAY)
    assert await desk.store.stop_suppressed(draft.id, 0) == (0, 3), "that one is over"
    await suppress(desk, "example.org", "domain", scope="spring")
    assert left_out(desk.look, draft.id, desk.clock())[0]["reason"] == "manual"
    assert await desk.store.stop_suppressed(draft.id, 0) == (3, 3)
    assert SLICE > 3
    assert (await desk.load(draft)).jobs == []


async def test_what_stands_already_is_made_no_weaker(desk: Desk) -> None:
    await suppress(desk, "ana@example.org", reason="unsubscribed")
    assert await suppress(desk, "ana@example.org", reason="dead", expires_at=desk.clock() + DAY) == (0, 0)
    (row,) = standing(desk.look, "ana@example.org", "", None, desk.clock())
    assert (row["reason"], row["expires_at"]) == ("unsubscribed", None)


async def test_taken_off_the_list_a_person_is_free_but_what_was_skipped_stays_so(desk: Desk) -> None:
    batch = await desk.campaign(1, dues=[desk.clock() + HOUR])
    draft = await desk.draft("later")
    await desk.people(draft.id, ["spring-0"])
    await suppress(desk, "spring-0@example.org")
    await suppress(desk, "spring-0@example.org", scope="later")
    (everywhere, later) = [row["id"] for row in reversed(page(desk.look, SuppressionQuery())[0])]
    await desk.store.unsuppress([everywhere], said("suppression.removed"))
    assert await desk.store.unplanned(draft.id, 1, 0) == [], "its list still names it"
    await desk.store.unsuppress([later], said("suppression.removed"))
    assert len(await desk.store.unplanned(draft.id, 1, 0)) == 1
    assert desk.state(batch.jobs[0]) == "skipped"


@pytest.mark.parametrize(("reason", "lasts"), [("dead", 0), ("disabled", 90 * DAY)])
async def test_an_answer_suppresses_its_address_with_the_outcome(desk: Desk, reason: str, lasts: int) -> None:
    batch = await answered(desk, "spring", suppress=reason, suppress_for=lasts)
    (row,) = standing(desk.look, "ada@example.org", "", None, desk.clock())
    until = desk.clock() + lasts if lasts else None
    assert (row["reason"], row["expires_at"], row["job_id"]) == (reason, until, batch.jobs[0])
    assert row["note"] == "550 no such user"
    event = desk.look.events(limit=1)[0]
    assert (event["kind"], event["job_id"]) == ("suppression.added", batch.jobs[0])


async def test_a_full_mailbox_is_suppressed_at_the_third_message_within_thirty_days(desk: Desk) -> None:
    full = {"suppress": "full", "error_key": "552 5.2.2 mailbox full"}
    for name, after in (("one", 0), ("two", 31 * DAY), ("three", DAY)):
        desk.clock.step(after)
        await answered(desk, name, **full)
        assert standing(desk.look, "ada@example.org", "", None, desk.clock()) == []
    desk.clock.step(DAY)
    await answered(desk, "four", **full)
    assert [row["reason"] for row in standing(desk.look, "ada@example.org", "", None, desk.clock())] == ["full"]


async def answered(desk: Desk, name: str, **finish: Any) -> Batch:
    """A campaign of its own to ada, whose message failed for good."""
    draft = await desk.draft(name)
    await desk.people(draft.id, ["ada"])
    batch = await desk.begin_campaign(await desk.load(draft))
    job = await desk.claim_one()
    more = {"outcome": OutcomeClass.PERMANENT, "reply": "550 no such user", "error_key": "550 user unknown", **finish}
    await desk.send(job, JobState.FAILED, **more)
    return batch


async def test_who_may_not_enter_a_campaign_is_told_with_the_entry_that_says_so(desk: Desk) -> None:
    draft = await desk.draft(list="news")
    await suppress(desk, "ana@example.org", scope="news", note="asked by phone")
    await suppress(desk, "example.com", "domain", scope="other")
    await suppress(desk, "ana-lopez", "profile")
    people = [(2, "ana@example.org", ""), (3, "bo@example.com", ""), (4, "cy@example.net", "ana-lopez")]
    found = refused(desk.look, draft.id, people, desk.clock())
    assert {number: (row["kind"], row["note"]) for number, row in found.items()} == {
        2: ("address", "asked by phone"), 4: ("profile", ""),
    }  # fmt: skip


async def test_the_list_is_read_in_pages_and_narrowed(desk: Desk) -> None:
    for n in range(7):
        await suppress(desk, f"p{n}@example.org", reason="dead" if n % 2 else "manual")
    first, more = page(desk.look, SuppressionQuery(), limit=3)
    rest, last = page(desk.look, SuppressionQuery(), before=first[-1]["id"], limit=10)
    assert [row["value"][1] for row in (*first, *rest)] == list("6543210")
    assert (more, last) == (True, False)
    dead = SuppressionQuery(parse("reason:dead -value:p5*", SUPPRESSIONS), desk.clock())
    assert [row["value"][1] for row in every(desk.look, dead)] == ["3", "1"]
    assert str(count(desk.look, dead)) == "2"
    await suppress(desk, "old@example.org", expires_at=desk.clock() + 1)
    desk.clock.step(HOUR)
    over = SuppressionQuery(parse("state:expired", SUPPRESSIONS), desk.clock())
    assert [row["value"] for row in every(desk.look, over)] == ["old@example.org"]
