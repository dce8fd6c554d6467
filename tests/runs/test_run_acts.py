"""Acts on a fixed set of jobs through control, with the engine running."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from run_world import World

from storage.errors import RefusedError, UsageError
from storage.model import HOUR, MINUTE, SECOND
from tests.support.scripted import GREYLISTED, NO_SUCH_USER

HUMAN = {"mode": "human", "gap_min": "15m", "gap_max": "90m"}


async def waiting(world: World, people: int = 6) -> list[int]:
    """A campaign that has sent its first and has the others before it; returns the ids of those."""
    await world.start()
    await world.campaign(people=people, pacing=HUMAN)
    await world.clock.until(lambda: world.counts().get("completed") == 1)
    return [job["id"] for job in world.jobs() if job["state"] == "pending"]


def seen(world: World, ids: list[int]) -> list[tuple[int, str, int]]:
    rows = {job["id"]: job for job in world.jobs()}
    return [(id, rows[id]["state"], rows[id]["lease"]) for id in ids]


async def test_cancelled_jobs_are_never_sent_and_the_campaign_ends_without_them(world: World) -> None:
    ids = await waiting(world)
    answer = await world.call("job.cancel", seen=seen(world, ids[:2]), filter="state:pending")
    assert (answer["done"], answer["message"]) == (2, "2 cancelled: skipped in 10 s, until then it can be undone")
    await world.finish()
    assert world.counts() == {"completed": 4, "skipped": 2}
    event = world.events("job.cancelled")[0]
    assert (event["n"], json.loads(event["data"])["filter"]) == (2, "state:pending")


async def test_a_cancel_that_was_undone_in_time_sends_everybody(world: World) -> None:
    ids = await waiting(world)
    answer = await world.call("job.cancel", seen=seen(world, ids))
    await world.clock.run(9 * SECOND)
    assert (await world.call("job.undo", events=answer["events"]))["done"] == 5
    await world.finish()
    assert world.counts() == {"completed": 6}
    assert world.channel.twice == []


async def test_a_cancel_cannot_be_undone_when_its_grace_is_over(world: World) -> None:
    ids = await waiting(world)
    answer = await world.call("job.cancel", seen=seen(world, ids))
    await world.clock.run(11 * SECOND)
    with pytest.raises(RefusedError, match="time to undo this cancel is over"):
        await world.call("job.undo", events=answer["events"])
    assert world.counts() == {"completed": 1, "skipped": 5}


async def test_a_retry_says_what_changed_meanwhile_and_what_was_refused(world: World) -> None:
    world.channel.answer = lambda message: NO_SUCH_USER
    await world.start()
    await world.campaign(people=3)
    await world.clock.until(lambda: world.state() == "completed")
    fixed = seen(world, [job["id"] for job in world.jobs()])
    await world.call("job.retry", ids=[fixed[0][0]])
    answer = await world.call("job.retry", seen=[*fixed, (999_999, "failed", 1)])
    assert (answer["done"], answer["changed"], answer["refused"]) == (2, 1, 1)
    assert answer["message"] == "2 will be tried again, 1 changed meanwhile, 1 refused"
    assert [left["job"] for left in answer["left"]] == [fixed[0][0], 999_999]


async def test_a_retry_is_taken_back_before_its_time_and_the_campaign_is_over_again(world: World) -> None:
    world.channel.script = {"c00000@example.org": [NO_SUCH_USER], "c00001@example.org": [NO_SUCH_USER]}
    await world.start()
    await world.campaign(people=3)
    await world.clock.until(lambda: world.state() == "completed")
    failed = [job["id"] for job in world.jobs() if job["state"] == "failed"]
    answer = await world.call("job.retry", seen=seen(world, failed), spread=4 * HOUR, total=40, offset=20)
    assert world.state() == "active"
    assert (await world.call("job.undo", events=answer["events"]))["done"] == 2
    await world.finish()
    assert (world.state(), world.counts()) == ("completed", {"completed": 1, "failed": 2})
    assert len(world.channel.offers) == 3


PLACE = ("state", "reason", "due_at", "gap", "tries", "budget_at", "follow", "queue_id", "ready", "attempts")


def places(world: World) -> list[dict[str, Any]]:
    return [{name: job[name] for name in PLACE} for job in world.jobs()]


async def test_an_undone_retry_leaves_due_times_tries_and_accounts_as_they_were(world: World) -> None:
    """One is refused at once, one after it was told to come again, through an account that the campaign has left."""
    world.accounts = {"one": {}, "two": {}}
    world.channels["two"] = world.channel
    world.channel.answer = lambda message: NO_SUCH_USER
    world.channel.script = {"c00000@example.org": [GREYLISTED, NO_SUCH_USER]}
    await world.start()
    await world.campaign(people=2, also=["two"], steps=[{"subject": "Again", "text": "Hi", "wait": "1h"}])
    await world.clock.until(lambda: world.counts() == {"failed": 2})
    await world.call("campaign.edit", name="c", also=[])
    before = places(world)
    assert {job["tries"] for job in before} == {1, 2}
    answer = await world.call("job.retry", seen=seen(world, [job["id"] for job in world.jobs()]), spread=HOUR)
    assert {job["queue_id"] for job in places(world)} < {job["queue_id"] for job in before}
    assert (await world.call("job.undo", events=answer["events"]))["done"] == 2
    assert places(world) == before


async def test_an_undone_retry_suppresses_again_what_the_retried_messages_own_answers_had(world: World) -> None:
    world.channel.answer = lambda message: NO_SUCH_USER
    await world.start()
    await world.campaign(people=["dead@example.org"])
    await world.clock.until(lambda: world.counts() == {"failed": 1})
    columns = "kind, value, scope, reason, note, source, campaign_id, job_id, expires_at"
    before = world.rows(f"SELECT {columns} FROM suppressions")
    assert [row["value"] for row in before] == ["dead@example.org"]
    answer = await world.call(
        "job.retry", seen=seen(world, [world.jobs()[0]["id"]]), spread=4 * HOUR, total=2, offset=1
    )
    assert world.rows("SELECT * FROM suppressions") == []
    await world.call("job.undo", events=answer["events"])
    assert world.rows(f"SELECT {columns} FROM suppressions") == before
    assert [row["stopped"] for row in world.rows("SELECT stopped FROM recipients")] == ["suppressed"]


async def test_an_undo_leaves_what_began_since_and_sends_nothing_twice(world: World) -> None:
    world.channel.script = {f"c0000{n}@example.org": [NO_SUCH_USER] for n in range(4)}
    await world.start()
    await world.campaign(people=4)
    await world.clock.until(lambda: world.counts() == {"failed": 4})
    fixed = seen(world, [job["id"] for job in world.jobs()])
    answer = await world.call("job.retry", seen=fixed, spread=4 * HOUR)
    await world.clock.until(lambda: world.counts().get("completed") == 2)
    sent = [job["id"] for job in world.jobs() if job["state"] == "completed"]
    undone = await world.call("job.undo", events=answer["events"])
    assert (undone["done"], sorted(left["job"] for left in undone["left"])) == (2, sent)
    await world.finish()
    assert world.counts() == {"completed": 2, "failed": 2}
    assert len(world.channel.deliveries) == len({one.recipient for one in world.channel.deliveries}) == 2


async def test_the_parts_of_a_spread_retry_lie_beside_each_other(world: World) -> None:
    world.channel.answer = lambda message: NO_SUCH_USER
    await world.start()
    await world.campaign(people=4)
    await world.clock.until(lambda: world.state() == "completed")
    ids = [job["id"] for job in world.jobs()]
    asked = world.clock.now()
    for offset in (0, 2):
        await world.call(
            "job.retry", seen=seen(world, ids[offset : offset + 2]), spread=4 * HOUR, total=4, offset=offset
        )
    dues = sorted(job["due_at"] for job in world.jobs())
    assert [due - asked < MINUTE + n * HOUR for n, due in enumerate(dues)] == [True] * 4
    assert [due - asked >= n * HOUR for n, due in enumerate(dues)] == [True] * 4


async def test_the_parts_of_a_paced_retry_follow_each_other(world: World) -> None:
    world.channel.script = {f"c0000{n}@example.org": [NO_SUCH_USER] for n in range(4)}
    await world.start()
    await world.campaign(people=4, pacing=HUMAN)
    await world.clock.until(lambda: world.state() == "completed")
    ids = [job["id"] for job in world.jobs()]
    first = await world.call("job.retry", seen=seen(world, ids[:2]))
    await world.call("job.retry", seen=seen(world, ids[2:]), until=first["until"])
    dues = [world.job(f"c0000{n}@example.org")["due_at"] for n in range(4)]
    assert min(later - earlier for earlier, later in itertools.pairwise(dues)) >= 15 * MINUTE


async def test_a_set_is_named_in_one_way(world: World) -> None:
    await world.start()
    for args in ({}, {"ids": [1], "seen": [(1, "failed", 1)]}):
        with pytest.raises(UsageError, match="give either jobs as they were seen or ids"):
            await world.call("job.retry", **args)


async def test_an_auto_retry_that_waits_can_be_cancelled(world: World) -> None:
    world.channel.answer = lambda message: GREYLISTED
    await world.start()
    await world.campaign(people=1)
    await world.clock.until(lambda: world.counts() == {"pending": 1} and world.job("c00000@example.org")["attempts"])
    assert (await world.call("job.cancel", ids=[world.job("c00000@example.org")["id"]]))["done"] == 1
    await world.finish()
    assert world.counts() == {"skipped": 1}
