"""Campaigns of one account share its queue: by weight, by priority, and nobody starves."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest
from explain_world import ask_campaign
from run_world import World, slow_heart

from storage.model import DAY, HOUR, MINUTE, SECOND
from storage.shares import AGEING, SAVED_ROUNDS

AT_ONCE: dict[str, Any] = {"mode": "blast", "concurrency": 100, "batch_delay": "0s"}
HUMAN: dict[str, Any] = {"mode": "human", "gap_min": "15m", "gap_max": "30m"}


def waits_for_brief(world: World) -> list[bool]:
    """What the explanation of the campaign `open` says of its turn."""
    return ["brief" in gate.words for gate in ask_campaign(world, "open").gates if gate.name == "turn"]


def turns(world: World) -> list[str]:
    """The campaign of each start, in order; a campaign's people carry its name."""
    return [start.recipient.partition("@")[0].rstrip("0123456789") for start in world.channel.begun]


@pytest.fixture(autouse=True)
def a_slow_heart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_heart(monkeypatch, HOUR)


@pytest.mark.parametrize("weights", [(1, 3), (1, 1, 2), (5, 2)])
async def test_a_queue_with_a_gap_is_shared_by_weight(world: World, weights: tuple[int, ...]) -> None:
    """After every start each campaign has its share, one start more or less."""
    await world.start(min_gap="10s")
    for name, weight in zip("abc", weights, strict=False):
        await world.campaign(name, 60, weight=weight, pacing=AT_ONCE)
    await world.clock.until(lambda: len(world.channel.begun) >= 1)
    await world.clock.run(60 * 10 * SECOND)
    taken: Counter[str] = Counter()
    # The first one began while there was nobody to share with.
    for n, name in enumerate(turns(world)[1:60], 1):
        taken[name] += 1
        for other, weight in zip("abc", weights, strict=False):
            assert abs(taken[other] - n * weight / sum(weights)) <= 1, (n, taken)


@pytest.mark.parametrize("restart", [False, True])
async def test_places_at_once_are_shared_by_weight(world: World, restart: bool) -> None:
    world.channel.service = (SECOND, 3 * SECOND)
    await world.start(concurrency=8)
    await world.campaign("a", 300, weight=1, concurrency=50, pacing=AT_ONCE)
    await world.campaign("b", 300, weight=3, concurrency=50, pacing=AT_ONCE)
    await world.clock.run(10 * SECOND)
    if restart:
        await world.restart()
    before = len(world.channel.begun)
    await world.clock.run(40 * SECOND)
    share = Counter(turns(world)[before:])
    assert abs(share["a"] - share.total() / 4) <= 4, share


async def test_a_test_of_three_begins_within_one_round_of_a_large_campaign(world: World) -> None:
    world.channel.service = (SECOND, SECOND)
    await world.start(concurrency=5)
    await world.campaign("large", 20_000, pacing=AT_ONCE, concurrency=50)
    await world.clock.run(5 * SECOND)
    before = len(world.channel.begun)
    await world.campaign("test", 3, pacing=AT_ONCE)
    await world.clock.run(2 * SECOND)
    assert "test" in turns(world)[before : before + 2 * 5]
    await world.clock.run(2 * SECOND)
    assert world.state("test") == "completed"
    await world.call("campaign.cancel", name="large")


async def test_priority_goes_first_and_waiting_lets_the_low_one_go(world: World) -> None:
    await world.start(min_gap="1m")
    await world.campaign("low", 30, priority=4, pacing=AT_ONCE)
    await world.campaign("high", 200, priority=7, pacing=AT_ONCE)
    await world.clock.run(3 * HOUR)
    order = turns(world)
    lows = [start.at for start in world.channel.begun if start.recipient.startswith("low")]
    assert order[:20].count("high") >= 19
    assert len(lows) >= 5, "waiting raises it by one step in ten minutes"
    # Three steps lie between them, and it has to be higher or as high with less of its share.
    assert max(itertools.starmap(lambda one, two: two - one, itertools.pairwise(lows))) <= 4 * AGEING + MINUTE


async def test_a_campaign_that_had_nothing_to_send_does_not_save_its_turns_up(world: World) -> None:
    await world.start(min_gap="10s")
    await world.campaign("idle", 1, pacing=AT_ONCE)
    await world.campaign("busy", 400, pacing=AT_ONCE)
    held = await world.campaign("open", 1, pacing={"mode": "human", "gap_min": "3h", "gap_max": "3h"})
    assert held["queued"] == 1
    await world.clock.run(HOUR)
    before = len(world.channel.begun)
    await world.call("campaign.pace", name="open", pacing={"mode": "blast", "concurrency": 50, "batch_delay": "0s"})
    await world.people("open", [f"open{i:05d}@example.org" for i in range(1, 60)])
    await world.clock.run(10 * MINUTE)
    first = turns(world)[before : before + 40]
    assert first[:SAVED_ROUNDS].count("open") >= SAVED_ROUNDS - 1
    assert abs(first[SAVED_ROUNDS + 1 :].count("open") - first[SAVED_ROUNDS + 1 :].count("busy")) <= 2


