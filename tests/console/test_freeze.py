"""`f` holds the screen still and counts what was missed; `t` changes how moments are told; `y` copies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from storage.model import DAY, MINUTE, SECOND
from tests.console.looking import cursor_on, go, looking, message, until
from tests.console.world import NOON, RecordingLink, World
from tui.format import Times, clock, set_times
from tui.link import LOST, LinkState
from tui.missed import differences
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines


@pytest.fixture(autouse=True)
def utc() -> Iterator[None]:
    yield
    set_times(Times.UTC)


def test_differences_are_counted_by_row() -> None:
    before = [{"id": 1, "n": 1}, {"id": 2, "n": 1}, {"id": 3, "n": 1}]
    after = [{"id": 1, "n": 1}, {"id": 2, "n": 5}, {"id": 4, "n": 1}]
    assert differences(before, after) == (1, 1, 1)
    assert differences({"rows": before, "at": 1}, {"rows": after, "at": 2}) == (1, 1, 1)
    assert differences(None, after) == (0, 3, 0)


async def test_frozen_nothing_moves_and_f_catches_up(world: World, link: RecordingLink) -> None:
    await asyncio.to_thread(world.campaign, "letters", 3)
    async with looking(world, link, "2") as (app, pilot):
        await pilot.press("f")
        app.now = lambda: NOON + 14 * SECOND
        await asyncio.to_thread(world.call, "campaign.pause", name="letters")
        await asyncio.to_thread(world.campaign, "more", 3, start=False)
        await until(pilot, lambda: "1 changed, 1 new, 0 gone while frozen" in message(app))
        assert "running" in app.screen.query_one(Grid).text
        assert "more" not in app.screen.query_one(Grid).text
        app.view.draw_frame()
        assert "FROZEN 14s" in app.screen.query_one("#status", Lines).text
        await go(pilot, "1")
        assert "FROZEN 14s" in app.screen.query_one("#status", Lines).text
        await go(pilot, "2", "f")
        await until(pilot, lambda: "paused" in app.screen.query_one(Grid).text)
        assert "more" in app.screen.query_one(Grid).text
        assert "FROZEN" not in app.screen.query_one("#status", Lines).text


async def test_a_lost_engine_shows_also_while_frozen(world: World, link: RecordingLink) -> None:
    async with looking(world, link) as (app, pilot):
        await pilot.press("f")
        link.state = LinkState(LOST, 4120, "mail-1", NOON, 0, NOON + SECOND, "pid 4120 on mail-1 is gone")
        await until(pilot, lambda: "LOST" in app.screen.query_one("#status", Lines).text)


def test_moments_are_told_in_utc_local_or_relative() -> None:
    east = timezone(timedelta(hours=2))
    set_times(Times.LOCAL, east)
    assert clock(NOON, NOON + MINUTE) == "16:02"
    assert clock(NOON - DAY, NOON) == "Dec 31 16:02"
    assert clock(NOON - DAY, NOON, dated=False) == "16:02"
    set_times(Times.RELATIVE, east)
    assert clock(NOON - 12 * MINUTE, NOON) == "-12m"
    assert clock(NOON + 30 * SECOND, NOON) == "+30s"
    assert clock(NOON - MINUTE, NOON, relative=False) == "16:01"
    set_times(Times.UTC, east)
    assert clock(NOON, NOON, seconds=True) == "14:02:00Z"


async def test_t_goes_round(busy_world: World, link: RecordingLink) -> None:
    async with looking(busy_world, link, "9") as (app, pilot):
        grid = app.screen.query_one(Grid)
        await until(pilot, lambda: "13:59:00Z" in grid.text)
        await pilot.press("t", "t")
        assert "times are relative" in message(app)
        await until(pilot, lambda: "-3m" in grid.text)
        await pilot.press("t")
        await until(pilot, lambda: "13:59:00Z" in grid.text)


async def test_y_copies_to_the_terminal_and_to_a_private_file(
    busy_world: World, link: RecordingLink, tmp_path: Path
) -> None:
    async with looking(busy_world, link, "2", size=(120, 40), state=tmp_path / "state") as (app, pilot):
        await cursor_on(pilot, "spring-sale")
        await pilot.press("y")
        assert app.clipboard == "spring-sale"
        assert "if this terminal takes OSC 52" in message(app)
        kept = tmp_path / "state" / "copied"
        assert kept.read_text() == "spring-sale\n"
        assert kept.stat().st_mode & 0o777 == 0o600
        await go(pilot, "9")
        await until(pilot, lambda: app.screen.query_one(Grid).cursor >= 0)
        await pilot.press("y")
        assert app.clipboard.startswith("ana ")
