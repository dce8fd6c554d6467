"""Pipelines in view 7: the last run of each with its stages, run again by a key and by `:`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from engine.job_settings import Backoff
from engine.processors.context import RunContext
from engine.processors.registry import Registry
from engine.task_run import run_task
from storage.model import DAY, HOUR, MINUTE, JobState
from storage.pipeline_facts import last_runs
from storage.reader import Reader
from storage.tasks import TaskClaim
from tests.console.looking import SIZES, Compare, console, go, looking, message, shown, until
from tests.console.world import NOON, RecordingLink, World
from tui.cli.payloads import payload_of
from tui.screens.job import JobScreen
from tui.screens.pipeline_rows import ladder_lines
from tui.terminal import cells
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines

DAILY = "daily_prospect_queue"
EXAMPLE = Path(__file__).parents[2] / "examples" / "prospects" / "pipeline.toml"


def run_it(world: World) -> None:
    """One run by its real code, an hour before the present."""
    world.clock.at = NOON - HOUR
    world.call("job.add", kind=DAILY, payload=payload_of(file=EXAMPLE, kind=DAILY))
    queue = world.run(world.store.get_queue("default")).id
    now = world.clock.at
    [task] = world.run(world.store.claim_tasks(lambda: TaskClaim(queue, 1, now, now + MINUTE, 0, world.store.epoch)))
    context = RunContext(task, world.context, store_id="pictures")
    end = world.run(run_task(Registry(), context, Backoff(), random.Random(7)))

    async def finish() -> list[bool]:
        return await world.store.finish_tasks([end])

    assert world.run(finish()) == [True]
    world.clock.at = NOON


@pytest.fixture
def piped(world: World) -> Iterator[World]:
    """A pipeline whose only run is an hour old."""
    world.call(
        "campaign.new", name="prospects", account="smtp-eu-1", subject="Hello", text="Hi", approval="message",
        pacing={"mode": "steady", "rate": "60/min"}, seed=7,
    )  # fmt: skip
    run_it(world)
    return world


async def to_pipeline(app: Any, pilot: Pilot[int]) -> Grid:
    grid: Grid = app.screen.query_one(Grid)
    await until(pilot, lambda: "PIPELINES" in grid.text)
    await pilot.press("g")
    for _ in range(20):
        if grid.current and grid.current[0] == "pipeline":
            break
        await pilot.press("j")
    return grid


@pytest.mark.parametrize("size", SIZES)
def test_picture_of_a_pipeline(piped: World, link: RecordingLink, snap_compare: Compare, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[int]) -> None:
        await shown(pilot)
        await go(pilot, "7")
        await to_pipeline(pilot.app, pilot)
        await shown(pilot)

    assert snap_compare(console(piped, link), terminal_size=size, run_before=before)


async def test_the_last_run_tells_its_figures_and_its_stages(piped: World, link: RecordingLink) -> None:
    async with looking(piped, link, "7", size=(120, 40)) as (app, pilot):
        grid = await to_pipeline(app, pilot)
        assert "discovered 150 > scored 120 > high priority 75 > selected 50" in grid.text
        text = str(app.screen.query_one("#detail", Lines).text)
        assert f"{DAILY}: done, job 1, manual" in text
        assert "2 discover   + done" in text and "checked 150" in text
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobScreen))


async def test_a_key_runs_it_again_with_what_it_was_given(piped: World, link: RecordingLink) -> None:
    async with looking(piped, link, "7") as (app, pilot):
        await to_pipeline(app, pilot)
        await pilot.press("R")
        await until(pilot, lambda: bool(link.calls))
        [(action, args)] = [call[:2] for call in link.calls]
    assert (action, args["kind"], args["payload"]["per_day"]) == ("job.add", DAILY, 50)


async def test_a_line_runs_it_too_and_says_what_there_is_none_of(piped: World, link: RecordingLink) -> None:
    async with looking(piped, link, "7") as (app, pilot):
        for line in ("pipeline run daily", f"pipeline run {DAILY}"):
            await pilot.press("colon")
            await until(pilot, lambda: app.view.prompt.is_open)
            app.view.prompt._set(line, len(line))
            await pilot.press("enter")
            if line.endswith("daily"):
                await until(pilot, lambda: "no pipeline 'daily' has run yet" in message(app))
        await until(pilot, lambda: bool(link.calls))
    assert [call[0] for call in link.calls] == ["job.add"]


@pytest.fixture
def under_way(piped: World) -> World:
    piped.call("job.add", kind=DAILY, payload=payload_of(file=EXAMPLE, kind=DAILY))
    return piped


async def test_no_second_run_begins_while_one_is_under_way(under_way: World, link: RecordingLink) -> None:
    async with looking(under_way, link, "7") as (app, pilot):
        await to_pipeline(app, pilot)
        await pilot.press("R")
        await until(pilot, lambda: f"a run of {DAILY} is under way" in message(app))
    assert link.calls == []


async def test_read_only_it_is_looked_at_only(piped: World, link: RecordingLink) -> None:
    async with looking(piped, link, "7", read_only=True) as (app, pilot):
        await to_pipeline(app, pilot)
        await pilot.press("R")
        await until(pilot, lambda: "read-only" in message(app))
    assert link.calls == []


def test_no_line_of_a_ladder_is_wider_than_the_screen_or_moves_it(piped: World) -> None:
    with Reader(piped.database) as reader:
        [row] = last_runs(reader)
    sharp = "\x1b[2J\u202e宽" * 40
    stage = {**row["stages"][0], "name": sharp, "note": sharp, "flag": sharp, "state": "failed"}
    for width in (80, 120):
        for line in ladder_lines({**row, "stages": [stage] * 9, "kind": sharp}, NOON + DAY, width):
            text = "".join(part for part, _ in line)
            assert "\x1b" not in text and "\u202e" not in text
            assert sum(map(cells, text)) <= width
    assert row["state"] == JobState.COMPLETED
