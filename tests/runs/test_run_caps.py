"""Caps through the whole engine: never one more in any period, and not one less than a period has room for."""

from __future__ import annotations

import random
from typing import Any

import pytest
from run_world import World, slow_heart

from engine.planning.caps import parse_cap
from storage.model import DAY, HOUR, MINUTE, SECOND
from tests.support.counted import by_calendar, most_in_any
from tests.support.scripted import NO_SUCH_USER

AT_ONCE: dict[str, Any] = {"mode": "blast", "concurrency": 10, "batch_delay": "0s"}
LATE = 2 * SECOND
CAPS = [f"{n}/{period}{kind}" for n, period in ((7, "min"), (9, "h"), (11, "day"), (25, "week"))
        for kind in ("", " calendar")]  # fmt: skip


@pytest.fixture(autouse=True)
def a_slow_heart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_heart(monkeypatch)


async def five_campaigns(world: World, people: int) -> None:
    for number, priority in enumerate((5, 5, 9, 1, 5)):
        await world.campaign(f"c{number}", people, priority=priority, weight=1 + number % 3, pacing=AT_ONCE)


def assert_kept(world: World, text: str, zone: str) -> None:
    cap, starts = parse_cap(text), world.channel.starts
    if cap.calendar:
        assert max(by_calendar(starts, cap.period, zone).values()) <= cap.n
    else:
        assert most_in_any(starts, cap.period) <= cap.n


