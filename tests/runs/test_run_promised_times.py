"""What the promised numbers come to: how long a campaign takes, judged by the other side's clock."""

from __future__ import annotations

import pytest
from run_world import World, slow_heart

from storage.model import HOUR, MINUTE, SECOND


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_twenty_invitations_fifteen_to_ninety_minutes_apart_take_five_to_thirty_hours(
    world: World, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_heart(monkeypatch, HOUR)
    await world.start()
    begin = world.clock.now()
    pacing = {"mode": "human", "gap_min": "15m", "gap_max": "90m"}
    started = await world.campaign(people=20, pacing=pacing, seed=seed)
    await world.finish()
    took = world.channel.times[-1] - begin
    assert len(world.channel.deliveries) == 20
    assert 5 * HOUR <= took <= 30 * HOUR
    assert all(15 * MINUTE <= gap <= 90 * MINUTE + SECOND for gap in world.channel.gaps())
    assert started["last_due"] - begin <= took <= started["estimated_completion"] - begin + MINUTE


async def test_five_hundred_ten_at_once_two_seconds_apart_take_what_the_formula_says(world: World) -> None:
    """Rounds of ten, two seconds from one to the next: ceil(500 / 10) - 1 pauses of 2 s, 98 s."""
    world.channel.service = (100 * 1_000, 200 * 1_000)
    await world.start(concurrency=10)
    begin = world.clock.now()
    await world.campaign(people=500, pacing={"mode": "blast", "concurrency": 10, "batch_delay": "2s"}, concurrency=10)
    await world.finish()
    assert len(world.channel.deliveries) == 500 and world.channel.twice == []
    took = world.channel.times[-1] - begin
    assert 98 * SECOND <= took <= 98 * SECOND + 5 * SECOND
    assert world.channel.most_inside <= 10
