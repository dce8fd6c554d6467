"""Live tuning on the simulated clock: limits, window, share and weight change while messages leave."""

from __future__ import annotations

from typing import Any

import pytest
from run_world import World

from storage.errors import PacelineError, UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND

STEADY = {"mode": "steady", "rate": "60/min", "jitter": 0}


def sent(world: World) -> int:
    return len(world.channel.deliveries)


async def test_a_lower_rate_holds_at_once_without_a_restart_and_a_reset_lifts_it(world: World) -> None:
    await world.start(rate="60/min")
    await world.campaign(people=400, pacing=STEADY)
    await world.clock.run(2 * MINUTE)
    before = sent(world)
    assert before >= 100
    await world.clock.run(MINUTE)  # the window of the old rate is full of its own starts
    answer = await world.call("queue.tune", name="one", set={"rate": "6/min"})
    tuned = sent(world)
    await world.clock.run(10 * MINUTE)
    assert sent(world) - tuned <= 6 * 10
    assert sent(world) > tuned
    assert answer["tuning"] == {"caps": ["6/min"]}
    assert answer["was"] == {}
    assert (await world.call("queue.tune", name="one", reset=["rate"]))["tuning"] == {}
    await world.finish()
    assert world.counts() == {"completed": 400}
    assert world.channel.twice == []


async def test_a_tuning_is_kept_over_a_restart(world: World) -> None:
    await world.start(concurrency=5)
    await world.call("queue.tune", name="one", set={"concurrency": 1, "min_gap": "1m"})
    await world.restart()
    await world.campaign(people=5, pacing={"mode": "blast", "concurrency": 5, "batch_delay": "1s"})
    await world.finish()
    assert min(world.channel.gaps()) >= MINUTE


async def test_what_is_in_flight_is_left_alone_by_a_tuning(world: World) -> None:
    world.channel.service = (30 * SECOND, 30 * SECOND)
    await world.start(concurrency=5)
    await world.campaign(people=5, pacing={"mode": "blast", "concurrency": 5, "batch_delay": "1s"})
    await world.clock.run(5 * SECOND)
    flying = world.engine.in_flight()
    assert flying == 5
    closed = {"hours": "daily 03:00-03:01", "zone": "UTC", "closed": []}
    await world.call("queue.tune", name="one", set={"concurrency": 1, "window": closed})
    assert world.engine.in_flight() == flying
    await world.clock.run(MINUTE)
    assert world.counts() == {"completed": 5}
    assert all(job["attempts"] == 1 for job in world.jobs())


async def test_another_window_plans_what_waits_anew_and_the_undo_gives_the_old_tuning_back(world: World) -> None:
    await world.start()
    await world.campaign(people=30, pacing={"mode": "steady", "rate": "1/min", "jitter": 0})
    await world.clock.run(3 * MINUTE)
    left = sum(job["state"] == "pending" for job in world.jobs())
    today = _hour(world.clock.now() + 2 * HOUR)
    window = {"hours": f"daily {today:02d}:00-{(today + 1) % 24:02d}:00", "zone": "UTC"}
    answer = await world.call("queue.tune", name="one", set={"window": window})
    assert answer["planned"] == left
    assert all(_hour(job["due_at"]) == today for job in world.jobs() if job["state"] == "pending")
    undone = await world.call("queue.tune", name="one", exactly=answer["was"])
    assert undone["tuning"] == {}
    assert max(job["due_at"] for job in world.jobs()) <= world.clock.now() + 31 * MINUTE
    await world.finish()


def _hour(at: int) -> int:
    return at // HOUR % 24


async def test_a_daily_cap_leaves_the_rate_and_a_rate_leaves_the_daily_cap(world: World) -> None:
    await world.start(rate="60/min", daily_cap=500)

    async def caps(**args: Any) -> list[str]:
        return list((await world.call("queue.tune", name="one", **args))["limits"]["caps"])

    assert await caps(set={"caps": ["400/day", "2000/week calendar"]}) == ["60/min", "400/day", "2000/week calendar"]
    assert await caps(set={"rate": "30/h"}) == ["30/h", "400/day", "2000/week calendar"]
    assert await caps(reset=["rate"]) == ["60/min", "400/day", "2000/week calendar"]
    assert await caps(set={"caps": ["10/min", "300/day"]}) == ["10/min", "300/day"]
    assert await caps(set={"rate": None, "caps": []}) == []
    assert await caps(reset=["rate", "caps"]) == ["60/min", "500/day"]
    assert world.queue()["tuning"] == "{}"


async def test_a_limit_that_is_typed_leaves_those_of_other_periods(world: World) -> None:
    """2/min, 40/h and 500/day are one sender's three ceilings: to slow the first one down must not lift the others."""
    await world.start(rate="2/min", daily_cap=30, caps=["40/h", "100/week"])

    async def caps(**wanted: Any) -> list[str]:
        return list((await world.call("queue.tune", name="one", set=wanted))["limits"]["caps"])

    assert await caps(rate="1/min") == ["1/min", "40/h", "30/day", "100/week"]
    assert await caps(rate="20/h") == ["1/min", "20/h", "30/day", "100/week"]
    assert await caps(cap=["35/day calendar"]) == ["1/min", "20/h", "35/day calendar", "100/week"]
    assert await caps(cap=["30/h", "80/week"]) == ["1/min", "30/h", "35/day calendar", "80/week"]
    assert await caps(rate="3/min", cap=["9/h"]) == ["3/min", "9/h", "35/day calendar", "80/week"]
    assert await caps(rate=["5/min", "50/h"]) == ["5/min", "50/h", "35/day calendar", "80/week"]
    assert await caps(rate=[]) == ["35/day calendar", "80/week"]
    assert await caps(cap=["6/min"], caps=[]) == ["6/min"]


