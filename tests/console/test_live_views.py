"""Views 1, 5, 7 and 8 as pictures, and what their keys open."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from storage.health_facts import due_by_destination, last_stopped, oldest_due
from storage.model import DAY, HOUR, MINUTE, SECOND
from storage.reader import Reader
from storage.trends import HourlyOutcomes
from tests.console.jobs_world import Jobs
from tests.console.looking import SIZES, Compare, console, go, looking, message, until, walk
from tests.console.world import NOON, SENT, UNKNOWN, RecordingLink, World
from tui.link import LOST, LinkState
from tui.plots import Plot, columns, reduced
from tui.screens.campaign import CampaignScreen
from tui.screens.campaign_tabs import batch_mark
from tui.screens.health_words import lag_about, lag_text, log_size
from tui.screens.job import JobScreen
from tui.screens.jobs import AllJobsScreen
from tui.screens.overview import load as load_overview
from tui.screens.overview import needs, running_line
from tui.screens.queues import QueueScreen
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines

ALL = [*SIZES, pytest.param((200, 50), id="200x50")]
STATUS: dict[str, Any] = {
    "running": True, "draining": False, "why": "", "in_flight": 1, "store_trouble": "",
    "loop_lag": {"n": 240, "p50": 900, "p95": 8_200, "longest": 31_000},
    "attached": [
        {"console": "a", "user": "ana", "host": "mail-1", "since_at": NOON - 2 * HOUR},
        {"console": "b", "user": "ben", "host": "mail-2 from 192.0.2.7", "since_at": NOON - 9 * MINUTE},
    ],
    "rounds": [
        {"round": "promote", "does": "lets begin what became due", "every": None, "last_at": NOON - SECOND,
         "next_at": NOON + 83 * MINUTE},
        {"round": "heartbeat", "does": "shows that the engine lives", "every": 5 * SECOND, "last_at": NOON - 2 * SECOND,
         "next_at": NOON + 3 * SECOND},
        {"round": "cancel", "does": "makes cancels final", "every": None, "last_at": None, "next_at": None},
    ],
    "queues": [
        {"queue": "smtp-eu-1", "state": "ready", "in_flight": 1, "concurrency": 10, "min_gap": 0, "trouble": "",
         "caps": [[50, HOUR]], "held_by": ""},
        {"queue": "smtp-eu-2", "state": "cooling", "in_flight": 0, "concurrency": 5, "min_gap": 0, "trouble": "",
         "caps": [], "held_by": "cooling"},
    ],
}  # fmt: skip


@pytest.fixture
def engine(link: RecordingLink) -> RecordingLink:
    link.answers["engine.status"] = STATUS
    return link


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A day of sends: more of them towards noon, slower and with more failures in the afternoon."""
    world = World(tmp_path_factory.mktemp("day"))
    for hour in range(24):
        world.clock.at = NOON - (23 - hour) * HOUR
        many = 3 + (hour * 7) % 11
        name = f"day-{hour:02d}"
        world.campaign(name, many, pacing={"mode": "blast", "concurrency": 20, "batch_delay": "0s"})
        slow = {**SENT, "duration": (80 + hour * 12) * 1_000}
        outcomes = [UNKNOWN if hour > 11 and i % 4 == 1 else slow for i in range(many)]
        world.send("smtp-eu-1", outcomes)
        world.run(world.store.settle())
    world.clock.at = NOON - 12 * MINUTE
    at_once = {"mode": "blast", "concurrency": 5, "batch_delay": "0s"}
    world.campaign("overdue", 1, start=False, pacing=at_once)
    world.people("overdue", ["a@one.example", "b@one.example", "c@two.example"])
    world.call("campaign.live", name="overdue")
    world.call("campaign.start", name="overdue")
    world.clock.at = NOON
    yield world
    world.close()


