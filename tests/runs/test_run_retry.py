"""Retries asked for by people: a new budget, paced like everything else; what is held and why."""

from __future__ import annotations

from typing import Any

import pytest
from run_world import World

from storage.errors import RefusedError
from storage.model import HOUR, MINUTE, SECOND
from tests.support.scripted import GREYLISTED, NO_SUCH_USER, Reply

HUMAN: dict[str, Any] = {"mode": "human", "gap_min": "15m", "gap_max": "20m"}
ONE_TRY = {"retry": {"max_tries": 1}}


async def failed_campaign(world: World, **more: Any) -> None:
    """Six people: two failed for a passing reason, two for good, two were sent to."""
    world.channel.script = {
        "c00000@example.org": [GREYLISTED],
        "c00001@example.org": [GREYLISTED],
        "c00002@example.org": [NO_SUCH_USER],
        "c00003@example.org": [NO_SUCH_USER],
    }
    await world.start(**ONE_TRY, concurrency=1)
    await world.campaign(people=6, concurrency=1, **more)
    await world.clock.until(lambda: world.state() == "completed")
    assert world.counts() == {"completed": 2, "failed": 4}


async def test_retry_takes_what_failed_for_a_passing_reason(world: World) -> None:
    await failed_campaign(world)
    answer = await world.retry("c")
    assert (answer["done"], world.state()) == (2, "active")
    await world.finish()
    assert world.counts() == {"completed": 4, "failed": 2}
    assert world.channel.twice == []


async def test_retry_all_takes_everybody_who_failed(world: World) -> None:
    await failed_campaign(world)
    assert (await world.retry("c", which="all"))["done"] == 4
    await world.finish()
    assert world.counts() == {"completed": 6}
    assert world.channel.twice == []


async def test_retry_of_a_reason_takes_its_group_alone(world: World) -> None:
    await failed_campaign(world)
    key = world.job("c00002@example.org")["error_key"]
    answer = await world.retry(error_key=key)
    assert (answer["done"], answer["campaigns"]) == (2, ["c"])
    await world.finish()
    assert world.counts() == {"completed": 4, "failed": 2}
    assert {world.job(f"c0000{i}@example.org")["state"] for i in (0, 1)} == {"failed"}


async def test_retry_of_ids_says_which_could_not_be(world: World) -> None:
    await failed_campaign(world)
    ids = [world.job("c00000@example.org")["id"], world.job("c00005@example.org")["id"]]
    answer = await world.call("job.retry", ids=ids)
    assert (answer["done"], answer["refused"]) == (1, 1)
    await world.finish()
    assert world.counts() == {"completed": 3, "failed": 3}


async def test_a_retry_is_noted_as_one_run_of_whom_asked_for_it(world: World) -> None:
    await failed_campaign(world)
    await world.retry("c", which="all")
    runs = world.rows("SELECT kind, queued, actor FROM executions ORDER BY id")
    assert [(row["kind"], row["queued"], row["actor"]) for row in runs] == [("start", 6, "ana"), ("retry", 4, "ana")]


async def test_a_retry_is_paced_with_its_first_gap(world: World) -> None:
    await failed_campaign(world, pacing=HUMAN)
    asked = world.clock.now()
    await world.retry("c", which="all")
    await world.finish()
    retried = [at for at in world.channel.starts if at > asked]
    assert len(retried) == 4
    assert retried[0] - asked >= 15 * MINUTE
    assert min(world.channel.gaps()) >= 15 * MINUTE


async def test_a_retry_may_be_spread_over_a_time(world: World) -> None:
    await failed_campaign(world)
    asked = world.clock.now()
    await world.retry("c", which="all", spread=4 * HOUR)
    assert sorted(job["due_at"] - asked for job in world.jobs() if job["state"] == "pending") == [
        0,
        HOUR,
        2 * HOUR,
        3 * HOUR,
    ]
    await world.finish()
    assert world.counts() == {"completed": 6}


async def test_a_retry_grants_a_new_budget(world: World) -> None:
    world.channel.answer = lambda message: GREYLISTED
    await world.start(retry={"max_tries": 2, "delays": ["5m"]})
    await world.campaign(people=1)
    await world.clock.until(lambda: world.state() == "completed")
    assert len(world.attempts("c00000@example.org")) == 2
    await world.retry("c")
    await world.finish()
    assert [row["number"] for row in world.attempts("c00000@example.org")] == [1, 2, 3, 4]
    assert (world.job("c00000@example.org")["tries"], world.counts()) == (2, {"failed": 1})


async def test_a_retry_in_a_paused_campaign_waits_for_its_resume(world: World) -> None:
    world.channel.script = {"c00000@example.org": [NO_SUCH_USER]}
    await world.start()
    await world.campaign(people=3, pacing=HUMAN)
    await world.clock.until(lambda: "failed" in world.counts())
    await world.call("campaign.pause", name="c")
    answer = await world.retry("c", which="all")
    assert answer["message"] == "1 will be tried again; c is paused: they wait for its resume"
    await world.clock.run(HOUR)
    assert (world.state(), world.counts()) == ("paused", {"pending": 3})
    await world.call("campaign.resume", name="c")
    await world.finish()
    assert world.counts() == {"completed": 3}


