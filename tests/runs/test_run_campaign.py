"""A campaign from start to its end, and what a start answers."""

from __future__ import annotations

import asyncio

import pytest
from run_world import World

from storage.errors import RefusedError, UsageError
from storage.model import HOUR, MINUTE, SECOND
from tests.support.scripted import GREYLISTED, NO_SUCH_USER


async def test_a_campaign_completes_and_its_counts_equal_the_ledger(world: World) -> None:
    await world.start()
    await world.campaign(people=23)
    await world.finish()
    assert world.state() == "completed"
    assert world.counts() == {"completed": 23}
    assert len(world.channel.deliveries) == 23
    assert world.channel.twice == []


async def test_every_attempt_of_a_message_carries_the_same_message_id(world: World) -> None:
    people = [f"g{i}@example.org" for i in range(4)]
    world.channel.script = {person: [GREYLISTED, GREYLISTED] for person in people}
    await world.start()
    await world.campaign(people=people)
    await world.finish()
    assert {len(ids) for ids in world.channel.ids.values()} == {1}
    assert len({next(iter(ids)) for ids in world.channel.ids.values()}) == 4
    assert {delivery.recipient: delivery.message_id for delivery in world.channel.deliveries} == {
        job["address"]: job["message_id"] for job in world.jobs()
    }
    assert len(world.attempts(people[0])) == 3


async def test_start_answers_with_the_count_and_the_first_and_last_due_time(world: World) -> None:
    await world.start()
    pacing = {"mode": "steady", "rate": "60/min", "jitter": 0}
    started = await world.campaign(people=20, pacing=pacing)
    now = world.clock.now()
    assert (started["queued"], started["held"], started["state"]) == (20, 0, "active")
    assert (started["first_due"], started["last_due"]) == (now + SECOND, now + 20 * SECOND)
    assert started["estimated_completion"] >= started["last_due"]
    await world.finish()
    assert world.channel.starts == [now + (i + 1) * SECOND for i in range(20)]


async def test_a_start_may_name_a_later_time(world: World) -> None:
    await world.start()
    at = world.clock.now() + 90 * MINUTE
    await world.campaign(people=3, start=False)
    assert (await world.call("campaign.start", name="c", at=at))["first_due"] == at
    assert world.state() == "active"
    await world.finish()
    assert min(world.channel.starts) == at


async def test_a_dry_start_changes_nothing(world: World) -> None:
    await world.start()
    await world.campaign(people=3, start=False)
    assert (await world.call("campaign.start", name="c", dry_run=True))["queued"] == 3
    assert (world.state(), world.counts()) == ("draft", {})


async def test_one_message_is_told_as_one(world: World) -> None:
    await world.start()
    await world.campaign(people=1, start=False)
    dry = (await world.call("campaign.start", name="c", dry_run=True))["message"]
    started = (await world.call("campaign.start", name="c", at=world.clock.now() + HOUR))["message"]
    tuned = await world.call("campaign.tune", name="c", window={"hours": "daily 08:00-18:00", "zone": "UTC"})
    assert dry.startswith("1 message would be scheduled")
    assert started.startswith("Campaign queued: 1 message scheduled")
    assert tuned["message"].endswith("; 1 message planned anew")


async def test_starting_twice_sends_nobody_a_second_message(world: World) -> None:
    await world.start()
    await world.campaign(people=7)
    again = await world.call("campaign.start", name="c")
    assert (again["queued"], again["empty"]) == (0, True)
    await world.finish()
    await world.start()
    assert (await world.call("campaign.start", name="c"))["queued"] == 0
    assert world.state() == "completed"
    assert len(world.channel.deliveries) == 7


async def test_two_starts_at_once_plan_everybody_once(world: World) -> None:
    await world.start()
    await world.campaign(people=1_200, start=False, pacing={"mode": "blast", "concurrency": 5, "batch_delay": "0s"})
    answers = await asyncio.gather(*(world.call("campaign.start", name="c") for _ in range(3)), return_exceptions=True)
    planned = [answer for answer in answers if isinstance(answer, dict)]
    assert all(isinstance(answer, dict | RefusedError) for answer in answers), answers
    assert sum(answer["queued"] for answer in planned) == 1_200
    await world.finish()
    assert world.counts() == {"completed": 1_200}
    assert len(world.channel.accepted) == len(world.channel.deliveries) == 1_200


async def test_a_campaign_without_people_is_refused(world: World) -> None:
    await world.start()
    with pytest.raises(RefusedError, match="nobody to send to"):
        await world.campaign(people=0)
    assert world.state() == "draft"


async def test_people_added_to_a_running_campaign_get_a_batch_of_their_own(world: World) -> None:
    await world.start()
    started = await world.campaign(people=6)
    added = await world.people("c", ["late1@example.org", "late2@example.org"])
    assert added["queued"] == 2
    assert added["batch_id"] != started["batch_id"]
    await world.finish()
    assert world.counts() == {"completed": 8}
    assert world.rows("SELECT total, state FROM batches ORDER BY id") == [
        {"total": 6, "state": "done"},
        {"total": 2, "state": "done"},
    ]


async def test_people_added_to_a_completed_campaign_open_it_again(world: World) -> None:
    await world.start()
    await world.campaign(people=2)
    await world.clock.run(MINUTE)
    assert world.state() == "completed"
    await world.people("c", ["late@example.org"])
    assert world.state() == "active"
    await world.finish()
    assert (world.state(), world.counts()) == ("completed", {"completed": 3})


async def test_people_added_to_a_paused_campaign_wait_for_its_resume(world: World) -> None:
    await world.start()
    await world.campaign(people=2, pacing={"mode": "human", "gap_min": "1m", "gap_max": "2m"})
    await world.call("campaign.pause", name="c")
    await world.people("c", ["late@example.org"])
    await world.clock.run(60 * MINUTE)
    assert world.channel.offers == []
    await world.call("campaign.resume", name="c")
    await world.finish()
    assert world.counts() == {"completed": 3}


async def test_completed_and_failed_add_up_and_the_execution_says_so(world: World) -> None:
    world.channel.script = {"c00003@example.org": [NO_SUCH_USER]}
    await world.start()
    await world.campaign(people=5)
    await world.finish()
    assert world.counts() == {"completed": 4, "failed": 1}
    execution = world.rows("SELECT kind, state, queued, sent, failed FROM executions")
    assert execution == [{"kind": "start", "state": "done", "queued": 5, "sent": 4, "failed": 1}]


async def test_an_action_asked_for_an_older_version_is_refused(world: World) -> None:
    await world.start()
    await world.campaign(people=5)
    seen = world.row()["version"]
    await world.call("campaign.pause", name="c", version=seen)
    with pytest.raises(RefusedError, match="changed meanwhile"):
        await world.call("campaign.cancel", name="c", version=seen)
    assert world.state() == "paused"


async def test_unknown_actions_and_arguments_are_usage_errors(world: World) -> None:
    await world.start()
    with pytest.raises(UsageError, match="there is no action"):
        await world.call("campaign.destroy", name="c")
    with pytest.raises(UsageError, match="nmae"):
        await world.call("campaign.pause", nmae="c")