@pytest.mark.parametrize("size", ALL)
@pytest.mark.parametrize("keys", [pytest.param((), id="overview"), pytest.param(("8",), id="performance")])
def test_picture(
    busy_world: World, day: World, engine: RecordingLink, snap_compare: Compare, keys: tuple[str, ...],
    size: tuple[int, int],
) -> None:  # fmt: skip
    world = day if keys else busy_world
    assert snap_compare(console(world, engine), terminal_size=size, run_before=walk(*keys))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("key", [pytest.param("5", id="approvals"), pytest.param("7", id="schedules")])
def test_picture_of(
    busy_world: World, engine: RecordingLink, snap_compare: Compare, key: str, size: tuple[int, int]
) -> None:
    async def before(pilot: Pilot[int]) -> None:
        await walk(key)(pilot)
        if key == "5":
            await until(pilot, lambda: "SUBJECT" in pilot.app.screen.query_one("#preview", Lines).text)

    assert snap_compare(console(busy_world, engine), terminal_size=size, run_before=before)


def test_picture_of_the_lists_on_a_low_screen(day: World, engine: RecordingLink, snap_compare: Compare) -> None:
    assert snap_compare(console(day, engine), terminal_size=(80, 24), run_before=walk("8", "tab"))


# overview


async def test_what_runs_stays_in_sight_and_the_other_needs_are_one_key_away(
    busy_world: World, engine: RecordingLink
) -> None:
    async with looking(busy_world, engine) as (app, pilot):
        grid = app.screen.query_one(Grid)
        assert "more: enter shows them" in grid.text
        assert "58/120" in grid.text
        await pilot.press("j", "j", "j", "enter")
        await until(pilot, lambda: "more: enter shows them" not in grid.text)


async def test_three_keys_lead_from_overview_to_the_words_of_the_server(
    busy_world: World, engine: RecordingLink
) -> None:
    async with looking(busy_world, engine, "j", "enter", "enter", size=(120, 40)) as (app, _):
        assert isinstance(app.screen, JobScreen)
        assert "connection lost after the content" in app.screen.query_one(Grid).text


def test_a_spent_cap_is_a_need_only_where_it_holds_for_a_while(busy_world: World) -> None:
    def capped(period: int) -> list[str]:
        status = {"queues": [{"queue": "smtp-eu-1", "caps": [[50, period]], "min_gap": 0}]}
        with Reader(busy_world.database) as reader:
            return [need.text for need in needs(load_overview(reader, NOON, status), NOON) if need.glyph == "="]

    assert any(text.startswith("cap full 50/50 h, next slot 14:") for text in capped(HOUR))
    assert not any("cap full" in text for text in capped(SECOND))


# performance


async def test_a_destination_opens_its_overdue_jobs_and_a_queue_itself(day: World, engine: RecordingLink) -> None:
    async with looking(day, engine, "8", "enter", size=(120, 40)) as (app, pilot):
        assert isinstance(app.screen, QueueScreen)
        await pilot.press("escape", "j", "j")
        assert "one.example" in app.screen.query_one(Grid).current[1]["name"]
        await go(pilot, "enter")
        assert isinstance(app.screen, AllJobsScreen)
        await until(pilot, lambda: app.screen.query_one(Grid).text.count("@one.example") == 2)


async def test_a_high_screen_has_nothing_to_switch(day: World, engine: RecordingLink) -> None:
    async with looking(day, engine, "8", size=(120, 40)) as (app, pilot):
        await pilot.press("tab")
        assert message(app) == " everything is in sight"


async def test_without_an_engine_nothing_is_made_up(day: World) -> None:
    link = RecordingLink(LinkState(LOST, 4120, "mail-1", NOON, 0, NOON + SECOND, "pid 4120 on mail-1 is gone"))
    async with looking(day, link, "8", "tab", size=(120, 40)) as (app, pilot):
        assert "no engine tells" in app.screen.query_one("#health", Lines).text
        assert "unknown: no engine tells" in app.screen.query_one(Grid).text
        await go(pilot, "7")
        assert "no engine tells" in app.screen.query_one(Grid).text


