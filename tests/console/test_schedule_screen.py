"""View 7 and its form: schedules with their next firings, made, changed, run and stopped by keys."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from engine.schedules import Schedules
from storage.model import DAY, HOUR, MINUTE
from tests.console.looking import SIZES, Compare, console, go, looking, message, shown, until
from tests.console.operating import Operator, operating
from tests.console.world import NOON, RecordingLink, World
from tui.screens.job import JobScreen
from tui.screens.schedule_form import ScheduleFormScreen
from tui.screens.schedule_rows import detail, preview
from tui.screens.schedules import SchedulesScreen
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines

KIND = "cleanup_old_data"


def add(world: World, name: str, cron: str, zone: str = "UTC", **more: Any) -> None:
    world.call("schedule.add", name=name, cron=cron, zone=zone, kind=KIND, payload={"days": 30}, **more)


def schedules(world: World) -> World:
    """Four schedules two days old: what was missed is made up for, one is disabled, one can make no job."""
    world.clock.at = NOON - 2 * DAY
    add(world, "daily-prospects", "0 8 * * *", "America/New_York", grace=4 * HOUR)
    add(world, "clean-up", "0 0 * * *", overlap="wait", priority=3)
    add(world, "opportunities", "0 */1 * * *", missed="catch_up", most=3)
    add(world, "old-sync", "30 2 * * SUN", "Europe/Berlin")
    world.call("schedule.disable", name="old-sync")
    fires = Schedules(world.context)
    world.run(world.store.writer.submit(_break_payload))
    world.clock.at = NOON - MINUTE
    world.run(fires.fire())
    world.clock.at = NOON
    return world


def _break_payload(tx: Any) -> None:
    """As another version of its kind would find it."""
    tx.execute("""UPDATE schedules SET payload = '{"dayz": 30}' WHERE name = 'daily-prospects'""")


@pytest.fixture
def scheduled(world: World) -> World:
    return schedules(world)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", [pytest.param(("7",), id="list"), pytest.param(("7", "e"), id="form")])
def test_picture_of_schedules(
    scheduled: World, link: RecordingLink, snap_compare: Compare, keys: tuple[str, ...], size: tuple[int, int]
) -> None:
    async def before(pilot: Pilot[int]) -> None:
        await shown(pilot)
        await go(pilot, *keys)
        if "e" in keys:
            await until(pilot, lambda: isinstance(pilot.app.screen, ScheduleFormScreen))
            await shown(pilot)

    assert snap_compare(console(scheduled, link), terminal_size=size, run_before=before)


def the_detail(app: Any) -> str:
    return str(app.screen.query_one("#detail", Lines).text)


async def test_the_one_under_the_cursor_shows_its_next_five_firings_and_its_last(
    scheduled: World, link: RecordingLink
) -> None:
    async with looking(scheduled, link, "7", "g") as (app, pilot):
        grid = app.screen.query_one(Grid)
        await until(pilot, lambda: "clean-up" in grid.text)
        for _ in range(10):
            if grid.current[2].get("name") == "clean-up":
                break
            await pilot.press("j")
        text = the_detail(app)
        assert "clean-up: At 00:00 every day, UTC" in text
        assert text.count(" 00:00 UTC ") == 5
        assert f"MAKES  {KIND}   missed run_once 1h   overlap wait   priority 3" in text


async def test_enter_opens_the_last_run_and_says_why_there_is_none(scheduled: World, link: RecordingLink) -> None:
    async with looking(scheduled, link, "7", "g") as (app, pilot):
        grid = app.screen.query_one(Grid)
        while grid.current[2].get("name") != "old-sync":
            await pilot.press("j")
        await pilot.press("enter")
        await until(pilot, lambda: "old-sync: it has not fired yet" in message(app))
        while grid.current[2].get("name") != "opportunities":
            await pilot.press("k")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobScreen))


async def test_a_schedule_that_can_make_no_job_stands_among_the_needs_and_opens_its_form(
    scheduled: World, link: RecordingLink
) -> None:
    async with looking(scheduled, link) as (app, pilot):
        grid = app.screen.query_one(Grid)
        await until(pilot, lambda: "daily-prospects fired without a job: payload.dayz" in grid.text)
        await pilot.press("g", "enter")
        await until(pilot, lambda: isinstance(app.screen, ScheduleFormScreen))


async def test_read_only_every_change_is_off_and_says_why(scheduled: World, link: RecordingLink) -> None:
    async with looking(scheduled, link, "7", "g", read_only=True) as (app, pilot):
        for key in ("R", "p", "e", "X", "A"):
            await pilot.press(key)
            await until(pilot, lambda: "read-only" in message(app))
        assert link.calls == []


def test_a_preview_notes_what_a_change_of_the_clocks_does() -> None:
    before_spring = 1_774_699_200_000_000  # 2026-03-28 12:00 UTC
    words, firings, why_not = preview("30 2 * * *", "Europe/Berlin", before_spring)
    assert (words, why_not) == ("At 02:30 every day", "")
    assert [bool(firing["note"]) for firing in firings] == [True, False, False, False, False]
    assert preview("0 25 * * *", "UTC", NOON)[2].startswith("cron: hour")
    assert preview("0 8 * * *", "Nowhere", NOON)[2].startswith("zone: there is no time zone")


def test_no_line_of_the_detail_is_wider_than_the_screen() -> None:
    last = {
        "at": NOON - HOUR, "fired_at": NOON, "manual": False, "outcome": "started", "job_id": 7, "note": "n" * 200,
        "job_state": "failed", "job_error": "e" * 200, "job_flag": "", "started_at": NOON, "finished_at": NOON + MINUTE,
    }  # fmt: skip
    row = {
        "name": "n" * 64, "cron": "30 2 * * *", "zone": "Europe/Berlin", "kind": "k" * 100, "enabled": True,
        "trouble": "", "last": last, "decided_at": NOON, "missed": "run_once", "grace": HOUR, "most": 10,
        "overlap": "skip", "queue": "q" * 60, "priority": 3,
    }  # fmt: skip
    for changed in ({}, {"trouble": "t" * 300}, {"enabled": False}, {"last": None}):
        for line in detail({**row, **changed}, NOON, 80):
            assert sum(len(text) for text, _ in line) <= 80


# with an engine


async def on(operator: Operator, name: str) -> None:
    grid = operator.view.query_one("#list", Grid)
    await operator.until(lambda: grid.current is not None)
    await operator.press("g")
    for _ in range(20):
        if grid.current[0] == "schedule" and grid.current[2]["name"] == name:
            return
        await operator.press("j")
    raise AssertionError(f"{name} is not in:\n{grid.text}")


def saved(operator: Operator) -> list[dict[str, Any]]:
    return operator.rows("SELECT name, cron, zone, kind, payload, enabled, overlap FROM schedules ORDER BY name")


async def test_a_schedule_is_made_in_the_form_with_its_firings_beside_what_is_typed(fresh: World) -> None:
    async with operating(fresh) as operator:
        await operator.press("7")
        await operator.sees("SCHEDULES   none")
        await operator.open(ScheduleFormScreen, "A")
        await operator.choose("name")
        await operator.says("nightly")
        await operator.choose("cron")
        await operator.until(lambda: operator.view.prompt.is_open)
        operator.view.prompt._set("0 25 * * *", 10)
        await operator.sees("cron: hour")
        operator.view.prompt._set("30 2 * * SUN", 12)
        await operator.sees("At 02:30 on Sunday")
        await operator.press("enter")
        await operator.choose("zone")
        await operator.says("Europe/Berlin")
        await operator.sees("At 02:30 on Sunday, Europe/Berlin")
        await operator.choose("kind")
        await operator.says(KIND)
        await operator.choose("payload")
        await operator.says('{"dayz": 30}')
        await operator.choose("overlap")
        await operator.choose("save")
        await operator.told("payload.dayz")
        assert saved(operator) == []
        await operator.choose("payload")
        await operator.says('{"days": 30}')
        await operator.choose("save")
        await operator.told("schedule nightly is enabled; next Sun")
        assert saved(operator) == [
            {"name": "nightly", "cron": "30 2 * * SUN", "zone": "Europe/Berlin", "kind": KIND,
             "payload": '{"days":30}', "enabled": 1, "overlap": "wait"}
        ]  # fmt: skip
        await operator.until(lambda: isinstance(operator.app.screen, SchedulesScreen))
        await operator.press("z")
        assert "schedule nightly" in await operator.answer("y")
        await operator.until(lambda: saved(operator) == [])


async def test_it_is_run_disabled_enabled_changed_and_removed_by_keys(fresh: World) -> None:
    async with operating(fresh, lambda world: add(world, "nightly", "0 0 * * *", missed="skip")) as operator:
        await operator.press("7")
        await on(operator, "nightly")
        await operator.press("R")
        await operator.told("schedule nightly: job 1 queued")
        await operator.until(lambda: operator.rows("SELECT state FROM jobs") == [{"state": "completed"}])
        await operator.sees("by hand: done")
        await operator.press("p")
        await operator.told("schedule nightly is disabled")
        await operator.sees("NEXT   nothing: it is disabled")
        await operator.press("z")
        await operator.answer("y")
        await operator.until(lambda: saved(operator)[0]["enabled"] == 1)
        await operator.sees("@ enabled")

        form = await operator.open(ScheduleFormScreen, "e")
        await operator.choose("overlap")
        await operator.press("escape")
        await operator.told("not saved")
        assert operator.app.screen is form
        await operator.choose("save")
        await operator.told("schedule nightly: overlap changed")
        assert saved(operator)[0]["overlap"] == "wait"
        await operator.press("z")
        await operator.answer("y")
        await operator.until(lambda: saved(operator)[0]["overlap"] == "skip")

        await operator.until(lambda: isinstance(operator.app.screen, SchedulesScreen))
        await on(operator, "nightly")
        await operator.press("X")
        assert "Remove schedule nightly" in await operator.answer("y")
        await operator.until(lambda: saved(operator) == [])
        assert len(operator.rows("SELECT id FROM jobs")) == 1


async def test_the_words_of_the_command_line_work_behind_the_colon(fresh: World) -> None:
    async with operating(fresh, lambda world: add(world, "nightly", "0 0 * * *", missed="skip")) as operator:
        await operator.press("colon")
        await operator.says("schedule run nightly")
        await operator.told("schedule nightly: job 1 queued")
        await operator.press("colon")
        await operator.says("schedule show nightly")
        await operator.until(lambda: isinstance(operator.app.screen, SchedulesScreen))
        await operator.sees("nightly: At 00:00 every day, UTC")
        await operator.press("colon")
        await operator.says("schedule disable nightly")
        await operator.told("schedule nightly is disabled")
        await operator.press("colon")
        await operator.says("schedule add weekly")
        await operator.until(lambda: isinstance(operator.app.screen, ScheduleFormScreen))
        await operator.sees("weekly")
