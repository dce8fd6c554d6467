"""A forecast agrees with the run that follows: within five percent of the time it takes and of each day's count.

Service times and failures of the run are drawn with seeds that the forecast does not see; what it knows of them it
measured at a campaign that ran before.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from run_world import World

from engine.config import load_config
from engine.forecasting import forecast_campaign
from engine.planning.forecast import Forecast
from storage.model import DAY, HOUR, MINUTE, SECOND
from tests.support.scripted import ACCEPT, GREYLISTED, NO_SUCH_USER

EVERYTHING = {"mode": "blast", "concurrency": 10, "batch_delay": "0s"}
BERLIN = {"hours": ["mon-fri 09:00-12:00, 13:00-17:00"], "zone": "Europe/Berlin"}


def foretold(world: World, name: str = "c") -> Forecast:
    config = load_config(world.config)
    return world.read(lambda reader: forecast_campaign(reader, name, config, now=world.clock.now()))


async def measure(world: World, n: int = 60, failing: float = 0.0, seed: int = 101) -> None:
    """Let the account send a little, so that a forecast knows how long that takes."""
    draw = random.Random(seed)
    if failing:
        world.channel.answer = lambda message: (
            GREYLISTED if draw.random() < failing else NO_SUCH_USER if draw.random() < failing / 3 else ACCEPT
        )
    await world.campaign("before", n, pacing=EVERYTHING)
    await world.clock.until(lambda: world.state("before") == "completed")


def sent_by_day(world: World, zone: str, name: str = "c") -> Counter[str]:
    """Accepted messages of a campaign by the account's local day."""
    return Counter(
        datetime.fromtimestamp(job["sent_at"] / SECOND, ZoneInfo(zone)).date().isoformat()
        for job in world.jobs(name)
        if job["sent_at"] is not None
    )


def agrees(world: World, told: Forecast, began: int, name: str = "c") -> None:
    """The judge: finish and count of every day within five percent."""
    sent = [job["sent_at"] for job in world.jobs(name) if job["sent_at"] is not None]
    took = max(sent) - began
    assert told.earliest is not None and told.latest is not None
    middle = (told.earliest + told.latest) / 2 - began
    assert abs(middle - took) <= 0.05 * took, f"foretold {middle / HOUR:.2f} h, it took {took / HOUR:.2f} h"
    real = sent_by_day(world, told.zone, name)
    days = {day["day"]: day["sends"] for day in told.to_dict()["days"]}
    for day in {*real, *days}:
        off = abs(real[day] - days.get(day, 0))
        assert off <= max(2, 0.05 * real[day]), f"{day}: foretold {days.get(day, 0)}, sent {real[day]}"


async def test_a_blast_under_a_cap_a_day(world: World) -> None:
    world.channel.service = (SECOND, 9 * SECOND)
    await world.start(concurrency=5, caps=["100/day calendar", "20/h"], zone="Europe/Berlin")
    await measure(world, 40)
    await world.campaign(people=420, start=False, pacing={"mode": "blast", "concurrency": 5, "batch_delay": "3s"})
    before, began = foretold(world), world.clock.now()
    assert before.assumes == "started now"
    await world.call("campaign.start", name="c")
    told = foretold(world)
    await world.finish()
    agrees(world, told, began)
    agrees(world, before, began)
    assert "100/day calendar" in {day.bound_by for day in told.days}


async def test_a_blast_that_only_its_service_times_and_refusals_slow_down(world: World) -> None:
    world.channel.service = (6 * SECOND, 60 * SECOND)
    await world.start(concurrency=4, retry={"delays": ["1m", "4m"], "give_up": "4h"})
    await measure(world, 500, failing=0.04)
    await world.campaign(people=1_000, pacing={"mode": "blast", "concurrency": 5, "batch_delay": "3s"})
    began, told = world.clock.now(), foretold(world)
    await world.finish()
    assert told.draws > 1 and not told.certain and told.earliest < told.latest
    agrees(world, told, began)
    failed = world.counts()["failed"]
    assert abs(told.failed - failed) <= 0.02 * 1_000


async def test_a_steady_pace_under_a_window(world: World) -> None:
    world.channel.service = (SECOND, 5 * SECOND)
    await world.start(window=BERLIN)
    await world.campaign(people=400, pacing={"mode": "steady", "rate": "30/h", "jitter": 0.4})
    began, told = world.clock.now(), foretold(world)
    assert told.certain, "nothing was measured yet, so nothing is left to chance"
    await world.finish()
    agrees(world, told, began)


