"""The one line that says how long it takes, judged by a run: people with clocks of their own, several accounts."""

from __future__ import annotations

from typing import Any

import pytest
from run_world import World, slow_heart

from engine.preflight.examine import examine
from storage.model import DAY, HOUR, MINUTE

OFFICE: dict[str, Any] = {"hours": "daily 09:00-17:00", "zone": "Europe/Berlin"}
THEIRS = {**OFFICE, "recipient_zone": "tz"}
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "America/Los_Angeles")
HOURLY: dict[str, Any] = {"mode": "human", "gap_min": "30m", "gap_max": "40m"}


@pytest.fixture
def quiet(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    slow_heart(monkeypatch, HOUR)
    world.set_clock("2026-01-05T05:00Z")
    return world


async def lettered(world: World, zones: tuple[str, ...], people: int, **more: Any) -> None:
    """A draft with people of these zones in turn, none of whom was planned for."""
    await world.campaign(people=0, start=False, window=THEIRS, pacing=HOURLY, **more)
    for n in range(people):
        await world.people("c", [f"p{n}@example.org"], tz=zones[n % len(zones)])


async def told(world: World) -> list[dict[str, Any]]:
    """What preflight, the question before the start and the start say, in this order."""
    engine = world.engine
    report = await examine(engine.store.read, engine.context.config, "c", now=world.clock.now())
    asked = await world.call("campaign.start", name="c", dry_run=True)
    started = await world.call("campaign.start", name="c")
    return [report.to_json(), asked, started]


def last_start(world: World) -> int:
    """Through whichever account."""
    return max(row["counted_at"] for row in world.rows("SELECT counted_at FROM attempts"))


@pytest.mark.parametrize("zones", [ZONES[:1], ZONES[1:2], ZONES], ids=["home", "far", "mixed"])
async def test_the_estimate_holds_for_people_who_are_written_to_by_their_own_clocks(
    quiet: World, zones: tuple[str, ...]
) -> None:
    await quiet.start()
    await lettered(quiet, zones, 40)
    begin = quiet.clock.now()
    said = await told(quiet)
    await quiet.finish()
    took = quiet.channel.times[-1] - begin
    assert len(quiet.channel.deliveries) == 40
    for line in said:
        # Its upper end is that of gaps of 40 minutes each.
        assert took <= line["estimated_completion"] - begin + MINUTE
        assert line["estimated_completion"] - begin <= took + DAY
    assert len({line["estimate"] for line in said}) == 1


async def test_people_of_another_continent_take_longer_than_the_windows_own_zone_says(quiet: World) -> None:
    """Twelve gaps of half an hour fit one day of eight hours at home. In Los Angeles that day begins at 18:00 here."""
    await quiet.start()
    await lettered(quiet, ZONES[3:], 12)
    begin = quiet.clock.now()
    _, asked, _ = await told(quiet)
    assert asked["first_due"] - begin == 12 * HOUR
    await quiet.finish()
    assert quiet.channel.times[0] - begin >= 12 * HOUR
    assert quiet.channel.times[-1] <= asked["estimated_completion"] + MINUTE


async def test_who_is_never_open_together_with_the_account_is_told_beside_the_range(quiet: World) -> None:
    await quiet.start(window={"hours": "daily 09:00-12:00", "zone": "Europe/Berlin"})
    await lettered(quiet, ZONES[:2], 6)
    for line in await told(quiet):
        assert line["estimate"].endswith("; the windows of 3 of them never open")
        assert line["estimated_completion"] < quiet.clock.now() + 2 * DAY


async def test_a_window_of_the_account_counts_beside_that_of_the_campaign(quiet: World) -> None:
    """Open together for two hours a day: three gaps or four, so that twelve messages take three days at least."""
    await quiet.start(window={"hours": "daily 15:00-20:00", "zone": "Europe/Berlin"})
    await lettered(quiet, ZONES[:1], 12)
    begin = quiet.clock.now()
    said = await told(quiet)
    await quiet.finish()
    for line in said:
        assert quiet.channel.times[-1] <= line["estimated_completion"] + MINUTE
        assert line["estimated_completion"] - begin > 2 * DAY


async def test_several_accounts_are_told_by_all_messages_and_by_the_slowest(quiet: World) -> None:
    quiet.accounts = {"one": {}, "two": {"min_gap": "2h"}}
    await quiet.start()
    await quiet.campaign(people=8, start=False, pacing={**HOURLY, "gap_max": "30m"}, also=["two"])
    begin = quiet.clock.now()
    said = await told(quiet)
    await quiet.finish()
    last = last_start(quiet)
    for line in said:
        assert line["estimate"].startswith("8 through 2 accounts at ")
        assert last - MINUTE <= line["estimated_completion"] <= begin + 7 * HOUR


async def test_after_an_edit_of_the_pace_what_waits_is_told_by_account_and_clock(quiet: World) -> None:
    quiet.accounts = {"one": {}, "two": {}}
    await quiet.start()
    await lettered(quiet, ZONES[3:], 12, also=["two"])
    await quiet.call("campaign.start", name="c")
    begin = quiet.clock.now()
    faster = {**HOURLY, "gap_min": "10m", "gap_max": "10m"}
    edited = await quiet.call("campaign.pace", name="c", pacing=faster)
    assert edited["estimate"] == "12 through 2 accounts at 10m takes 12h50m"
    tuned = await quiet.call("campaign.tune", name="c", window={**THEIRS, "hours": "daily 10:00-17:00"})
    assert tuned["queued"] == 12
    await quiet.finish()
    last = last_start(quiet)
    assert 13 * HOUR <= last - begin <= 14 * HOUR


async def test_an_edit_tells_what_a_start_of_the_same_plan_would_tell(quiet: World) -> None:
    zones = (ZONES[3], ZONES[1], ZONES[2])
    await quiet.start()
    await lettered(quiet, zones, 40)
    await quiet.call("campaign.start", name="c")
    in_order = sorted(quiet.jobs("c"), key=lambda job: (job["due_at"], job["id"]))
    faster = {**HOURLY, "gap_min": "10m", "gap_max": "15m"}
    edited = await quiet.call("campaign.pace", name="c", pacing=faster)
    await quiet.campaign("d", people=0, start=False, window=THEIRS, pacing=faster)
    for n, job in enumerate(in_order):
        zone = zones[int(job["address"].partition("@")[0].removeprefix("p")) % len(zones)]
        await quiet.people("d", [f"q{n:02}@example.org"], tz=zone)
    started = await quiet.call("campaign.start", name="d", dry_run=True)
    assert edited["queued"] == started["queued"] == 40
    assert edited["estimate"] == started["estimate"]
