"""The ETA of a campaign agrees with its forecast where windows and caps bind, and with the run that follows."""

from __future__ import annotations

import pytest
from run_world import World

from storage.model import DAY, HOUR, MINUTE
from storage.reader import Reader
from tui.cli.facts import add_pace
from tui.feed import load_frame
from tui.foreseeing import CHEAP, Foresight
from tui.pace import campaign_finish, limits_of, meant, planned
from tui.screens.overview import load

EVERYTHING = {"mode": "blast", "concurrency": 10, "batch_delay": "0s"}


def eta(world: World, name: str = "c") -> int | None:
    now, row = world.clock.now(), world.row(name)
    world.read(lambda reader: add_pace(reader, row, {}, now))
    return campaign_finish(row, now)


async def test_the_eta_knows_windows_caps_and_the_other_campaign(world: World) -> None:
    await world.start(
        window={"hours": "mon-fri 09:00-17:00", "zone": "Europe/Berlin"}, caps=["40/day calendar"], zone="Europe/Berlin"
    )
    await world.campaign("a", 60, pacing=EVERYTHING)
    await world.campaign("c", 60, pacing=EVERYTHING)
    await world.clock.run(5 * HOUR)
    told = eta(world)
    assert told is not None and told - world.clock.now() > 3 * DAY, "a day of rest, then two of forty for both"
    await world.finish()
    ended = max(job["sent_at"] for job in world.jobs())
    assert abs(told - ended) <= 5 * MINUTE


async def test_a_list_foresees_a_queue_once_until_something_changes(world: World) -> None:
    await world.start(rate="10/h")
    await world.campaign(people=100, pacing=EVERYTHING)
    foresight = Foresight()

    def foreseen() -> int | None:
        row = world.row()
        world.read(lambda reader: foresight.add(reader, [row], world.clock.now()))
        return row["foreseen"]

    first = foreseen()
    assert first is not None and first > world.clock.now() + 8 * HOUR
    (kept,) = foresight._kept.values()
    assert foreseen() == first and next(iter(foresight._kept.values())) is kept
    await world.call("queue.tune", name="one", set={"caps": ["100/h"]})
    assert (again := foreseen()) is not None and again < first
    await world.call("queue.pause", name="one")
    assert foreseen() is None
    await world.call("queue.resume", name="one")


async def test_a_large_queue_is_left_to_the_estimate(world: World) -> None:
    await world.start(rate="10/h")
    await world.campaign(people=CHEAP + 1, pacing=EVERYTHING)
    row = world.row()
    world.read(lambda reader: Foresight().add(reader, [row], world.clock.now()))
    assert row["foreseen"] is None
    await world.call("campaign.cancel", name="c")


async def test_row_1_and_the_overview_reckon_with_every_account_of_a_campaign(world: World) -> None:
    """Of twenty people ten go through each account, which both plan by twelve a minute; one may begin six."""
    world.accounts = {"one": {"rate": "6/min"}, "two": {}}
    await world.start()
    await world.campaign(people=20, also=["two"], pacing={"mode": "steady", "rate": "12/min", "jitter": 0})
    status = {"queues": [{"queue": "one", "caps": [[6, MINUTE]], "min_gap": 0}, {"queue": "two", "caps": []}]}

    def told(reader: Reader) -> tuple[float | None, ...]:
        now = world.clock.now()
        seen = load(reader, now, status)
        return (
            planned(load_frame(reader, now)["campaigns"], limits_of(status)),
            seen["planned"],
            meant(seen["campaigns"][0]),
        )

    assert world.read(told) == pytest.approx((18, 18, 18))
    row, now = world.row(), world.clock.now()
    world.read(lambda reader: add_pace(reader, row, limits_of(status), now))
    row["foreseen"] = None
    end = campaign_finish(row, now)
    assert end is not None and end < now + 2 * MINUTE, "ten wait for the cap, not all twenty"
    await world.finish()
