"""Windows through the whole engine: nothing leaves outside, nobody is lost, whatever the clocks of a zone do."""

from __future__ import annotations

from typing import Any

import pytest
from run_world import World, slow_heart

from engine.channels.channel import Session
from engine.planning.windows import Window
from storage.model import DAY, HOUR, MINUTE, SECOND
from tests.support.counted import by_calendar
from tests.support.scripted import ScriptedChannel
from tests.support.window_oracle import local, open_by_the_clock, wall_time

AT_ONCE: dict[str, Any] = {"mode": "blast", "concurrency": 5, "batch_delay": "0s"}
STEADY: dict[str, Any] = {"mode": "steady", "rate": "12/h", "jitter": 0.8}
OFFICE = {"hours": "mon-fri 09:00-17:00", "zone": "Europe/Berlin"}
LATE = 2 * SECOND


@pytest.fixture(autouse=True)
def a_slow_heart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    slow_heart(monkeypatch)


def outside(world: World, window: dict[str, Any], zones: dict[str, str] | None = None) -> list[str]:
    """Who began while the clock on the wall showed no minute of the window."""
    known = Window.from_dict(window)
    return [
        f"{start.recipient} at {local(start.at, zone)} {zone}"
        for start in world.channel.begun
        for zone in [(zones or {}).get(start.recipient, known.zone)]
        if not open_by_the_clock(known, wall_time(start.at, zone))
    ]


CHANGES = [
    ("2026-03-27T12:00Z", "Europe/Berlin"),
    ("2026-10-23T12:00Z", "Europe/Berlin"),
    ("2026-03-06T12:00Z", "America/New_York"),
    ("2026-10-30T12:00Z", "America/New_York"),
    ("2026-04-03T12:00Z", "Australia/Lord_Howe"),
    ("2026-10-02T12:00Z", "Australia/Lord_Howe"),
]


@pytest.mark.parametrize(
    ("whose", "hours"),
    [("queue", "daily 22:00-03:00"), ("campaign", "daily 22:00-03:00"), ("queue", "daily 01:30-02:30")],
)
@pytest.mark.parametrize(("begin", "zone"), CHANGES)
async def test_nothing_leaves_outside_when_clocks_change(
    world: World, whose: str, begin: str, zone: str, hours: str
) -> None:
    world.set_clock(begin)
    window = {"hours": hours, "zone": zone}
    await world.start(**({"window": window} if whose == "queue" else {}))
    await world.campaign(people=40, pacing=STEADY, **({"window": window} if whose == "campaign" else {}))
    await world.clock.run(DAY + 7 * HOUR)
    await world.restart(after=HOUR)
    await world.sent(40)
    assert outside(world, window) == []
    assert world.channel.twice == [] and world.counts() == {"completed": 40}
    gaps = world.channel.gaps()
    assert min(gaps) >= MINUTE


async def test_a_window_that_is_cut_by_a_change_of_clocks_is_used_to_its_end(world: World) -> None:
    """22:00 to 03:00 lasts four hours in the night in which clocks go forward, and six when they go back."""
    lasted = {}
    for begin in ("2026-03-28T12:00Z", "2026-10-24T12:00Z"):
        world.set_clock(begin)
        await world.start(window={"hours": "sat 22:00-03:00", "zone": "Europe/Berlin"})
        before = len(world.channel.begun)
        await world.campaign(begin[:7], 190, pacing={"mode": "steady", "rate": "30/h", "jitter": 0})
        await world.clock.run(DAY)
        lasted[begin[:7]] = len(world.channel.begun) - before
        await world.call("campaign.cancel", name=begin[:7])
        await world.stop()
    assert lasted["2026-03"] in range(119, 122)
    assert lasted["2026-10"] in range(179, 182)


async def test_queue_and_campaign_are_open_together(world: World) -> None:
    world.set_clock("2026-01-01T12:00Z")
    queue = {"hours": "daily 08:00-14:00", "zone": "Europe/Berlin"}
    campaign = {"hours": "mon,wed 06:00-12:00; sun 10:00-11:00", "zone": "America/New_York"}
    await world.start(window=queue)
    await world.campaign(people=60, window=campaign, pacing=STEADY)
    await world.campaign("other", 60, pacing=STEADY)
    await world.sent(120)
    world.channel.begun, everybody = [s for s in world.channel.begun if s.recipient[0] == "c"], world.channel.begun
    assert len(world.channel.begun) == 60
    assert outside(world, campaign) == [] and outside(world, queue) == []
    world.channel.begun = everybody
    assert outside(world, queue) == []


ZONES = ["Pacific/Auckland", "Asia/Kolkata", "America/New_York", "Nowhere/Atall", "", "  Europe/Berlin "]