def test_overdue_work_is_told_by_queue_domain_and_age(day: World) -> None:
    with Reader(day.database) as reader:
        assert oldest_due(reader, NOON) == NOON - 12 * MINUTE
        assert oldest_due(reader, NOON - DAY) is None
        found = due_by_destination(reader, NOON, limit=1)
    assert [(row["name"], row["n"], row["ages"]) for row in found["queues"]] == [("smtp-eu-1", 4, [0, 4, 0, 0])]
    assert [row["name"] for row in found["domains"]] == ["example.org"]
    assert (found["whole"], found["looked_at"], found["more_domains"]) == (True, 4, 2)


def test_overdue_background_jobs_stand_by_their_queue(tmp_path: Path) -> None:
    world = World(tmp_path)
    try:
        jobs = Jobs(world)
        world.clock.at = NOON - 12 * MINUTE
        jobs.add("send_reminder")
        world.clock.at = NOON
        jobs.add("send_reminder", priority=9)
        world.run(world.store.promote())
        with Reader(world.database) as reader:
            found = due_by_destination(reader, NOON)
    finally:
        world.close()
    assert [(row["name"], row["n"], row["ages"]) for row in found["queues"]] == [("default", 2, [1, 1, 0, 0])]
    assert (found["queues"][0]["oldest"], found["domains"], found["looked_at"]) == (NOON - 12 * MINUTE, [], 2)


