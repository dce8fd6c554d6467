"""Which jobs a person means by a campaign, a reason or ids, fixed at the moment of asking."""

from __future__ import annotations

import pytest

from storage import fixed_set
from storage.acts import Seen
from storage.fixed_set import UNCERTAIN, Act, FixedSet, of_campaign, of_ids, of_reason
from storage.jobs_page import Count
from storage.model import JobState, OutcomeClass
from tests.support.stores import Desk, said


def ids(fixed: FixedSet) -> list[int]:
    return list(fixed.jobs.ids)


async def test_a_campaign_s_retry_means_its_own_failed_messages(desk: Desk) -> None:
    mine = await desk.settled_campaign(JobState.FAILED, 2, name="mine")
    await desk.settled_campaign(JobState.FAILED, name="other")
    fixed = of_campaign(desk.look, mine.id, ())
    assert (ids(fixed), fixed.taken, fixed.campaigns) == (mine.jobs, {"failed": 2}, {mine.id: 2})


async def test_an_uncertain_message_is_never_meant_in_bulk(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.UNCERTAIN)
    for fixed in (of_campaign(desk.look, batch.id, ()), of_reason(desk.look, "why uncertain")):
        assert (ids(fixed), fixed.left) == ([], {UNCERTAIN: Count(1)})


async def test_held_messages_are_meant_and_never_those_that_await_approval(desk: Desk) -> None:
    held = await desk.campaign(1, name="held", held="field")
    approval = await desk.campaign(1, name="approval", held="approval")
    assert ids(of_campaign(desk.look, held.id, ("transient",))) == held.jobs
    fixed = of_campaign(desk.look, approval.id, ())
    assert (ids(fixed), fixed.left) == ([], {"held for approval": Count(1)})


async def test_what_is_being_cancelled_is_not_meant(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.store.cancel_jobs([Seen(id) for id in batch.jobs], lambda n: said(n=n))
    fixed = of_campaign(desk.look, batch.id, ())
    assert (ids(fixed), fixed.left) == ([], {"being cancelled": Count(1)})


async def test_a_set_by_ids_holds_these_only_as_they_stand(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED, 3)
    fixed = of_ids(desk.look, Act.RETRY, [*batch.jobs[:2], 999_999])
    rows = [desk.job(id) for id in batch.jobs[:2]]
    assert fixed.jobs.part(0, 10) == [(row["id"], "failed", row["lease"]) for row in rows]
    assert fixed.left == {"not there": Count(1)}


async def test_a_retry_by_reason_means_that_reason_only_in_one_campaign_or_in_all(desk: Desk) -> None:
    one = await desk.settled_campaign(JobState.FAILED, name="one")
    two = await desk.campaign(2, name="two")
    jobs = (await desk.claim()).jobs
    await desk.send(jobs[0], JobState.FAILED, error_key="why failed")
    await desk.send(jobs[1], JobState.FAILED, error_key="no such user")
    assert sorted(ids(of_reason(desk.look, "why failed"))) == [*one.jobs, two.jobs[0]]
    assert ids(of_reason(desk.look, "why failed", two.id)) == two.jobs[:1]
    assert ids(of_reason(desk.look, "none")) == []


async def test_a_retry_by_class_means_these_outcomes_and_what_is_held(desk: Desk) -> None:
    batch = await desk.campaign(3)
    jobs = (await desk.claim()).jobs
    await desk.send(jobs[0], JobState.FAILED, outcome=OutcomeClass.TRANSIENT)
    await desk.send(jobs[1], JobState.FAILED, outcome=OutcomeClass.PERMANENT)
    await desk.send(jobs[2], JobState.HELD)
    fixed = of_campaign(desk.look, batch.id, ("transient",))
    assert (sorted(ids(fixed)), fixed.left) == ([batch.jobs[0], batch.jobs[2]], {"refused for good": Count(1)})


async def test_a_set_is_read_in_pages(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixed_set, "_PAGE", 2)
    monkeypatch.setattr(fixed_set, "SLICE", 2)
    batch = await desk.settled_campaign(JobState.FAILED, 5)
    fixed = of_campaign(desk.look, batch.id, ())
    assert ids(fixed) == batch.jobs
    assert [id for id, _, _ in fixed.jobs.part(3, 5)] == batch.jobs[3:]
