"""What a running engine tells of itself: how late its loop is, who looks at it, what it does by the clock."""

from __future__ import annotations

import asyncio

from run_world import World

from engine.loop_lag import EVERY, KEPT, LoopLag
from engine.presence import GONE_AFTER, MOST, Presence
from storage.model import HOUR, MINUTE, SECOND, Actor

ANA, BEN = Actor("ana", "mail-1", "console"), Actor("ben", "mail-2", "console")


def test_loop_lag_tells_the_last_minute_only() -> None:
    lag = LoopLag()
    assert lag.read() == {"n": 0, "p50": None, "p95": None, "longest": None}
    for late in [*range(KEPT), *([2_000] * KEPT)]:
        lag.add(late)
    assert lag.read() == {"n": KEPT, "p50": 2_000, "p95": 2_000, "longest": 2_000}
    for late in range(1, 101):
        lag.add(late * 1_000 + 2_000)
    assert lag.read()["longest"] == 102_000


async def test_loop_lag_measures_a_loop_that_is_held_up() -> None:
    loop = asyncio.get_running_loop()
    lag = LoopLag()
    lag.start()
    held = loop.time() + EVERY + 0.1
    while loop.time() < held:
        pass
    sampled = asyncio.Event()
    loop.call_later(EVERY, sampled.set)
    await sampled.wait()
    lag.stop()
    assert lag.read()["longest"] >= 100_000


def test_a_console_is_listed_until_it_falls_silent() -> None:
    presence = Presence()
    presence.seen("a", ANA, 1 * SECOND)
    presence.seen("b", BEN, 2 * SECOND)
    presence.seen("a", ANA, 9 * SECOND)
    assert [(row["user"], row["host"], row["since_at"]) for row in presence.attached(10 * SECOND)] == [
        ("ana", "mail-1", 1 * SECOND),
        ("ben", "mail-2", 2 * SECOND),
    ]
    later = 9 * SECOND + GONE_AFTER
    assert [row["user"] for row in presence.attached(later)] == ["ana"]
    presence.seen("b", BEN, later)
    assert [row["since_at"] for row in presence.attached(later) if row["user"] == "ben"] == [later]


def test_no_number_of_consoles_fills_the_memory() -> None:
    presence = Presence()
    for i in range(MOST + 50):
        presence.seen(str(i), ANA, SECOND)
    assert len(presence.attached(SECOND)) == MOST


async def test_status_names_the_console_that_asked_and_the_rounds_with_their_next_time(world: World) -> None:
    await world.start()
    await world.clock.run(HOUR)
    status = await world.call("engine.status", console="c1")
    assert [row["console"] for row in status["attached"]] == ["c1"]
    now = world.clock.now()
    rounds = {row["round"]: row for row in status["rounds"]}
    for name in ("heartbeat", "rescue"):
        beat = rounds[name]
        assert now - beat["every"] <= beat["last_at"] <= now < beat["next_at"] <= beat["last_at"] + beat["every"]
    assert rounds["promote"]["next_at"] is None
    assert status["in_flight"] == 0


async def test_the_next_promote_is_the_next_due_time(world: World) -> None:
    await world.start()
    await world.campaign(people=3, pacing={"mode": "steady", "rate": "1/h"})
    await world.clock.run(MINUTE)
    status = await world.call("engine.status")
    due = world.read(lambda reader: reader.due(world.row()["id"])["first"])
    assert {row["round"]: row["next_at"] for row in status["rounds"]}["promote"] == due
    assert status["attached"] == []
    await world.finish()
