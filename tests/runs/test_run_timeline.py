"""The line of time of a campaign: what began beside what was planned, what comes, in pages both ways."""

from __future__ import annotations

import itertools
from typing import Any

from run_world import World

from storage.model import HOUR, MINUTE, SECOND
from storage.sends import FROM_NOW_BACK, FROM_THE_NEXT, coming, past
from tests.support.scripted import ACCEPT, Reply


def all_past(world: World, name: str, limit: int) -> list[dict[str, Any]]:
    """Every page, the oldest row first."""
    found: list[dict[str, Any]] = []
    place: Any = FROM_NOW_BACK
    row = world.row(name)
    queues = [one["id"] for one in row["accounts"]]
    while place is not None:
        before = place
        page = world.read(lambda reader, at=before: past(reader, row["id"], queues, before=at, limit=limit))
        assert len(page.rows) <= limit
        found, place = [*page.rows, *found], page.further
    return found


def all_coming(world: World, name: str, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    place: Any = FROM_THE_NEXT
    campaign_id = world.row(name)["id"]
    while place is not None:
        after = place
        page = world.read(lambda reader, at=after: coming(reader, campaign_id, after=at, limit=limit))
        found, place = [*found, *page.rows], page.further
    return found


async def test_every_send_stands_once_on_the_line_whatever_the_pages(world: World) -> None:
    world.channel.service = (SECOND, 4 * SECOND)
    await world.start(rate="20/h")
    everything = {"mode": "blast", "concurrency": 10, "batch_delay": "0s"}
    await world.campaign("a", 30, pacing=everything)
    await world.campaign("b", 30, pacing=everything)
    await world.clock.run(2 * HOUR + MINUTE)
    for name in ("a", "b"):
        for limit in (1, 7, 100):
            back, forth = all_past(world, name, limit), all_coming(world, name, limit)
            begun = [row["begun_at"] for row in back]
            assert begun == sorted(begun) and len(begun) == world.counts(name)["completed"]
            assert [row["due_at"] for row in forth] == sorted(row["due_at"] for row in forth)
            assert len({row["id"] for row in [*back, *forth]}) == 30
    await world.finish()


async def test_gaps_are_those_between_what_began_and_the_plan_stands_beside_it(world: World) -> None:
    await world.start(rate="4/h")
    await world.campaign(people=12, pacing={"mode": "steady", "rate": "60/h", "jitter": 0})
    await world.clock.run(HOUR + 10 * MINUTE)
    rows = all_past(world, "c", 100)
    assert len(rows) == 8 and rows[0]["gap"] is None
    assert all(late["gap"] == late["begun_at"] - early["begun_at"] for early, late in itertools.pairwise(rows))
    assert [row["later"] < MINUTE for row in rows[:4]] == [True] * 4
    assert rows[4]["later"] > 50 * MINUTE, "the cap held it behind its plan"
    assert all(row["later"] == row["begun_at"] - row["planned_at"] for row in rows)
    first, *rest = all_coming(world, "c", 100)
    assert first["gap"] == 0 and all(row["gap"] == MINUTE for row in rest)
    await world.finish()


async def test_a_message_that_is_tried_again_stands_on_both_sides(world: World) -> None:
    world.channel.script = {"late@example.org": [Reply(451, "4.3.0 Try again later", "content"), ACCEPT]}
    await world.start()
    await world.campaign(people=["late@example.org"])
    await world.clock.run(MINUTE)
    (sent,), (next_try,) = all_past(world, "c", 10), all_coming(world, "c", 10)
    assert sent["id"] == next_try["id"] and sent["outcome"] == "transient"
    assert next_try["attempts"] == 1 and next_try["due_at"] > sent["begun_at"]
    await world.finish()
    first, second = all_past(world, "c", 10)
    assert first["planned_at"] is None and second["planned_at"] is not None, "the plan is that of the last attempt"