async def test_nothing_of_a_cancelled_campaign_is_retried(world: World) -> None:
    world.channel.script = {"c00000@example.org": [NO_SUCH_USER]}
    await world.start(concurrency=1)
    await world.campaign(people=3, concurrency=1, pacing=HUMAN)
    await world.clock.until(lambda: "failed" in world.counts())
    await world.call("campaign.cancel", name="c")
    await world.clock.run(MINUTE)
    key = world.job("c00000@example.org")["error_key"]
    for answer in (await world.retry("c", which="all"), await world.retry(error_key=key)):
        assert (answer["done"], answer["campaigns"]) == (0, [])
        assert [left["why"] for left in answer["left"]] == ["its campaign is cancelled"]
    assert world.counts() == {"failed": 1, "skipped": 2}


async def test_retrying_nothing_says_so_and_leaves_the_campaign_completed(world: World) -> None:
    await world.start()
    await world.campaign(people=2)
    await world.clock.run(MINUTE)
    assert (await world.retry("c", which="all"))["done"] == 0
    answer = await world.call("job.retry", ids=[job["id"] for job in world.jobs()])
    assert (answer["done"], answer["refused"], answer["empty"]) == (0, 2, True)
    assert world.state() == "completed"


async def test_a_message_with_a_missing_field_is_held_with_the_field_s_name(world: World) -> None:
    await world.start()
    await world.campaign(people=0, start=False, text="Hi {{ first_name }} of {{ company }}")
    await world.people("c", ["ada@example.org"], first_name="Ada", company="Analytical")
    await world.people("c", ["bob@example.org"], first_name="Bob")
    await world.call("campaign.live", name="c")
    answer = await world.call("campaign.start", name="c")
    assert (answer["queued"], answer["held"]) == (2, 1)
    await world.finish()
    assert world.counts() == {"completed": 1, "held": 1}
    held = world.job("bob@example.org")
    assert held["reason"] == "field" and "company" in held["last_error"]
    assert world.state() == "active"


async def test_a_retry_of_a_message_that_still_lacks_its_field_holds_it_again(world: World) -> None:
    await world.start()
    await world.campaign(people=2, text="Hi {{ first_name }}")
    assert (await world.retry("c"))["done"] == 2
    await world.finish()
    assert world.counts() == {"held": 2}
    assert {job["reason"] for job in world.jobs()} == {"field"}
    assert world.channel.offers == []


async def test_a_held_message_does_not_hold_its_campaign_s_others(world: World) -> None:
    await world.start()
    await world.campaign(people=0, start=False, text="Hi {{ first_name }}", pacing=HUMAN)
    for i in range(6):
        await world.people("c", [f"p{i}@example.org"], **({"first_name": "Ada"} if i % 2 else {}))
    await world.call("campaign.live", name="c")
    await world.call("campaign.start", name="c")
    await world.finish()
    assert world.counts() == {"completed": 3, "held": 3}
    assert max(world.channel.gaps()) <= 20 * MINUTE + 5 * SECOND


async def test_a_campaign_that_is_not_live_is_refused_with_the_count_outside_the_allow_list(world: World) -> None:
    world.allow = ["*@example.com"]
    await world.start()
    with pytest.raises(RefusedError, match="3 of its addresses") as refusal:
        await world.campaign(people=["a@example.org", "b@example.org", "c@example.org", "me@example.com"], live=False)
    assert refusal.value.exit_code == 4
    assert (world.state(), world.counts()) == ("draft", {})


async def test_a_campaign_that_is_not_live_reaches_the_allow_list(world: World) -> None:
    world.allow = ["*@example.com"]
    await world.start()
    await world.campaign(people=["me@example.com", "you@example.com"], live=False)
    await world.finish()
    assert world.counts() == {"completed": 2}


async def test_addresses_added_later_to_a_campaign_that_is_not_live_are_held(world: World) -> None:
    world.allow = ["*@example.com"]
    await world.start()
    await world.campaign(people=["me@example.com"], live=False)
    await world.people("c", ["stranger@example.org"])
    await world.clock.run(HOUR)
    assert world.counts() == {"completed": 1, "held": 1}
    assert world.job("stranger@example.org")["reason"] == "configuration"
    assert "allow-list" in world.job("stranger@example.org")["last_error"]
    await world.call("campaign.live", name="c")
    await world.retry("c")
    await world.finish()
    assert world.counts() == {"completed": 2}


async def test_a_retry_that_fails_again_is_counted_under_its_new_reason(world: World) -> None:
    world.channel.script = {"c00000@example.org": [NO_SUCH_USER, Reply(554, "Computer says no")]}
    await world.start()
    await world.campaign(people=1)
    await world.clock.until(lambda: world.state() == "completed")
    first = world.jobs()[0]["error_key"]
    await world.retry("c", which="all")
    await world.finish()
    groups = world.read(lambda reader: reader.failures())
    assert [(row["error_key"], row["n"]) for row in groups] == [(world.jobs()[0]["error_key"], 1)]
    assert world.jobs()[0]["error_key"] != first