async def test_a_dry_run_says_what_it_would_be_and_changes_nothing(world: World) -> None:
    await world.start(rate="60/min")
    answer = await world.call("queue.tune", name="one", set={"rate": "30/min", "concurrency": 2}, dry_run=True)
    assert answer["limits"]["caps"] == ["30/min"]
    assert answer["message"] == "queue one would have: at once 2, cap 30/min, no cap 60/min any more"
    assert world.queue()["tuning"] == "{}"
    assert world.events("queue.tuned") == []


@pytest.mark.parametrize(
    "wanted",
    [
        {"set": {"rate": "30/week"}}, {"set": {"rate": 5}}, {"set": {"cap": ["none"]}},
        {"set": {"speed": "1/s"}}, {"reset": ["speed"]}, {"set": {"caps": ["none"]}},
        {"set": {"concurrency": 0}}, {"set": {"window": {"hours": "never"}}}, {"set": {"window": "9-17"}},
        {"set": {"warmup": {"start": 5}}}, {"set": {"min_gap": 5}}, {"exactly": {"rates": "1/min"}},
    ],
)  # fmt: skip
async def test_a_limit_that_is_none_changes_nothing(world: World, wanted: dict[str, Any]) -> None:
    await world.start()
    with pytest.raises(UsageError):
        await world.call("queue.tune", name="one", **wanted)
    assert world.queue()["tuning"] == "{}"


async def test_a_window_without_a_zone_is_one_of_the_accounts_clocks(world: World) -> None:
    await world.start(zone="Asia/Tokyo")
    answer = await world.call("queue.tune", name="one", set={"window": {"hours": "mon-fri 9-17"}})
    assert answer["limits"]["window"]["zone"] == "Asia/Tokyo"


async def test_a_campaigns_share_and_window_change_live_and_go_back_as_they_were(world: World) -> None:
    await world.start()
    await world.campaign(people=60, pacing={"mode": "steady", "rate": "1/min", "jitter": 0})
    await world.clock.run(3 * MINUTE)
    left = sum(job["state"] == "pending" for job in world.jobs())
    hour = _hour(world.clock.now() + 5 * HOUR)
    window = {"hours": f"daily {hour:02d}:00-{hour:02d}:30", "zone": "UTC"}
    answer = await world.call("campaign.tune", name="c", priority=8, weight=3, concurrency=2, window=window)
    assert answer["queued"] == left
    row = world.row()
    assert (row["priority"], row["weight"], row["concurrency"]) == (8, 3, 2)
    assert all(_hour(job["due_at"]) == hour for job in world.jobs() if job["state"] == "pending")
    assert answer["was"] == {"priority": 5, "weight": 1, "concurrency": 5, "window": {}}
    await world.call("campaign.tune", name="c", **answer["was"])
    assert world.row()["hours"] == {}
    assert max(job["due_at"] for job in world.jobs()) <= world.clock.now() + 61 * MINUTE
    await world.finish()
    assert world.counts() == {"completed": 60}


async def test_a_heavier_weight_takes_more_turns_of_the_queue_from_then_on(world: World) -> None:
    await world.start(rate="60/min", concurrency=1)
    blast = {"mode": "blast", "concurrency": 5, "batch_delay": "0s"}
    await world.campaign("a", people=600, pacing=blast)
    await world.campaign("b", people=600, pacing=blast)
    await world.clock.run(4 * MINUTE)
    first = {name: world.counts(name).get("completed", 0) for name in "ab"}
    assert abs(first["a"] - first["b"]) <= 61, first
    await world.call("campaign.tune", name="b", weight=3)
    await world.clock.run(6 * MINUTE)
    then = {name: world.counts(name)["completed"] - first[name] for name in "ab"}
    assert then["b"] >= 2.5 * then["a"], then
    await world.call("campaign.cancel", name="a")
    await world.call("campaign.cancel", name="b")
    await world.clock.run(MINUTE)


async def test_a_tuned_cap_holds_within_any_day(world: World) -> None:
    await world.start()
    await world.call("queue.tune", name="one", set={"caps": ["20/day"]})
    await world.campaign(people=50, pacing={"mode": "blast", "concurrency": 5, "batch_delay": "1s"})
    await world.finish()
    starts = world.channel.starts
    assert len(starts) == 50
    assert all(b - a >= DAY for a, b in zip(starts, starts[20:], strict=False))


async def test_a_completed_campaign_and_an_unknown_queue_are_refused(world: World) -> None:
    await world.start()
    await world.campaign(people=1)
    await world.clock.run(HOUR)
    with pytest.raises(PacelineError, match="completed"):
        await world.call("campaign.tune", name="c", weight=2)
    with pytest.raises(PacelineError, match="nobody"):
        await world.call("queue.tune", name="nobody", set={"concurrency": 1})


async def test_what_is_set_to_what_the_configuration_says_is_not_tuned(world: World) -> None:
    await world.start(rate="60/min", concurrency=5)
    await world.call("queue.tune", name="one", set={"concurrency": 2, "rate": "30/min"})
    answer = await world.call("queue.tune", name="one", set={"concurrency": 5, "rate": "60/min", "window": None})
    assert answer["tuning"] == {}