async def test_people_of_two_human_campaigns_of_one_account_see_one_hand(world: World) -> None:
    """Their gaps count across campaigns: from outside it is one person who writes."""
    await world.start()
    await world.campaign("a", 20, pacing=HUMAN)
    await world.campaign("b", 20, pacing=HUMAN, seed=8)
    await world.clock.run(3 * HOUR)
    await world.restart()
    await world.campaign("c", 10, pacing=HUMAN, seed=9)
    await world.finish()
    assert len(world.channel.begun) == 50
    assert min(world.channel.gaps()) >= 15 * MINUTE
    assert max(world.channel.gaps()) <= 60 * MINUTE
    for name in "abc":
        mine = [start.recipient for start in world.channel.begun if start.recipient.startswith(name)]
        assert mine == [job["address"] for job in world.jobs(name)]


async def test_a_blast_beside_a_human_campaign_does_not_wait_for_its_gaps(world: World) -> None:
    await world.start()
    await world.campaign("human", 5, pacing=HUMAN)
    await world.campaign("blast", 20, pacing=AT_ONCE)
    await world.clock.run(MINUTE)
    assert world.state("blast") == "completed"
    await world.finish()
    starts = [start.at for start in world.channel.begun if start.recipient.startswith("human")]
    assert min(itertools.starmap(lambda one, two: two - one, itertools.pairwise(starts))) >= 15 * MINUTE


async def test_a_weight_that_is_tuned_counts_from_then_on(world: World) -> None:
    await world.start(min_gap="10s")
    await world.campaign("a", 200, pacing=AT_ONCE)
    await world.campaign("b", 200, pacing=AT_ONCE)
    await world.clock.run(10 * MINUTE)
    before = len(world.channel.begun)
    await world.call("campaign.tune", name="b", weight=4)
    await world.clock.run(25 * 10 * SECOND)
    share = Counter(turns(world)[before:])
    assert abs(share["b"] - 20) <= 2 and abs(share["a"] - 5) <= 2


@pytest.mark.parametrize("restart", [False, True])
async def test_a_human_campaign_with_longer_gaps_has_its_turns_beside_one_with_shorter(
    world: World, restart: bool
) -> None:
    """Whose turn it is keeps it while its gap lasts: else the shorter gap would go first for ever."""
    await world.start()
    await world.campaign("large", 100, pacing={"mode": "human", "gap_min": "15m", "gap_max": "20m"})
    await world.clock.run(2 * HOUR)
    await world.campaign("test", 3, pacing={"mode": "human", "gap_min": "30m", "gap_max": "40m"}, seed=8)
    if restart:
        await world.restart()
    before = len(world.channel.begun)
    await world.clock.run(4 * HOUR)
    assert Counter(turns(world)[before:])["test"] == 3
    for one, two in itertools.pairwise(world.channel.begun):
        least = 30 * MINUTE if two.recipient.startswith("test") else 15 * MINUTE
        assert two.at - one.at >= least
    await world.call("campaign.cancel", name="large")


@pytest.mark.parametrize("longest", ["30m", "90m"])
async def test_human_campaigns_of_one_account_share_it_by_weight(world: World, longest: str) -> None:
    await world.start()
    pacing = {"mode": "human", "gap_min": "15m", "gap_max": longest}
    await world.campaign("a", 90, weight=1, pacing=pacing)
    await world.campaign("b", 90, weight=3, pacing=pacing, seed=8)
    await world.clock.until(lambda: len(world.channel.begun) >= 61)
    share = Counter(turns(world)[1:61])
    assert abs(share["a"] - 15) <= 4, share
    for name in "ab":
        await world.call("campaign.cancel", name=name)


@pytest.mark.parametrize("restart", [False, True])
async def test_a_human_campaign_of_one_hour_a_day_sends_each_day_beside_one_that_is_always_open(
    world: World, restart: bool
) -> None:
    """The other one waits where a start of its own would let this one miss its hour, and no longer."""
    world.set_clock("2026-03-23T12:00Z")
    await world.start()
    await world.campaign("open", 200, pacing={"mode": "human", "gap_min": "15m", "gap_max": "40m"})
    hour = {"hours": "daily 09:00-10:00", "zone": "UTC"}
    slow = {"mode": "human", "gap_min": "70m", "gap_max": "90m"}
    await world.campaign("brief", 5, pacing=slow, window=hour, seed=8)
    if restart:
        await world.restart()
    await world.clock.run(4 * DAY - 4 * HOUR)
    assert waits_for_brief(world) == [False], "at eight it may begin: 90 minutes later the hour has not ended"
    await world.clock.run(50 * MINUTE)
    assert waits_for_brief(world) == [True]
    await world.clock.run(2 * DAY + 3 * HOUR + 10 * MINUTE)
    began = [start for start in world.channel.begun if start.recipient.startswith("brief")]
    days = [start.at // DAY for start in began]
    # Its first message is due within its hour on the third day; from then on it waits for its turn.
    assert len(days) == 4
    assert days == list(range(days[0], days[0] + 4))
    for one, two in itertools.pairwise(world.channel.begun):
        assert two.at - one.at >= (70 if two in began else 15) * MINUTE
        if two in began:
            assert 9 * HOUR <= two.at % DAY < 10 * HOUR
        elif one not in began:
            assert two.at - one.at <= 40 * MINUTE + 90 * MINUTE
    # Not held for the rest of the day.
    assert len(world.channel.begun) - len(began) == 200