def test_only_so_many_overdue_messages_are_looked_at(day: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.health_facts.LOOKED_AT", 3)
    with Reader(day.database) as reader:
        found = due_by_destination(reader, NOON)
    assert (found["whole"], found["looked_at"]) == (False, 3)


def test_the_newest_of_a_state_is_dated(busy_world: World) -> None:
    with Reader(busy_world.database) as reader:
        row = next(row for row in reader.campaigns() if row["name"] == "newsletter-38")
        at = last_stopped(reader, row["id"], "uncertain")
        assert at is not None
        assert NOON - 12 * MINUTE < at < NOON
        assert last_stopped(reader, row["id"] + 99, "uncertain") is None


def test_hours_add_up_to_the_counters_and_ended_ones_are_read_once(day: World) -> None:
    trend = HourlyOutcomes()
    with Reader(day.database) as reader:
        hours = trend.read(reader, NOON, 24)
        assert len(hours) == 24
        assert [row["hour"] for row in hours] == [NOON // HOUR * HOUR - (23 - i) * HOUR for i in range(24)]
        counts = reader.counts()
        assert sum(row["sent"] for row in hours) == counts["completed"]
        assert sum(row["failed"] for row in hours) == counts["failed"]
        asked: list[str] = []
        reader._connection.set_trace_callback(asked.append)
        assert trend.read(reader, NOON, 24) == hours
        assert f"minute >= {(NOON // HOUR - 1) * 60}" in asked[-1]
        assert trend.read(reader, NOON + 5 * HOUR, 24)[-1]["done"] == 0


def test_columns_have_heights_by_value_and_a_little_is_not_nothing() -> None:
    plot = Plot("JOBS", [10, 5, None, 0, 0.01], lambda value: f"{value:.0f}/h", 1)
    title, *rows, axis = ["".join(text for text, _ in line) for line in columns(plot, [(0, "14:00Z")], 20, 2)]
    assert title == " JOBS"
    assert [row[:9] for row in rows] == ["   10/h |", "    0/h |"]
    assert [row[9:] for row in rows] == ["##        ", "####    .."]
    assert axis == "        +14:00Z----"


def test_dots_become_the_five_characters() -> None:
    assert reduced("\u2800\u2840\u2844\u2846\u2847\u28ff") == " .-=##"


@pytest.mark.parametrize(("late", "text"), [(None, "-"), (4_999, "<5ms"), (8_200, "8ms"), (1_400_000, "1.4s")])
def test_a_lag_that_would_only_flicker_is_not_told(late: int | None, text: str) -> None:
    assert lag_text(late) == text


@pytest.mark.parametrize(
    ("late", "text"), [(None, "-"), (0, "<20ms"), (20_000, "<50ms"), (1_400_000, "<2s"), (5_000_000, "5.0s")]
)
def test_on_the_overview_a_lag_is_told_by_its_step(late: int | None, text: str) -> None:
    assert lag_about(late) == text


@pytest.mark.parametrize(("size", "text"), [(0, "0"), (8_192, "<1M"), ((1 << 20) - 1, "<1M"), (1 << 20, "1.0M")])
def test_heartbeats_alone_do_not_move_the_size_of_the_log(size: int, text: str) -> None:
    assert log_size(size) == text


def test_neither_version_nor_the_console_loads_the_plotting_library() -> None:
    code = "import sys, tui.cli.main, tui.app, tui.screens.performance; sys.exit('plotille' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


# approvals, schedules


async def test_a_held_message_says_why_it_cannot_be_made_and_opens_as_a_job(
    busy_world: World, engine: RecordingLink
) -> None:
    async with looking(busy_world, engine, "5") as (app, pilot):
        assert "missing field: company" in app.screen.query_one(Grid).text
        await go(pilot, "enter")
        assert isinstance(app.screen, JobScreen)


async def test_a_held_message_that_can_be_made_is_shown(world: World, engine: RecordingLink) -> None:
    await asyncio.to_thread(world.campaign, "letters", 1, pacing={"mode": "blast"})
    held = {"state": "held", "reason": "configuration", "counts_try": False, "error_key": "not set up"}
    await asyncio.to_thread(_hold, world, held)
    async with looking(world, engine, "5") as (app, pilot):
        preview = app.screen.query_one("#preview", Lines)
        await until(pilot, lambda: "SUBJECT" in preview.text)
        assert "Hello " in preview.text
        assert "{{" not in preview.text


def _hold(world: World, outcome: dict[str, Any]) -> None:
    from storage.model import JobState

    world.send("smtp-eu-1", [{**outcome, "state": JobState.HELD}], step=4 * SECOND)


async def test_a_campaign_that_begins_later_stands_in_schedules_and_opens(
    busy_world: World, engine: RecordingLink
) -> None:
    async with looking(busy_world, engine, "7") as (app, pilot):
        text = app.screen.query_one(Grid).text
        assert "CAMPAIGNS THAT BEGIN LATER (1)" in text
        assert "heartbeat every 5s" in text
        assert "start   newsletter-38" in text
        await go(pilot, "enter")
        assert isinstance(app.screen, CampaignScreen)
        assert app.screen.crumb() == "Campaigns > receipts"
        await until(pilot, lambda: "BATCH" in app.screen.query_one("#head", Lines).text)
        batch = app.screen.query_one(Grid).text
        assert "@ sched" in batch and "running" not in batch


def test_nothing_is_meant_of_a_campaign_that_begins_later_or_waits_for_a_person(busy_world: World) -> None:
    now = busy_world.clock.at
    with Reader(busy_world.database) as reader:
        receipts = next(row for row in load_overview(reader, now, {})["campaigns"] if row["name"] == "receipts")

    def line(row: dict[str, Any]) -> str:
        return "".join(text for text, _ in running_line(row, now, 120))

    begun = {**receipts, "due": {**receipts["due"], "first": now}}
    counts = {**receipts["counts"], "held": receipts["counts"]["pending"], "pending": 0}
    assert "0/1.1 h" in line(begun)
    assert " 0/min" in line(receipts) and " 0/min" in line({**begun, "counts": counts})


def test_a_batch_of_which_all_waits_for_a_person_is_held_and_not_running() -> None:
    def word(held: int, pending: int) -> str:
        counts = {"held": held, "pending": pending, "processing": 0}
        return batch_mark({"state": "ready", "later": False, "counts": counts}).word

    assert [word(50, 0), word(50, 1), word(0, 0)] == ["held", "running", "running"]