async def test_an_account_that_has_never_sent_is_taken_to_need_some_time(world: World) -> None:
    """One connection sends a message at a time, however many are due at once."""
    world.channel.service = (SECOND * 95 // 100, SECOND * 105 // 100)
    await world.start(concurrency=1)
    await world.campaign(people=900, pacing=EVERYTHING)
    began, told = world.clock.now(), foretold(world)
    assert told.certain and not told.measured
    await world.finish()
    agrees(world, told, began)


async def test_a_human_pace_with_a_window_and_a_cap_a_day(world: World) -> None:
    world.channel.service = (SECOND, 30 * SECOND)
    window = {"hours": "mon-fri 09:00-17:00", "zone": "Europe/Berlin"}
    await world.start(caps=["6/day calendar"], zone="Europe/Berlin")
    pacing = {"mode": "human", "gap_min": "15m", "gap_max": "90m"}
    await world.campaign(people=60, start=False, pacing=pacing, window=window)
    before, began = foretold(world), world.clock.now()
    await world.call("campaign.start", name="c")
    told = foretold(world)
    await world.finish()
    agrees(world, before, began)
    agrees(world, told, began)
    assert "6/day calendar" in {day.bound_by for day in told.days}


@pytest.mark.parametrize("limit", [{"min_gap": "30s"}, {"concurrency": 2}], ids=str)
async def test_two_campaigns_that_share_a_queue_by_weight(world: World, limit: dict[str, object]) -> None:
    world.channel.service = (10 * SECOND, 40 * SECOND)
    await world.start(**limit)
    await measure(world, 200)
    await world.campaign("heavy", 240, pacing=EVERYTHING, weight=3)
    await world.campaign("light", 240, pacing=EVERYTHING, weight=1)
    began = world.clock.now()
    heavy, light = foretold(world, "heavy"), foretold(world, "light")
    assert heavy.beside == ("light",)
    await world.finish()
    agrees(world, heavy, began, "heavy")
    agrees(world, light, began, "light")


async def test_a_warm_up(world: World) -> None:
    world.channel.service = (SECOND, 20 * SECOND)
    await world.start(warmup={"start": 5, "step": 5, "ceiling": 40}, zone="America/New_York")
    await world.campaign(people=300)
    began, told = world.clock.now(), foretold(world)
    await world.finish()
    agrees(world, told, began)
    assert [day.sends for day in told.days[:9]] == [5, 10, 15, 20, 25, 30, 35, 40, 40]
    assert {day.bound_by for day in told.days[:-1]} == {"warm-up"}


async def test_a_gap_per_domain(world: World) -> None:
    await world.start(domain_gap="2m")
    people = [f"p{i}@{domain}" for i in range(60) for domain in ("one.example", "two.example", "three.example")]
    await world.campaign(people=people, pacing=EVERYTHING)
    began, told = world.clock.now(), foretold(world)
    await world.finish()
    agrees(world, told, began)


@pytest.mark.parametrize("whose", ["campaign", "account"])
async def test_each_person_in_an_own_zone(world: World, whose: str) -> None:
    window = {"hours": "mon-sun 09:00-11:00", "zone": "Europe/Berlin", "recipient_zone": "zone"}
    await world.start(rate="6/h", **({"window": window} if whose == "account" else {}))
    more = {"window": window} if whose == "campaign" else {}
    await world.campaign(people=0, start=False, pacing=EVERYTHING, **more)
    for zone in ("Asia/Tokyo", "Europe/Berlin", "America/Los_Angeles"):
        city = zone.rpartition("/")[2].lower()
        await world.people("c", [f"{city}{i}@example.org" for i in range(40)], zone=zone)
    await world.call("campaign.start", name="c")
    began, told = world.clock.now(), foretold(world)
    await world.finish()
    agrees(world, told, began)


async def test_a_paused_campaign_is_foretold_as_if_it_were_resumed_now(world: World) -> None:
    await world.start(rate="20/h")
    await world.campaign(people=300, pacing={"mode": "human", "gap_min": "1m", "gap_max": "4m"})
    await world.clock.run(5 * HOUR)
    await world.call("campaign.pause", name="c")
    await world.clock.run(2 * DAY)
    told, began = foretold(world), world.clock.now()
    assert told.assumes == "resumed now"
    already = sum(sent_by_day(world, "UTC").values())
    assert told.open == 300 - already
    await world.call("campaign.resume", name="c")
    await world.finish()
    took = max(job["sent_at"] for job in world.jobs()) - began
    assert told.earliest is not None and told.latest is not None
    assert told.earliest - began <= took * 1.05 and told.latest - began >= took * 0.95


async def test_what_was_sent_before_counts_against_the_caps(world: World) -> None:
    await world.start(daily_cap=50)
    await world.campaign("before", 50, pacing=EVERYTHING)
    await world.clock.until(lambda: world.state("before") == "completed")
    await world.clock.run(3 * HOUR)
    await world.campaign(people=20, pacing=EVERYTHING)
    told, began = foretold(world), world.clock.now()
    assert told.first is not None and told.first - began >= 20 * HOUR
    await world.finish()
    assert abs(world.channel.starts[50] - told.first) <= 2 * MINUTE


async def test_held_people_and_closed_doors_are_named(world: World) -> None:
    world.allow = ["*@home.example"]
    await world.start()
    await world.campaign(people=0, live=False, start=False, text="Hi {{ first }}")
    await world.people("c", ["a@home.example", "b@away.example"], first="Ada")
    await world.people("c", ["c@home.example"])
    await world.call("queue.pause", name="one")
    told = foretold(world)
    assert told.sends == 2 and told.held == {"missing field: first": 1}
    assert told.assumes == "set live (1 not on the allow-list), started now, queue one resumed"


async def test_a_window_that_never_opens_for_somebody_is_told(world: World) -> None:
    await world.start(window={"hours": "mon-fri 09:00-10:00", "zone": "Europe/Berlin"})
    hours = {"hours": "mon-fri 09:00-10:00", "zone": "Europe/Berlin", "recipient_zone": "zone"}
    await world.campaign(people=0, start=False, window=hours)
    await world.people("c", ["a@example.org"], zone="Europe/Berlin")
    await world.people("c", ["b@example.org", "c@example.org"], zone="Pacific/Auckland")
    told = foretold(world)
    assert (told.sends, told.never) == (1, 2)


async def test_the_same_store_gives_the_same_forecast(world: World) -> None:
    world.channel.service = (SECOND, 30 * SECOND)
    await world.start(concurrency=2)
    await measure(world, 30)
    await world.campaign(people=100)
    assert foretold(world) == foretold(world)
    assert all(one.begins < other.begins for one, other in itertools.pairwise(foretold(world).days))