@pytest.mark.parametrize("text", CAPS)
async def test_a_cap_holds_over_five_campaigns_restarts_and_cuts(world: World, text: str) -> None:
    cap, zone, rng = parse_cap(text), "America/New_York", random.Random(text)
    world.channel.service = (0, 2 * SECOND)
    await world.start(caps=[text], zone=zone, concurrency=10)
    await five_campaigns(world, cap.n)
    for _ in range(3):
        await world.clock.run(rng.randint(cap.period // 10, cap.period))
        if rng.random() < 0.5:
            await world.cut()
        await world.restart(after=rng.randint(0, cap.period // 3))
    await world.sent(5 * cap.n)
    assert_kept(world, text, zone)


@pytest.mark.parametrize("text", CAPS)
async def test_a_cap_that_has_room_is_used(world: World, text: str) -> None:
    cap, zone = parse_cap(text), "Asia/Kolkata"
    await world.start(caps=[text], zone=zone, concurrency=10)
    await five_campaigns(world, cap.n)
    await world.sent(5 * cap.n)
    starts = world.channel.starts
    if cap.calendar:
        used = by_calendar(starts, cap.period, zone)
        assert set(list(used.values())[:-1]) == {cap.n} and len(used) == 5
    else:
        waits = [later - earlier for earlier, later in zip(starts, starts[cap.n :], strict=False)]
        assert min(waits) >= cap.period and max(waits) <= cap.period + LATE


DST = [
    ("2026-03-27T12:00Z", "Europe/Berlin"),
    ("2026-10-23T12:00Z", "Europe/Berlin"),
    ("2026-03-06T12:00Z", "America/New_York"),
    ("2026-10-30T12:00Z", "America/New_York"),
    ("2026-04-03T12:00Z", "Australia/Lord_Howe"),
    ("2026-10-02T12:00Z", "Australia/Lord_Howe"),
    ("2026-04-23T12:00Z", "Africa/Cairo"),
]
"""A day or two before clocks change: days of 23, 23.5, 24.5 and 25 hours, and one without a midnight."""


@pytest.mark.parametrize(("begin", "zone"), DST)
async def test_each_local_day_has_its_cap_whatever_its_length(world: World, begin: str, zone: str) -> None:
    world.set_clock(begin)
    await world.start(caps=["10/day calendar"], zone=zone)
    await world.campaign(people=60, pacing=AT_ONCE)
    await world.sent(60)
    used = by_calendar(world.channel.starts, DAY, zone)
    assert list(used.values()) == [10] * 6


@pytest.mark.parametrize(("begin", "zone"), DST)
async def test_no_hour_of_the_local_clock_holds_more_than_its_cap(world: World, begin: str, zone: str) -> None:
    world.set_clock(begin)
    await world.start(caps=["4/h calendar"], zone=zone)
    world.clock.step_wall(12 * HOUR)
    await world.campaign(people=4 * 24, pacing={"mode": "steady", "rate": "6/h", "jitter": 1.0})
    await world.sent(4 * 24)
    used = by_calendar(world.channel.starts, HOUR, zone)
    assert max(used.values()) == 4
    assert most_in_any(world.channel.starts, HOUR) <= 8


async def test_a_week_of_the_calendar_begins_on_monday(world: World) -> None:
    world.set_clock("2026-03-27T12:00:00+01:00")
    await world.start(caps=["30/week calendar"], zone="Europe/Berlin")
    await world.campaign(people=90, pacing=AT_ONCE)
    await world.sent(90)
    assert by_calendar(world.channel.starts, 7 * DAY, "Europe/Berlin") == {
        "2026 week 13": 30, "2026 week 14": 30, "2026 week 15": 30,
    }  # fmt: skip
    assert by_calendar(world.channel.starts, DAY, "Europe/Berlin").keys() == {"2026-03-27", "2026-03-30", "2026-04-06"}


async def test_all_caps_hold_at_once(world: World) -> None:
    caps = ["3/min", "10/h calendar", "24/day calendar", "60/week"]
    await world.start(caps=caps, zone="Europe/Berlin")
    await five_campaigns(world, 24)
    await world.sent(120)
    for text in caps:
        assert_kept(world, text, "Europe/Berlin")


async def test_a_place_that_was_given_back_is_used_on_the_same_day(world: World) -> None:
    """Refused before any content left: the day's cap has room again, although the gate was closed till midnight."""
    world.channel.script = {f"c{i:05d}@example.org": [NO_SUCH_USER] for i in range(3)}
    slow = world.channel.script.keys()

    async def prepare(message: Any) -> None:
        if message.recipient in slow:
            await world.clock.sleep(30 * SECOND)

    world.channel.during_prepare = prepare
    await world.start(caps=["5/day calendar"], concurrency=10)
    await world.campaign(people=20, concurrency=10, pacing=AT_ONCE)
    await world.clock.run(HOUR)
    assert len(world.channel.begun) == 5
    assert world.counts() == {"failed": 3, "completed": 5, "pending": 12}


@pytest.mark.parametrize("steps", [[6 * HOUR], [2 * MINUTE, 3 * DAY], [900_000]], ids=["6 h", "2 min, 3 days", "0.9 s"])
@pytest.mark.parametrize("text", ["6/min", "8/5m", "6/min calendar"])
@pytest.mark.parametrize("back", [True, False], ids=["back", "forward"])
async def test_a_clock_that_is_set_passes_no_cap_and_holds_none_back(
    world: World, text: str, steps: list[int], back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_heart(monkeypatch, 10 * SECOND)
    cap = parse_cap(text)
    await world.start(caps=[text])
    await world.campaign(people=6 * cap.n, pacing=AT_ONCE)
    for step in [*steps, 0]:
        await world.clock.run(cap.period + cap.period // 3)
        world.clock.step_wall(-step if back else step)
    begun = world.channel.begun
    # Set back, wall times repeat themselves and real time tells; set forward, the time that is left out has passed.
    times = [start.mono if back else start.at for start in begun]
    assert most_in_any(times, cap.period) <= (2 * cap.n if cap.calendar else cap.n)
    if cap.calendar and not back:
        assert max(by_calendar(times, cap.period, "UTC").values()) <= cap.n
    assert len(begun) >= (1 + len(steps)) * cap.n, "a clock that is set closes no cap for longer than a period"
    await world.sent(6 * cap.n)
