"""View 9: it follows at its end, stands still elsewhere, finds what is looked for, leads to what it is about."""

from __future__ import annotations

import asyncio

import pytest
from textual.pilot import Pilot

from storage.event_pages import find, page
from storage.events import Event
from storage.reader import Reader
from tests.console.looking import SIZES, Compare, console, go, looking, message, shown, until
from tests.console.world import ANA, RecordingLink, World
from tui.screens.campaign import CampaignScreen
from tui.screens.log import LogScreen
from tui.screens.queues import QueueScreen
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines


def write(world: World, *texts: str, level: str = "info", kind: str = "test.event") -> None:
    for text in texts:
        world.run(world.store.add_event(Event(kind, text, level=level, actor=ANA, n=len(text))))


@pytest.fixture
def long(world: World) -> World:
    world.campaign("letters", 2)
    write(world, *(f"line {i:04d}" for i in range(700)))
    write(world, "the disk is full", level="error")
    write(world, *(f"line {i:04d}" for i in range(700, 720)))
    return world


def text(pilot: Pilot[int]) -> str:
    return pilot.app.screen.query_one(Grid).text


def crumb(pilot: Pilot[int]) -> str:
    return pilot.app.screen.query_one("#crumb", Lines).text


@pytest.mark.parametrize("size", SIZES)
def test_picture(busy_world: World, link: RecordingLink, snap_compare: Compare, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[int]) -> None:
        await go(pilot, "9")
        await until(pilot, lambda: "follows" in crumb(pilot))

    assert snap_compare(console(busy_world, link), terminal_size=size, run_before=before)


def test_pages_are_keyset_pages_by_id_and_by_level(long: World) -> None:
    with Reader(long.database) as reader:
        newest = page(reader, limit=5)
        assert [row["text"] for row in newest][-1] == "line 0719"
        before = page(reader, before=newest[0]["id"], limit=5)
        assert before[-1]["id"] == newest[0]["id"] - 1
        assert [row["text"] for row in page(reader, levels=("error",))] == ["the disk is full"]
        found = find(reader, "DISK", start=newest[-1]["id"])
        assert found is not None
        assert page(reader, at=found, limit=1)[0]["text"] == "the disk is full"
        assert find(reader, "disk", start=found, older=False) is None
        assert page(reader, limit=2_000)[0]["campaign"] in ("letters", None)


async def test_at_the_end_new_lines_appear_and_scrolled_up_nothing_moves(long: World, link: RecordingLink) -> None:
    async with looking(long, link, "9") as (_, pilot):
        await until(pilot, lambda: "line 0719" in text(pilot))
        await asyncio.to_thread(write, long, "somebody did this")
        await until(pilot, lambda: "somebody did this" in text(pilot))
        await pilot.press("k", "k")
        before = text(pilot)
        await asyncio.to_thread(write, long, "and then that")
        await until(pilot, lambda: "1 new" in crumb(pilot))
        assert text(pilot) == before
        await pilot.press("G")
        await until(pilot, lambda: "and then that" in text(pilot))
        assert "follows" in crumb(pilot)


async def test_scrolling_up_reads_older_pages_to_the_first_event(long: World, link: RecordingLink) -> None:
    async with looking(long, link, "9") as (app, pilot):
        screen = app.screen
        assert isinstance(screen, LogScreen)
        await until(pilot, lambda: bool(screen.rows))
        for _ in range(6):
            await pilot.press("g")
            await until(pilot, lambda: not screen._reading)
        assert screen.rows[0]["id"] == 1
        ids = [row["id"] for row in screen.rows]
        assert ids == list(range(1, len(ids) + 1))


async def test_a_search_goes_to_older_matches_with_n_and_back_with_shift_n(long: World, link: RecordingLink) -> None:
    async with looking(long, link, "9") as (app, pilot):
        await until(pilot, lambda: "line 0719" in text(pilot))
        grid = app.screen.query_one(Grid)
        await pilot.press("slash", *"line 01", "enter")
        await until(pilot, lambda: grid.current["text"] == "line 0199")
        await pilot.press("n")
        await until(pilot, lambda: grid.current["text"] == "line 0198")
        await pilot.press("N")
        await until(pilot, lambda: grid.current["text"] == "line 0199")
        await pilot.press("slash", *"nowhere", "enter")
        await until(pilot, lambda: "no older match" in message(app))
        assert grid.current["text"] == "line 0199"


async def test_the_exclamation_mark_narrows_to_what_went_wrong(long: World, link: RecordingLink) -> None:
    async with looking(long, link, "9") as (_, pilot):
        await go(pilot, "exclamation_mark")
        await until(pilot, lambda: text(pilot).count("\n") == 0 and "the disk is full" in text(pilot))
        assert "warnings and errors" in crumb(pilot)
        await go(pilot, "exclamation_mark", "exclamation_mark")
        await until(pilot, lambda: "line 0719" in text(pilot))


async def test_enter_opens_what_an_event_is_about(busy_world: World, link: RecordingLink) -> None:
    app = console(busy_world, link)
    with Reader(busy_world.database) as reader:
        assert any(row["campaign"] for row in page(reader))
    async with app.run_test(size=(80, 24)) as pilot:
        await go(pilot, "9")
        grid = app.screen.query_one(Grid)
        await until(pilot, lambda: grid.cursor >= 0)
        while not (grid.current["campaign"] and not grid.current["job_id"]):
            await pilot.press("k")
        name = grid.current["campaign"]
        assert f"campaign {name} (enter opens it)" in app.screen.query_one("#about", Lines).text
        await pilot.press("enter")
        await shown(pilot)
        assert isinstance(app.screen, CampaignScreen)


async def test_an_event_of_a_queue_opens_the_queue(world: World, link: RecordingLink) -> None:
    await asyncio.to_thread(world.call, "queue.pause", name="smtp-eu-1")
    async with looking(world, link, "9") as (app, pilot):
        await until(pilot, lambda: "paused queue" in text(pilot))
        await pilot.press("enter")
        assert isinstance(app.screen, QueueScreen)


async def test_ampersand_shows_only_rows_that_hold_the_words(long: World, link: RecordingLink) -> None:
    async with looking(long, link, "9") as (_, pilot):
        await until(pilot, lambda: "line 0719" in text(pilot))
        await pilot.press("ampersand", *"DISK", "enter")
        await until(pilot, lambda: "the disk is full" in text(pilot))
        assert "line" not in text(pilot)
        assert "&DISK" in crumb(pilot)
        await pilot.press("ampersand", *["backspace"] * 4, "enter")
        await until(pilot, lambda: "line 0719" in text(pilot))


async def test_a_narrowed_log_goes_on_following_what_it_holds(long: World, link: RecordingLink) -> None:
    async with looking(long, link, "9") as (_, pilot):
        await pilot.press("colon", *"log disk", "enter")
        await until(pilot, lambda: "the disk is full" in text(pilot))
        await asyncio.to_thread(write, long, "another line", "the disk has room again")
        await until(pilot, lambda: "the disk has room again" in text(pilot))
        assert "another line" not in text(pilot)


def test_a_page_and_a_search_keep_to_what_they_are_narrowed_to(long: World) -> None:
    with Reader(long.database) as reader:
        rows = page(reader, only="0-9 no such words")
        assert rows == []
        rows = page(reader, only="LINE 000", limit=500)
        assert [row["text"] for row in rows] == [f"line 000{i}" for i in range(10)]
        last = rows[-1]["id"]
        assert find(reader, "9", start=last, older=False, only="line 071") is not None
        assert find(reader, "disk", start=last, older=False, only="line") is None
