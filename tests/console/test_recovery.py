"""Alarms among the needs of Overview, and how far a queue is back after trouble."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from storage.alarm_facts import alarms, open_alarms
from storage.alarms import Alarm
from storage.events import Event
from storage.model import MINUTE, SECOND, AlarmKind, PauseReason, QueueState
from storage.reader import Reader
from tests.console.looking import SIZES, Compare, answered, asked, console, go, message, shown, until, walk
from tests.console.world import NOON, RecordingLink, World, busy
from tui.recovery import breaker_text, is_slowed, places_text, rate_text
from tui.screens.needs import needs
from tui.screens.overview import load
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines

STATUS: dict[str, Any] = {
    "running": True, "draining": False, "store_trouble": "", "attached": [], "rounds": [], "in_flight": 1,
    "queues": [
        {"queue": "smtp-eu-1", "state": "ready", "in_flight": 1, "concurrency": 10, "places": 2, "throttle": 2,
         "min_gap": 0, "trouble": "", "caps": [[60, MINUTE]], "held_by": ""},
        {"queue": "smtp-eu-2", "state": "cooling", "in_flight": 0, "concurrency": 5, "min_gap": 0,
         "caps": [[400, MINUTE]], "held_by": "cooling", "trouble": "421 rate limited"},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The world of the pictures with alarms: bounces of a campaign, a slower queue, one behind its plan."""
    world = troubled_in(tmp_path_factory.mktemp("troubled"))
    yield world
    world.close()


def troubled_in(folder: Path) -> World:
    world = busy(folder)
    store = world.store
    one, two = (world.run(store.get_queue(name)).id for name in ("smtp-eu-1", "smtp-eu-2"))
    world.clock.at = NOON - 7 * MINUTE
    slower = '26.0% of 50 answers "not now", limit 25%'
    for throttle in (1, 2):
        world.run(store.set_throttle(one, throttle, Event("queue.slowed", "queue smtp-eu-1 slows down", "warning")))
    world.run(store.raise_alarm(Alarm(AlarmKind.TRANSIENT, slower, queue_id=one), None))
    world.clock.at = NOON - 2 * MINUTE
    world.run(store.tell_behind({two: "behind its plan: a message of spring-sale waits longer than 1h"}))
    newsletter = world.run(store.get_campaign("newsletter-38")).id
    text = "5.8% bounces (6 of 104), limit 5%"
    world.run(store.pause_for(Alarm(AlarmKind.BOUNCES, text, newsletter), PauseReason.BOUNCES))
    world.clock.at = NOON
    return world


@pytest.fixture
def engine(link: RecordingLink) -> RecordingLink:
    link.answers["engine.status"] = STATUS
    return link


def changes(link: RecordingLink) -> list[tuple[str, dict[str, object]]]:
    return [call for call in link.calls if call[0] != "engine.status"]


@pytest.mark.parametrize("size", SIZES)
def test_picture_of_alarms(
    troubled: World, engine: RecordingLink, snap_compare: Compare, size: tuple[int, int]
) -> None:
    assert snap_compare(console(troubled, engine), terminal_size=size, run_before=walk())


@pytest.mark.parametrize("size", SIZES)
def test_picture_of_a_slower_queue(
    troubled: World, engine: RecordingLink, snap_compare: Compare, size: tuple[int, int]
) -> None:
    async def before(pilot: Pilot[int]) -> None:
        await shown(pilot)
        await go(pilot, "6")
        await until(pilot, lambda: "good answers" in pilot.app.screen.query_one("#facts", Lines).text)

    assert snap_compare(console(troubled, engine), terminal_size=size, run_before=before)


def words(world: World) -> list[tuple[int, str, str]]:
    with Reader(world.database) as reader:
        return [(need.urgency, need.what, need.text) for need in needs(load(reader, NOON, {}), NOON)]


def test_alarms_stand_by_urgency_and_each_thing_once(troubled: World) -> None:
    found = words(troubled)
    assert found[0][:2] == (1, "newsletter-38")
    assert found[0][2].startswith("paused by guard: 5.8% bounces")
    assert [text for _, what, text in found if what == "newsletter-38" and "guard" in text] == [found[0][2]]
    texts = {what: text for urgency, what, text in found if urgency in (4, 5)}
    assert texts["smtp-eu-1"].startswith("slower: 26.0% of 50 answers")
    assert (5, "smtp-eu-2", "behind its plan: a message of spring-sale waits longer than 1h") in found


