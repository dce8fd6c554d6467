"""A campaign with people whose windows never open has no end: lists, its page and the commands say so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from run_world import World

import tui.foreseeing
from storage.model import HOUR
from tui import ends
from tui.cli.facts import add_pace, campaign_json
from tui.pace import campaign_finish, end_in_words, end_text

AT_ONCE: dict[str, Any] = {"mode": "blast", "concurrency": 5, "batch_delay": "0s"}
MORNING = {"hours": "daily 09:00-12:00", "zone": "Europe/Berlin"}
THEIRS = {**MORNING, "recipient_zone": "tz"}
EARLY = {"hours": "daily 08:00-10:00", "zone": "Europe/Berlin"}


@pytest.fixture
async def mixed(world: World) -> World:
    """Two who are reached today, and three for whom nine to twelve is never in the account's morning."""
    world.set_clock("2026-01-05T05:00Z")
    await world.start(window=EARLY)
    await world.campaign(people=0, start=False, window=THEIRS, pacing=AT_ONCE)
    await world.people("c", [f"near{n}@example.org" for n in range(2)], tz="Europe/Berlin")
    await world.people("c", [f"far{n}@example.org" for n in range(3)], tz="America/New_York")
    await world.call("campaign.start", name="c")
    return world


def seen(world: World) -> dict[str, Any]:
    now, row = world.clock.now(), world.row()
    world.read(lambda reader: add_pace(reader, row, {}, now))
    row["executions"] = []
    return row


async def test_its_lists_say_never_and_its_page_when_the_others_are_through(mixed: World) -> None:
    row, now = seen(mixed), mixed.clock.now()
    assert (end_text(row, now), campaign_finish(row, now)) == ("never", None)
    assert end_in_words(row, now) == "3 never open, rest 3h"
    told = campaign_json(row, now)
    assert (told["eta"], told["never_open"]) == (None, 3)


async def test_when_the_others_were_sent_only_those_are_told(mixed: World) -> None:
    await mixed.clock.run(6 * HOUR)
    assert mixed.counts() == {"completed": 2, "pending": 3}
    row, now = seen(mixed), mixed.clock.now()
    assert (end_text(row, now), end_in_words(row, now)) == ("never", "3 never open")


async def test_too_many_to_forecast_are_told_too(mixed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tui.foreseeing, "CHEAP", 4)
    row, now = seen(mixed), mixed.clock.now()
    assert (end_text(row, now), end_in_words(row, now)) == ("never", "3 never open")


async def test_windows_that_are_never_open_together_stop_everybody_of_a_long_queue(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tui.foreseeing, "CHEAP", 4)
    world.set_clock("2026-01-05T05:00Z")
    await world.start()
    await world.campaign(people=5, window=MORNING, pacing=AT_ONCE)
    assert end_text(seen(world), world.clock.now()) != "never"
    evening = {"hours": "daily 18:00-20:00", "zone": "Europe/Berlin"}
    world.accounts["one"] = {"window": evening}
    world.write_config()
    await world.call("engine.reload")
    assert end_in_words(seen(world), world.clock.now()) == "5 never open"


async def test_a_tuning_that_mends_it_names_the_end_and_one_that_does_not_says_so(mixed: World) -> None:
    def told() -> str:
        now = mixed.clock.now()
        found = mixed.read(lambda reader: ends.ends_of(reader, mixed.engine.context.config, ["c"], now))
        return ends.told(found, ["then"])

    assert told() == "c never ends: the windows of 3 messages never open"
    await mixed.call("queue.tune", name="one", set={"window": {**EARLY, "hours": "daily 08:00-18:00"}})
    assert told() == "c ends about then"
    assert end_text(seen(mixed), mixed.clock.now()) == "9h"


async def test_a_list_that_was_read_before_the_engine_wrote_its_limits_is_right_at_once(mixed: World) -> None:
    """Within the same minute, and without a new version of queue or campaign."""
    now, row, foresight = mixed.clock.now(), mixed.row(), tui.foreseeing.Foresight()
    queue = mixed.queue()
    limits = json.loads(queue["limits"])
    await mixed.engine.store.set_limits(queue["id"], {})
    mixed.read(lambda reader: foresight.add(reader, [row], now))
    assert row["never_open"] == 0
    await mixed.engine.store.set_limits(queue["id"], limits)
    mixed.read(lambda reader: foresight.add(reader, [row], now))
    assert row["never_open"] == 3


def test_one_message_that_never_leaves_is_one() -> None:
    assert ends.told([ends.End("c", None, 1)], [""]) == "c never ends: the windows of 1 message never open"
