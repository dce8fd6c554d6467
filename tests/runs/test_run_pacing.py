"""The gaps that people on the other side see: between real sends, whatever happened to the engine or the clock."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from run_world import World

from storage.model import DAY, HOUR, MINUTE, SECOND
from tests.support.scripted import ScriptedChannel

HUMAN: dict[str, Any] = {"mode": "human", "gap_min": "15m", "gap_max": "90m"}
LATE = 5 * SECOND
"""What waking, connecting and sending may add to a gap."""


def assert_human(channel: ScriptedChannel, *, at_most: int = 90 * MINUTE) -> None:
    gaps = channel.gaps()
    assert gaps and min(gaps) >= 15 * MINUTE
    assert max(gaps) <= at_most + LATE


async def test_human_gaps_lie_within_their_range_over_days(world: World) -> None:
    await world.start()
    begun = world.clock.now()
    await world.campaign(people=40, pacing=HUMAN)
    await world.finish()
    assert_human(world.channel)
    assert 15 * MINUTE <= world.channel.starts[0] - begun <= 90 * MINUTE + LATE
    assert len(set(world.channel.gaps())) > 30
    assert [d.recipient for d in world.channel.deliveries] == [job["address"] for job in world.jobs()]


async def test_slow_service_does_not_shorten_a_gap(world: World) -> None:
    world.channel.service = (0, 40 * MINUTE)
    await world.start()
    await world.campaign(people=12, pacing={"mode": "human", "gap_min": "15m", "gap_max": "20m"})
    await world.finish()
    assert min(world.channel.gaps()) >= 15 * MINUTE
    assert len(world.channel.deliveries) == 12


async def test_a_pause_of_hours_is_followed_by_a_first_gap_and_no_burst(world: World) -> None:
    await world.start()
    await world.campaign(people=12, pacing=HUMAN)
    await world.clock.until(lambda: len(world.channel.deliveries) == 3)
    await world.call("campaign.pause", name="c")
    await world.clock.run(DAY)
    assert len(world.channel.deliveries) == 3
    resumed = world.clock.now()
    answer = await world.call("campaign.resume", name="c")
    assert answer["queued"] == 9
    assert answer["first_due"] >= resumed + 15 * MINUTE
    await world.finish()
    after = [at for at in world.channel.starts if at >= resumed]
    assert after[0] - resumed >= 15 * MINUTE
    assert min(world.channel.gaps()) >= 15 * MINUTE
    assert [d.recipient for d in world.channel.deliveries] == [job["address"] for job in world.jobs()]


@pytest.mark.parametrize("away", [0, 2 * MINUTE, 10 * HOUR], ids=["at once", "two minutes", "ten hours"])
async def test_a_restart_keeps_gap_and_order(world: World, away: int) -> None:
    await world.start()
    await world.campaign(people=12, pacing=HUMAN)
    for n in (2, 5, 8):
        await world.clock.until(lambda n=n: len(world.channel.deliveries) == n)
        await world.restart(after=away)
    await world.finish()
    assert_human(world.channel, at_most=90 * MINUTE + away)
    assert [d.recipient for d in world.channel.deliveries] == [job["address"] for job in world.jobs()]


async def test_a_laptop_that_slept_five_hours_sends_no_burst(world: World) -> None:
    await world.start()
    await world.campaign(people=20, pacing=HUMAN)
    await world.clock.until(lambda: len(world.channel.deliveries) == 4)
    world.clock.step_wall(5 * HOUR)
    await world.finish()
    gaps = world.channel.gaps()
    assert min(gaps) >= 15 * MINUTE
    assert len(world.channel.deliveries) == 20


async def test_a_laptop_that_slept_sends_a_blast_round_by_round(world: World) -> None:
    await world.start()
    await world.campaign(people=50, pacing={"mode": "blast", "concurrency": 5, "batch_delay": "1m"})
    await world.clock.until(lambda: len(world.channel.deliveries) == 10)
    world.clock.step_wall(5 * HOUR)
    await world.finish()
    starts = world.channel.starts
    assert len(starts) == 50
    assert all(starts[i + 5] - starts[i] >= MINUTE for i in range(45))


@pytest.mark.parametrize("by", [2 * HOUR, 3 * DAY], ids=["two hours", "three days"])
async def test_a_clock_that_stepped_back_sends_no_burst_and_keeps_order(world: World, by: int) -> None:
    await world.start()
    await world.campaign(people=10, pacing=HUMAN)
    await world.clock.until(lambda: len(world.channel.deliveries) == 4)
    world.clock.step_wall(-by)
    await world.finish()
    monotonic = [d.mono for d in world.channel.begun]
    gaps = [b - a for a, b in itertools.pairwise(monotonic)]
    assert min(gaps) >= 15 * MINUTE
    assert [d.recipient for d in world.channel.deliveries] == [job["address"] for job in world.jobs()]
    assert world.state() == "completed"


async def test_books_are_settled_and_the_heart_beats_after_the_clock_stepped_back(world: World) -> None:
    await world.start()
    await world.campaign(people=3)
    await world.clock.until(lambda: len(world.channel.deliveries) >= 1)
    world.clock.step_wall(-6 * HOUR)
    await world.clock.run(HOUR)
    await world.call("campaign.new", name="d", account="one", subject="s", text="t")
    await world.people("d", ["d@example.org"])
    await world.call("campaign.live", name="d")
    await world.call("campaign.start", name="d")
    await world.clock.run(HOUR)
    assert world.state("d") == "completed"
    beat = world.rows("SELECT heartbeat_at FROM engines ORDER BY id DESC LIMIT 1")[0]["heartbeat_at"]
    assert abs(world.clock.now() - beat) <= HOUR


async def test_a_paused_campaign_is_not_held_by_a_clock_that_stepped_back_meanwhile(world: World) -> None:
    await world.start()
    await world.campaign("slow", 4, pacing={"mode": "human", "gap_min": "1m", "gap_max": "2m"})
    await world.campaign("other", 40, pacing={"mode": "human", "gap_min": "1m", "gap_max": "2m"})
    await world.clock.until(lambda: world.channel.accepted["slow00001@example.org"] == 1)
    await world.call("campaign.pause", name="slow")
    world.clock.step_wall(-6 * HOUR)
    await world.clock.run(10 * MINUTE)
    await world.call("campaign.resume", name="slow")
    await world.clock.run(10 * MINUTE)
    assert world.state("slow") == "completed"


async def test_blast_sends_rounds_of_its_size(world: World) -> None:
    await world.start()
    await world.campaign(people=20, pacing={"mode": "blast", "concurrency": 5, "batch_delay": "3s"})
    await world.finish()
    starts = world.channel.starts
    rounds = [starts[i : i + 5] for i in range(0, 20, 5)]
    assert all(max(one) - min(one) < SECOND for one in rounds)
    assert all(later[0] - earlier[0] >= 3 * SECOND for earlier, later in itertools.pairwise(rounds))
    assert starts[-1] - starts[0] < 15 * SECOND


async def test_a_blast_never_has_more_inside_than_the_queue_allows(world: World) -> None:
    world.channel.service = (SECOND, 20 * SECOND)
    await world.start(concurrency=3)
    await world.campaign(people=30, pacing={"mode": "blast", "concurrency": 20, "batch_delay": "500ms"})
    await world.finish()
    assert world.channel.most_inside == 3
    assert len(world.channel.deliveries) == 30


async def test_a_campaign_keeps_its_own_concurrency_below_the_queue_s(world: World) -> None:
    world.channel.service = (SECOND, 5 * SECOND)
    await world.start(concurrency=10)
    await world.campaign(people=30, concurrency=2, pacing={"mode": "blast", "concurrency": 20, "batch_delay": "0s"})
    await world.finish()
    assert world.channel.most_inside == 2


async def test_a_laptop_that_slept_through_a_day_s_cap_goes_on_when_it_wakes(world: World) -> None:
    await world.start(daily_cap=5)
    await world.campaign(people=10)
    await world.clock.run(MINUTE)
    assert len(world.channel.deliveries) == 5
    world.clock.step_wall(DAY)
    await world.clock.run(HOUR)
    assert len(world.channel.deliveries) == 10


async def test_steady_keeps_its_rate(world: World) -> None:
    await world.start()
    begun = world.clock.now()
    await world.campaign(people=120, pacing={"mode": "steady", "rate": "60/h", "jitter": 0.5})
    await world.finish()
    gaps = world.channel.gaps()
    assert min(gaps) >= 30 * SECOND and max(gaps) <= 91 * SECOND
    assert abs(world.channel.starts[-1] - begun - 2 * HOUR) <= MINUTE


@pytest.mark.parametrize("restart", [False, True])
async def test_a_queue_s_minimum_gap_holds_over_campaigns_and_restarts(world: World, restart: bool) -> None:
    await world.start(min_gap="10m")
    await world.campaign("a", 6)
    await world.campaign("b", 6)
    for n in (3, 7):
        await world.clock.until(lambda n=n: len(world.channel.deliveries) == n)
        if restart:
            await world.restart(after=MINUTE)
    await world.finish()
    assert len(world.channel.deliveries) == 12
    assert min(world.channel.gaps()) >= 10 * MINUTE
    assert max(world.channel.gaps()) <= 10 * MINUTE + LATE


async def test_a_daily_cap_holds_in_every_rolling_day_over_restarts(world: World) -> None:
    await world.start(daily_cap=7)
    await world.campaign(people=30)
    rng = random.Random(3)
    for _ in range(6):
        await world.clock.run(rng.randint(HOUR, 12 * HOUR))
        await world.restart(after=rng.randint(0, 3 * HOUR))
    await world.finish()
    starts = world.channel.starts
    assert len(starts) == 30
    assert all(starts[i + 7] - starts[i] >= DAY for i in range(len(starts) - 7))


async def test_a_rate_holds_in_every_rolling_minute(world: World) -> None:
    world.channel.service = (0, 3 * SECOND)
    await world.start(rate="12/min", concurrency=10)
    await world.campaign("a", 25, pacing={"mode": "blast", "concurrency": 10, "batch_delay": "0s"})
    await world.campaign("b", 25, pacing={"mode": "blast", "concurrency": 10, "batch_delay": "0s"})
    await world.clock.until(lambda: len(world.channel.deliveries) >= 20)
    await world.restart()
    await world.finish()
    intents = [row["intent_at"] for row in world.rows("SELECT intent_at FROM attempts ORDER BY intent_at")]
    assert len(intents) == 50
    assert all(intents[i + 12] - intents[i] >= MINUTE for i in range(38))
    assert all(world.channel.starts[i + 12] - world.channel.starts[i] >= MINUTE for i in range(38))


async def test_a_rate_is_not_held_for_hours_by_a_clock_that_stepped_back(world: World) -> None:
    await world.start(rate="12/min")
    await world.campaign(people=40, pacing={"mode": "blast", "concurrency": 10, "batch_delay": "0s"})
    await world.clock.until(lambda: len(world.channel.deliveries) == 12)
    world.clock.step_wall(-6 * HOUR)
    await world.clock.run(10 * MINUTE)
    assert len(world.channel.deliveries) == 40
    monotonic = [d.mono for d in world.channel.begun]
    assert all(monotonic[i + 12] - monotonic[i] >= MINUTE for i in range(28))


async def test_a_small_campaign_does_not_wait_behind_a_large_one(world: World) -> None:
    world.channel.service = (SECOND, SECOND)
    await world.start(concurrency=4)
    everything = {"mode": "blast", "concurrency": 10, "batch_delay": "0s"}
    await world.campaign("large", 5_000, pacing=everything)
    await world.clock.run(10 * SECOND)
    await world.campaign("small", 3, pacing=everything)
    await world.clock.run(5 * SECOND)
    assert world.state("small") == "completed"
    assert world.state("large") == "active"


async def test_two_campaigns_on_a_queue_with_a_gap_take_turns(world: World) -> None:
    await world.start(min_gap="1m")
    await world.campaign("a", 6, pacing={"mode": "blast", "concurrency": 10, "batch_delay": "0s"})
    await world.campaign("b", 6, pacing={"mode": "blast", "concurrency": 10, "batch_delay": "0s"})
    await world.finish()
    turns = [delivery.recipient[0] for delivery in world.channel.deliveries]
    assert turns == list("abababababab")


async def test_a_higher_priority_goes_first(world: World) -> None:
    await world.start(min_gap="1m")
    await world.campaign("a", 4, pacing={"mode": "blast", "concurrency": 10, "batch_delay": "0s"})
    await world.clock.until(lambda: len(world.channel.deliveries) == 1)
    await world.campaign("b", 3, priority=9, pacing={"mode": "blast", "concurrency": 10, "batch_delay": "0s"})
    await world.finish()
    assert [delivery.recipient[0] for delivery in world.channel.deliveries] == list("abbbaaa")


async def test_people_added_to_a_human_campaign_keep_its_gaps(world: World) -> None:
    await world.start()
    await world.campaign(people=6, pacing=HUMAN)
    await world.clock.until(lambda: len(world.channel.deliveries) == 2)
    await world.people("c", [f"late{i}@example.org" for i in range(6)])
    await world.finish()
    assert len(world.channel.deliveries) == 12
    assert min(world.channel.gaps()) >= 15 * MINUTE


async def test_the_same_seed_gives_the_same_plan(world: World) -> None:
    await world.start()
    await world.campaign("a", 20, pacing=HUMAN, seed=11)
    planned = [job["gap"] for job in world.jobs("a")]
    assert len(set(planned)) > 10
    dry = await world.call("campaign.start", name="a", dry_run=True)
    assert dry["queued"] == 0
    await world.call("campaign.cancel", name="a")