@pytest.mark.parametrize("whose", ["queue", "campaign"])
async def test_each_person_is_written_to_in_the_own_office_hours(world: World, whose: str) -> None:
    world.set_clock("2026-03-26T12:00Z")
    window = {**OFFICE, "recipient_zone": "tz"}
    zones = {}
    await world.start(**({"window": window} if whose == "queue" else {}))
    await world.campaign(people=0, start=False, **({"window": window} if whose == "campaign" else {}), pacing=STEADY)
    for number, zone in enumerate(ZONES):
        people = [f"z{number}-{i}@example.org" for i in range(10)]
        await world.people("c", people, tz=zone)
        known = zone.strip() if "/" in zone and "Nowhere" not in zone else "Europe/Berlin"
        zones |= dict.fromkeys(people, known)
    await world.call("campaign.start", name="c")
    await world.clock.run(20 * HOUR)
    await world.restart(after=2 * HOUR)
    await world.sent(60)
    assert outside(world, window, zones) == []
    assert sorted(world.channel.accepted) == sorted(zones)
    assert len({start.at // DAY for start in world.channel.begun}) >= 2


class LateDoor(ScriptedChannel):
    """A server whose connections take half a minute."""

    async def open(self) -> Session:
        await self.clock.sleep(30 * SECOND)
        return await super().open()


@pytest.mark.parametrize("whose", ["queue", "campaign"])
async def test_a_window_that_closes_between_claim_and_intent_stops_the_send(world: World, whose: str) -> None:
    """Three are claimed before five o'clock; only one has its connection by then."""
    world.set_clock("2026-01-05T16:59:15+01:00")
    world.channel = world.channels["one"] = LateDoor(world.clock, service=(20 * SECOND, 20 * SECOND))
    await world.start(concurrency=3, **({"window": OFFICE} if whose == "queue" else {}))
    more = {"window": OFFICE} if whose == "campaign" else {}
    await world.campaign(people=6, concurrency=3, pacing=AT_ONCE, **more)
    await world.clock.run(40 * SECOND)
    assert (len(world.channel.begun), world.counts()) == (1, {"processing": 3, "pending": 3})
    await world.clock.run(2 * HOUR)
    assert (len(world.channel.begun), world.counts()) == (1, {"completed": 1, "pending": 5})
    await world.sent(6)
    assert outside(world, OFFICE) == []
    assert local(world.channel.starts[1], "Europe/Berlin").startswith("2026-01-06 09:00")


@pytest.mark.parametrize("whose", ["queue", "campaign"])
async def test_a_window_that_is_tuned_holds_at_once(world: World, whose: str) -> None:
    world.set_clock("2026-01-05T10:00:00+01:00")
    await world.start()
    await world.campaign(people=80, pacing={"mode": "steady", "rate": "60/h", "jitter": 0})
    await world.clock.run(30 * MINUTE)
    before = len(world.channel.begun)
    assert before in range(28, 32)
    later = {"hours": "daily 13:00-14:00", "zone": "Europe/Berlin"}
    if whose == "queue":
        await world.call("queue.tune", name="one", set={"window": later})
    else:
        await world.call("campaign.tune", name="c", window=later)
    await world.clock.run(2 * HOUR)
    assert len(world.channel.begun) - before <= 1
    await world.sent(80)
    world.channel.begun = world.channel.begun[before + 1 :]
    assert outside(world, later) == []


async def test_holidays_and_own_dates_are_closed(world: World) -> None:
    world.set_clock("2026-04-01T08:00:00+02:00")
    window = {"hours": "mon-fri 09:00-17:00", "zone": "Europe/Berlin", "holidays": ["DE"], "closed": ["2026-04-08"]}
    await world.start(window=window, caps=["10/day calendar"], zone="Europe/Berlin")
    await world.campaign(people=50, pacing=AT_ONCE)
    await world.sent(50)
    # Good Friday is the 3rd, Easter Monday the 6th.
    assert list(by_calendar(world.channel.starts, DAY, "Europe/Berlin")) == [
        "2026-04-01", "2026-04-02", "2026-04-07", "2026-04-09", "2026-04-10",
    ]  # fmt: skip


async def test_a_morning_begins_where_the_evening_ended(world: World) -> None:
    """Gaps go on in open time: no burst at nine."""
    world.set_clock("2026-01-05T08:00:00+01:00")
    await world.start(window=OFFICE)
    await world.campaign(people=60, pacing={"mode": "human", "gap_min": "15m", "gap_max": "45m"})
    await world.sent(60)
    assert outside(world, OFFICE) == []
    assert min(world.channel.gaps()) >= 15 * MINUTE
    assert [start.recipient for start in world.channel.begun] == [job["address"] for job in world.jobs()]
