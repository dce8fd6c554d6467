"""Steps of a campaign that was started, edited on simulated time: what is planned already follows the edit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sequence_world import Rule, SequenceWorld, judge, slow_sequences

from engine.planning.waits import Wait
from storage.errors import StoreError
from storage.model import DAY, HOUR, MINUTE, SECOND
from storage.sqlite import SqliteStore
from tests.support.simulated import SimulatedClock

FAST = {"mode": "steady", "rate": "60/h", "jitter": 0}
AGAIN: dict[str, Any] = {"subject": "Again", "text": "Still there?"}


@pytest.fixture
async def world(tmp_path: Path, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SequenceWorld]:
    async with slow_sequences(tmp_path, clock, monkeypatch) as made:
        yield made


def seconds(world: SequenceWorld) -> list[dict[str, Any]]:
    """The messages of the second step, by person."""
    return world.rows(
        "SELECT j.id, j.state, j.reason, j.due_at, p.sent_at AS began FROM jobs j JOIN steps s ON s.id = j.step_id "
        "AND s.position = 2 JOIN jobs p ON p.recipient_id = j.recipient_id AND p.step_id <> j.step_id ORDER BY j.id"
    )


async def edited(world: SequenceWorld, **step: Any) -> dict[str, Any]:
    """Paused, the second step changed."""
    await world.call("campaign.pause", name="c")
    return await world.call("campaign.edit", name="c", steps=[{**AGAIN, **step}])


@pytest.mark.parametrize(("was", "now", "wait"), [("3d", "1d", DAY), ("1d", "4d", 4 * DAY)])
async def test_another_wait_moves_what_is_planned_already(world: SequenceWorld, was: str, now: str, wait: int) -> None:
    await world.start()
    people = await world.sequence(6, steps=[{**AGAIN, "wait": was}], pacing=FAST)
    await world.clock.run(HOUR)
    result = await edited(world, wait=now)
    assert result["replanned"] == 6
    assert "6 planned messages are due anew" in result["message"]
    assert [job["due_at"] - job["began"] for job in seconds(world)] == [wait] * 6
    await world.call("campaign.resume", name="c")
    await world.finish()
    world.fill(people)
    judge(people, [Rule(Wait(wait))])
    assert all(len(one.got) == 2 and one.got[1][0] - one.got[0][0] < wait + HOUR for one in people)


async def test_what_was_sent_stays_and_another_text_alone_moves_nothing(world: SequenceWorld) -> None:
    await world.start()
    people = await world.sequence(4, steps=[{**AGAIN, "wait": "10m"}], pacing={**FAST, "rate": "2/h"})
    await world.clock.run(105 * MINUTE)
    before = seconds(world)
    assert {job["state"] for job in before} == {"completed", "pending"}
    assert (await edited(world, wait="10m", text="Other words"))["replanned"] == 0
    assert seconds(world) == before
    moved = await world.call("campaign.edit", name="c", steps=[{**AGAIN, "wait": "2d"}])
    assert moved["replanned"] == sum(job["state"] == "pending" for job in before)
    assert [job for job in seconds(world) if job["state"] == "completed"] == [
        job for job in before if job["state"] == "completed"
    ]
    await world.call("campaign.resume", name="c")
    await world.finish()
    world.fill(people)
    assert all(len(one.got) == 2 for one in people)


async def test_a_condition_that_does_not_hold_for_somebody_leaves_them_out(world: SequenceWorld) -> None:
    await world.start()
    people = await world.sequence(5, steps=[{**AGAIN, "wait": "2d"}], settings={"stop_on": []}, pacing=FAST)
    await world.clock.run(HOUR)
    await world.replies(people[1])
    await world.bounces(people[2])
    result = await edited(world, wait="2d", conditions=["no_reply", "no_bounce"])
    assert (result["replanned"], result["left_out"]) == (0, 2)
    assert "2 will not be sent" in result["message"]
    assert sorted(job["reason"] for job in seconds(world) if job["state"] == "skipped") == ["bounced", "replied"]
    await world.call("campaign.resume", name="c")
    await world.finish()
    world.fill(people)
    assert [len(one.got) for one in people] == [2, 1, 1, 2, 2]


async def test_an_acceptance_that_is_asked_for_now_is_waited_for(world: SequenceWorld) -> None:
    world.accounts = {"one": {"channel": "unipile"}, "mail": {}}
    await world.start()
    mail = {**AGAIN, "channel": "smtp", "wait": "1d"}
    invite = {"subject": "", "also": ["mail"], "pacing": {"preset": "linkedin_paid"}}
    people = await world.sequence(3, steps=[mail], **invite)
    await world.clock.run(DAY // 2)
    assert [job["state"] for job in seconds(world)] == ["pending"] * 3
    await world.accepts(people[0], "one")
    await world.call("campaign.pause", name="c")
    result = await world.call("campaign.edit", name="c", steps=[{**mail, "wait": "2d", "conditions": ["accepted"]}])
    assert (result["replanned"], result["waiting"]) == (1, 2)
    assert "2 wait for the invitation to be accepted" in result["message"]
    await world.call("campaign.resume", name="c")
    await world.clock.run(3 * DAY)
    await world.accepts(people[1], "one")
    await world.finish()
    world.fill(people)
    judge(people, [Rule(Wait(2 * DAY), accepted=True)])
    assert [len(one.got) for one in people] == [2, 2, 1]


async def test_an_edit_that_was_cut_short_is_brought_to_its_end_by_the_next_engine(
    world: SequenceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.start()
    people = await world.sequence(6, steps=[{**AGAIN, "wait": "3d"}], pacing=FAST)
    await world.clock.run(HOUR)

    async def cut(*given: Any) -> Any:
        raise StoreError("cut", hint="")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "look_again", cut)
        with pytest.raises(StoreError):
            await edited(world, wait="1d")
    assert {job["due_at"] - job["began"] for job in seconds(world)} == {3 * DAY}
    await world.cut()
    await world.start()
    await world.clock.run(SECOND)
    assert {job["due_at"] - job["began"] for job in seconds(world)} == {DAY}
    await world.call("campaign.resume", name="c")
    await world.finish()
    world.fill(people)
    judge(people, [Rule(Wait(DAY))])


async def test_a_message_that_waits_for_approval_is_due_anew_and_still_waits(world: SequenceWorld) -> None:
    """Its own text, if somebody wrote one, stays with it."""
    await world.start()
    await world.sequence(1, steps=[{**AGAIN, "wait": "3d"}], pacing=FAST, approval="message")
    await world.call("approval.approve", ids=[job["id"] for job in world.jobs("c")])
    await world.clock.run(HOUR)
    [planned] = seconds(world)
    assert (planned["state"], planned["reason"]) == ("held", "approval")
    await world.call("approval.edit", job=planned["id"], subject="For you", text="Only for you")
    assert (await edited(world, wait="1d"))["replanned"] == 1
    [moved] = seconds(world)
    assert (moved["id"], moved["state"], moved["reason"]) == (planned["id"], "held", "approval")
    assert moved["due_at"] == moved["began"] + DAY
    await world.call("campaign.resume", name="c")
    await world.call("approval.approve", ids=[moved["id"]])
    await world.finish()
    assert b"Only for you" in world.scripted("one").deliveries[-1].content
    assert world.scripted("one").deliveries[-1].at >= moved["due_at"]
