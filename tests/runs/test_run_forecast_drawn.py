"""Forecasts of drawn worlds agree with their runs: several campaigns on one account, human ones among them, with
limits, windows, zones and further steps as chance has them.

The turns of campaigns, the places in the line of a domain and the windows of people act on each other here, so that one
difference of order between forecast and claim shows as days that are wrong.
"""

from __future__ import annotations

import random
from itertools import accumulate
from typing import Any

import pytest
from run_world import World
from test_run_forecast import foretold, measure, sent_by_day

from engine.planning.forecast import Forecast
from storage.model import DAY, HOUR, MINUTE, SECOND

MOMENTS = ("2026-03-27T08:00Z", "2026-10-23T09:00Z", "2026-06-03T05:00Z", "2026-12-22T10:00Z")
CAPS = ("40/day calendar", "9/h", "60/day", "3/min", "150/week")
WARMUPS = ({"start": 5, "step": 1, "ceiling": 20}, {"start": 10, "step": 10, "ceiling": 60})
HUMAN: tuple[dict[str, Any], ...] = (
    {"mode": "human", "gap_min": "5m", "gap_max": "20m"},
    {"mode": "human", "gap_min": "15m", "gap_max": "60m"},
    {"mode": "human", "gap_min": "70m", "gap_max": "90m"},
    {"mode": "human", "gap_min": "2m", "gap_max": "9m", "burst": 5, "rest": "30m", "distribution": "lognormal"},
)
OTHERS: tuple[dict[str, Any], ...] = (
    {"mode": "blast", "concurrency": 5, "batch_delay": "3s"},
    {"mode": "steady", "rate": "30/h"},
    {"mode": "steady", "rate": "200/h", "jitter": 0.5},
)
WINDOWS: tuple[dict[str, Any], ...] = (
    {},
    {"hours": "mon-fri 09:00-17:00", "zone": "Europe/Berlin"},
    {"hours": "daily 08:00-22:00", "zone": "Europe/London", "recipient_zone": "zone"},
    {"hours": "daily 09:00-10:00", "zone": "Europe/London"},
    {"hours": "mon-fri 14:00-16:00", "zone": "UTC"},
)
OFFICE = {"hours": "mon-fri 09:00-12:00, 13:00-17:00", "zone": "Europe/Berlin", "holidays": ["DE"]}


def drawn_limits(rng: random.Random) -> dict[str, Any]:
    limits: dict[str, Any] = {
        "zone": rng.choice(["Europe/Berlin", "America/New_York", "UTC"]), "concurrency": rng.choice([1, 3, 10]),
    }  # fmt: skip
    maybe: list[tuple[str, float, Any]] = [
        ("caps", 0.5, lambda: rng.sample(CAPS, rng.randint(1, 2))),
        ("min_gap", 0.3, lambda: rng.choice(["20s", "3m"])),
        ("domain_gap", 0.5, lambda: rng.choice(["30s", "2m"])),
        ("warmup", 0.2, lambda: rng.choice(WARMUPS)),
        ("window", 0.3, lambda: OFFICE),
    ]
    return limits | {name: draw() for name, often, draw in maybe if rng.random() < often}


async def drawn_campaign(world: World, rng: random.Random, name: str, *, human: bool) -> None:
    more: dict[str, Any] = {}
    if rng.random() < 0.3:
        wait = rng.choice(["1d", "2 business days", "3h"])
        more["steps"] = [{"subject": "Again", "text": "?", "wait": wait}]
    size = rng.choice([20, 40, 80])
    await world.campaign(
        name, 0, start=False, live=False, pacing=rng.choice(HUMAN if human else HUMAN + OTHERS),
        window=rng.choice(WINDOWS), weight=rng.choice([1, 1, 3]), priority=rng.choice([5, 5, 5, 7]),
        seed=rng.randrange(1 << 30), **more,
    )  # fmt: skip
    for zone in ("Europe/Berlin", "America/New_York"):
        people = [f"{name}-{zone[:2].lower()}{i}@{rng.choice('abc')}.example" for i in range(size // 2)]
        await world.people(name, people, zone=zone)
    await world.call("campaign.live", name=name)
    await world.call("campaign.start", name=name)


def agrees(world: World, told: Forecast, began: int, name: str) -> None:
    """The judge: the finish within the range, five percent more or less, and so what was sent by the end of each
    day."""
    sent = [job["sent_at"] for job in world.jobs(name) if job["sent_at"] is not None]
    took = max(sent) - began
    assert told.earliest is not None and told.latest is not None
    within = max(0.05 * took, 5 * MINUTE)
    early, late = told.earliest - began, told.latest - began
    words = f"{name}: {early / HOUR:.2f} to {late / HOUR:.2f} h, it took {took / HOUR:.2f} h"
    assert early - within <= took <= late + within, words
    real = sent_by_day(world, told.zone, name)
    days = {day["day"]: day["sends"] for day in told.to_dict()["days"]}
    dates = sorted({*real, *days})
    foreseen = accumulate(days.get(day, 0) for day in dates)
    for day, n, wanted in zip(dates, accumulate(real[day] for day in dates), foreseen, strict=True):
        assert abs(n - wanted) <= max(2, 0.05 * len(sent)), f"{name}: by {day} foretold {wanted}, sent {n}"


@pytest.mark.parametrize("seed", range(16))
async def test_a_drawn_world_is_foretold(world: World, seed: int) -> None:
    rng = random.Random(seed)
    world.set_clock(rng.choice(MOMENTS))
    world.channel.service = (SECOND, rng.choice([2, 10, 60]) * SECOND)
    limits = drawn_limits(rng)
    await world.start(concurrency=limits["concurrency"])
    await measure(world, 30)
    await world.stop()
    await world.start(**limits)
    names = [f"c{n}" for n in range(rng.randint(2, 3))]
    for n, name in enumerate(names):
        await drawn_campaign(world, rng, name, human=n == 0)
    began, told = world.clock.now(), {name: foretold(world, name) for name in names}
    await world.clock.until(lambda: all(world.state(name) == "completed" for name in names), limit=400 * DAY)
    for name in names:
        agrees(world, told[name], began, name)
