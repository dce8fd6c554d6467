"""A forecast over several accounts and steps agrees with the run that follows, in all and account by account."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sequence_world import SequenceWorld, slow_sequences

from engine.config import load_config
from engine.forecasting import forecast_campaign
from engine.planning.forecast import Forecast, Perhaps
from storage.model import DAY, HOUR, SECOND
from tests.support.simulated import SimulatedClock
from tui.cli.facts import add_pace
from tui.pace import campaign_finish

FAST = {"mode": "steady", "rate": "60/h", "jitter": 0}
EVERYTHING = {"mode": "blast", "concurrency": 10, "batch_delay": "0s"}
BERLIN = {"hours": "mon-fri 09:00-17:00", "zone": "Europe/Berlin", "holidays": ["DE"]}


@pytest.fixture
async def world(tmp_path: Path, clock: SimulatedClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SequenceWorld]:
    async with slow_sequences(tmp_path, clock, monkeypatch) as made:
        yield made


async def draft(world: SequenceWorld, people: int, name: str = "c", **more: Any) -> None:
    spec: dict[str, Any] = {"account": "one", "subject": "Hello", "text": "Hi", "seed": 7, "pacing": FAST, **more}
    await world.call("campaign.new", name=name, **spec)
    await world.people(name, people)
    await world.call("campaign.live", name=name)


def foretold(world: SequenceWorld, name: str = "c") -> Forecast:
    config = load_config(world.config)
    return world.read(lambda reader: forecast_campaign(reader, name, config, now=world.clock.now()))


def sent(world: SequenceWorld, zone: str, name: str = "c") -> Counter[tuple[str, str]]:
    """Accepted messages of a campaign by account and local day."""
    names = {row["id"]: row["name"] for row in world.rows("SELECT id, name FROM queues")}
    return Counter(
        (names[job["queue_id"]], datetime.fromtimestamp(job["sent_at"] / SECOND, ZoneInfo(zone)).date().isoformat())
        for job in world.jobs(name)
        if job["sent_at"] is not None
    )


def agrees(world: SequenceWorld, told: Forecast, began: int, name: str = "c") -> None:
    """The judge: the finish, and the count of every account on every day, within five percent."""
    real = sent(world, told.zone, name)
    took = max(job["sent_at"] for job in world.jobs(name) if job["sent_at"] is not None) - began
    assert told.earliest is not None and told.latest is not None
    middle = (told.earliest + told.latest) / 2 - began
    assert abs(middle - took) <= 0.05 * took, f"foretold {middle / HOUR:.2f} h, it took {took / HOUR:.2f} h"
    foreseen = {
        (part["account"], day["day"]): part["sends"]
        for day in told.to_dict()["days"]
        for part in day["by_account"] or [{"account": told.accounts[0], "sends": day["sends"]}]
    }
    for place in {*real, *foreseen}:
        off = abs(real[place] - foreseen.get(place, 0))
        assert off <= max(2, 0.05 * real[place]), f"{place}: foretold {foreseen.get(place, 0)}, sent {real[place]}"


async def test_accounts_side_by_side_are_one_forecast(world: SequenceWorld) -> None:
    world.accounts = {"one": {"caps": ["30/day calendar"]}, "two": {"caps": ["30/day calendar"]}, "three": {}}
    await world.start()
    await draft(world, 240, also=["two"])
    before, began = foretold(world), world.clock.now()
    assert before.accounts == ("one", "two") and before.open == before.sends == 240
    await world.call("campaign.start", name="c")
    told = foretold(world)
    assert [part.sends for part in told.days[1].parts] == [30, 30]
    assert told.days[1].parts[0].bound_by == told.days[1].bound_by == "30/day calendar"
    await world.finish()
    agrees(world, before, began)
    agrees(world, told, began)


async def test_another_campaign_on_the_second_account_takes_its_share(world: SequenceWorld) -> None:
    world.accounts = {"one": {"min_gap": "60s"}, "two": {"min_gap": "60s"}}
    await world.start()
    await draft(world, 200, "beside", account="two", pacing=EVERYTHING)
    await world.call("campaign.start", name="beside")
    await draft(world, 400, also=["two"], pacing=EVERYTHING)
    await world.call("campaign.start", name="c")
    began, told = world.clock.now(), foretold(world)
    assert told.beside == ("beside",)
    await world.finish()
    agrees(world, told, began)


async def test_further_steps_are_counted_where_only_their_wait_decides(world: SequenceWorld) -> None:
    world.set_clock("2026-12-21T09:00:00+01:00")
    world.accounts = {"one": {"caps": ["40/day calendar"], "zone": "Europe/Berlin"}, "two": {"zone": "Europe/Berlin"}}
    await world.start()
    steps = [
        {"subject": "Again", "text": "?", "wait": "3 business days"},
        {"subject": "Last", "text": "!", "wait": "2d"},
    ]
    await draft(world, 120, also=["two"], steps=steps, window=BERLIN)
    before, began = foretold(world), world.clock.now()
    assert (before.open, before.sends, before.further, before.perhaps) == (360, 360, 240, ())
    await world.call("campaign.start", name="c")
    told = foretold(world)
    await world.clock.run(2 * DAY)
    halfway, later = foretold(world), world.clock.now()
    assert (halfway.open, halfway.further) == (240, 120)
    row = world.row()
    world.read(lambda reader: add_pace(reader, row, {}, later))
    eta = campaign_finish(row, later)
    await world.finish()
    agrees(world, before, began)
    agrees(world, told, began)
    ended = max(job["sent_at"] for job in world.jobs())
    for said in (halfway.latest, eta):
        assert said is not None and abs(said - ended) <= 0.05 * (ended - later)


async def test_a_step_through_another_channel_follows_into_its_queue(world: SequenceWorld) -> None:
    world.accounts = {"one": {}, "link": {"channel": "unipile", "min_gap": "20m"}}
    await world.start()
    steps = [
        {"text": "Let us connect", "channel": "unipile", "wait": "6h"},
        {"subject": "Thanks", "text": "Hi", "wait": "1d"},
    ]
    await world.call(
        "campaign.new",
        name="c",
        account="one",
        subject="Hello",
        text="Hi",
        seed=7,
        pacing=FAST,
        steps=steps,
        also=["link"],
    )
    begun = (await world.call("recipients.begin", campaign="c", source="people.csv"))["import_id"]
    rows = [(i + 2, f"c{i}@example.org", f"c{i}@example.org", {}, f"c-{i}") for i in range(60)]
    await world.call("recipients.rows", import_id=begun, rows=rows)
    await world.call("recipients.commit", import_id=begun, campaign="c", rows=60, imported=60, rejected=0, duplicates=0)
    await world.call("campaign.live", name="c")
    before, began = foretold(world), world.clock.now()
    assert (before.accounts, before.open, before.further) == (("one", "link"), 180, 120)
    await world.call("campaign.start", name="c")
    await world.finish()
    agrees(world, before, began)


async def test_a_condition_is_told_and_not_counted(world: SequenceWorld) -> None:
    await world.start()
    steps = [
        {"subject": "Again", "text": "?", "wait": "1d"},
        {"subject": "Still", "text": "?", "wait": "1d", "conditions": ["no_reply"]},
        {"subject": "Last", "text": "!", "wait": "1d"},
    ]
    await draft(world, 20, steps=steps)
    told = foretold(world)
    assert (told.open, told.further) == (40, 20)
    assert told.perhaps == (
        Perhaps(3, 20, "only to those who have not replied"),
        Perhaps(4, 20, "only behind step 3"),
    )
    assert [one["up_to"] for one in told.to_dict()["perhaps"]] == [20, 20]
    await world.call("campaign.start", name="c")
    await world.clock.run(12 * HOUR)
    assert [one.most for one in foretold(world).perhaps] == [20, 20]
    await world.finish()
    assert world.counts() == {"completed": 80}


async def test_a_paused_sequence_is_foretold_as_its_resume_would_plan_it(world: SequenceWorld) -> None:
    world.accounts = {"one": {}, "two": {}}
    await world.start()
    await draft(world, 200, also=["two"], steps=[{"subject": "Again", "text": "?", "wait": "1d"}])
    await world.call("campaign.start", name="c")
    await world.clock.run(HOUR)
    await world.call("campaign.pause", name="c")
    await world.clock.run(2 * HOUR)
    told, began = foretold(world), world.clock.now()
    already = sum(sent(world, "UTC").values())
    assert told.assumes == "resumed now" and told.open == 400 - already
    await world.call("campaign.resume", name="c")
    await world.finish()
    ended = max(job["sent_at"] for job in world.jobs())
    assert told.latest is not None and abs(told.latest - ended) <= 0.05 * (ended - began)


async def test_what_cannot_be_sent_through_a_paused_account_says_so(world: SequenceWorld) -> None:
    world.accounts = {"one": {}, "two": {}}
    await world.start()
    await draft(world, 10, also=["two"])
    await world.call("queue.pause", name="two")
    assert foretold(world).assumes == "started now, queue two resumed"


async def test_what_one_account_cannot_send_goes_through_the_other(world: SequenceWorld) -> None:
    world.accounts = {"one": {"caps": ["20/day calendar"]}, "two": {"caps": ["90/day calendar"]}}
    await world.start()
    await draft(world, 400, also=["two"], pacing={"mode": "steady", "rate": "20/h", "jitter": 0})
    await world.call("campaign.start", name="c")
    began, told = world.clock.now(), foretold(world)
    await world.finish()
    assert world.events("campaign.overflowed")
    agrees(world, told, began)


async def test_business_days_without_a_window_are_those_of_the_account(world: SequenceWorld) -> None:
    """Ten minutes past midnight on a Thursday in Berlin is still Wednesday in the zone of the configuration."""
    world.set_clock("2026-06-11T00:10:00+02:00")
    world.accounts = {"one": {"zone": "Europe/Berlin"}}
    await world.start()
    await draft(world, 20, pacing=EVERYTHING, steps=[{"subject": "Again", "text": "?", "wait": "2 business days"}])
    await world.call("campaign.start", name="c")
    began, told = world.clock.now(), foretold(world)
    await world.finish()
    assert set(sent(world, "Europe/Berlin")) == {("one", "2026-06-11"), ("one", "2026-06-15")}
    agrees(world, told, began)