def test_what_is_acknowledged_or_over_stands_no_more(tmp_path: Path) -> None:
    world = troubled_in(tmp_path)
    with Reader(world.database) as reader:
        bounces = next(alarm for alarm in open_alarms(reader) if alarm["kind"] == "bounces")
    world.call("alarm.ack", id=bounces["id"])
    assert not [text for _, what, text in words(world) if what == "newsletter-38" and "guard" in text]
    world.call("alarm.unack", id=bounces["id"])
    assert words(world)[0][1] == "newsletter-38"
    world.call("campaign.resume", name="newsletter-38")
    world.run(world.store.settle())
    assert not [text for _, what, text in words(world) if what == "newsletter-38" and "guard" in text]
    with Reader(world.database) as reader:
        assert "bounces" not in {alarm["kind"] for alarm in open_alarms(reader)}
        assert "bounces" in {alarm["kind"] for alarm in alarms(reader)}
    world.close()


def test_a_locked_account_stands_once_and_not_for_each_of_its_campaigns(tmp_path: Path) -> None:
    world = busy(tmp_path)
    queue = world.run(world.store.get_queue("smtp-eu-1")).id
    locked = Alarm(AlarmKind.RESTRICTED, "auth: your account has been suspended", queue_id=queue)
    world.run(world.store.stop_queue(locked, QueueState.RESTRICTED, campaigns_too=True))
    stopped = [(what, text) for urgency, what, text in words(world) if urgency == 1]
    assert ("smtp-eu-1", "stopped: auth: your account has been suspended") in stopped
    assert not {"newsletter-38", "receipts"} & {what for what, _ in stopped}
    world.close()


async def test_d_acknowledges_the_alarm_under_the_cursor_and_z_brings_it_back(
    troubled: World, engine: RecordingLink
) -> None:
    app = console(troubled, engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        await until(pilot, lambda: "newsletter-38" in app.screen.query_one(Grid).text)
        await pilot.press("d")
        await until(pilot, lambda: "ok:" in message(app))
        [(name, args)] = changes(engine)
        assert name == "alarm.ack"
        await pilot.press("z")
        assert "acknowledge newsletter-38" in await asked(pilot)
        await pilot.press("y")
        await until(pilot, lambda: len(changes(engine)) == 2)
        assert changes(engine)[1] == ("alarm.unack", args)


async def test_an_alarm_is_acknowledged_by_its_number_at_the_prompt(troubled: World, engine: RecordingLink) -> None:
    with Reader(troubled.database) as reader:
        number = open_alarms(reader)[0]["id"]
    app = console(troubled, engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot)
        for line, wanted in ((f"alarm ack {number}", "ok:"), ("alarm ack 99", "no alarm 99"), ("alarm ack x", "")):
            await pilot.press("colon", *("space" if c == " " else c for c in line), "enter")
            await until(pilot, lambda wanted=wanted: wanted in message(app))
        assert changes(engine) == [("alarm.ack", {"id": number})]


async def test_p_gives_a_slowed_queue_its_full_rate_after_a_question(troubled: World, engine: RecordingLink) -> None:
    app = console(troubled, engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await go(pilot, "6")
        grid = pilot.app.screen.query_one(Grid)
        await until(pilot, lambda: grid.cursor >= 0)
        assert grid.current["name"] == "smtp-eu-1"
        await pilot.press("P")
        assert "Full rate for queue smtp-eu-1" in await asked(pilot)
        await pilot.press("y")
        await answered(pilot)
        await until(pilot, lambda: bool(changes(engine)))
        assert changes(engine) == [("queue.resume", {"name": "smtp-eu-1"})]


def test_recovery_says_step_probe_rate_and_places() -> None:
    def when(at: int) -> str:
        return f"at {(at - NOON) // SECOND}"

    row = {"state": "ready", "cooling_step": 0, "until_at": None, "throttle": 0, "throttled_at": None, "engine": {}}
    assert (breaker_text(row, when), rate_text(row, when), is_slowed(row)) == ("closed", "", False)
    cooling = {**row, "state": "cooling", "cooling_step": 3, "until_at": NOON + 9 * SECOND}
    assert breaker_text(cooling, when) == "step 3, probe at 9"
    assert breaker_text({**cooling, "state": "probing"}, when) == "step 3, the next message is the probe"
    slow = {**row, "throttle": 2, "throttled_at": NOON}
    assert rate_text(slow, when) == "1/4 since at 0, full after 60 good answers"
    assert is_slowed(slow)
    engine = {"in_flight": 2, "places": 5, "concurrency": 10}
    assert places_text(engine) == "5 of its 10 places"
    assert is_slowed({**row, "engine": engine})
    assert places_text({**engine, "places": 10}) == ""
    assert not is_slowed({**row, "engine": {"in_flight": 2, "concurrency": 10}})
    assert places_text({}) == ""
