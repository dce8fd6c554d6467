"""What is told of others: their acts by name, an engine that comes back, one that holds its lock and is silent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from storage.model import SECOND, Actor
from storage.reader import Reader
from tests.console.looking import console, looking, message, until
from tests.console.world import ANA, NOON, RecordingLink, World
from tui.embedded import EmbeddedEngine
from tui.feed import Snapshot, load_frame
from tui.link import LOST, EngineLink, LinkState
from tui.widgets import frame

GONE = LinkState(LOST, 4120, "mail-1", NOON - 47 * SECOND, 5, NOON + 8 * SECOND, "pid 4120 on mail-1 is gone")


async def test_what_another_operator_does_is_told_with_the_name(world: World, link: RecordingLink) -> None:
    await asyncio.to_thread(world.campaign, "letters", 3)
    async with looking(world, link) as (app, pilot):
        assert message(app) == ""
        await asyncio.to_thread(world.call, "campaign.pause", name="letters")
        await until(pilot, lambda: "ana paused letters" in message(app))


async def test_our_own_act_is_told_by_its_answer_alone(world: World, link: RecordingLink) -> None:
    await asyncio.to_thread(world.campaign, "letters", 3)
    link.own = True
    async with looking(world, link) as (app, pilot):
        seen = app._told_to
        await asyncio.to_thread(world.call, "campaign.pause", name="letters")
        await until(pilot, lambda: app._told_to != seen)
        assert message(app) == ""


async def test_an_engine_that_comes_back_says_how_much_happened(world: World, link: RecordingLink) -> None:
    await asyncio.to_thread(world.campaign, "letters", 3)
    async with looking(world, link) as (app, pilot):
        link.state = GONE
        await pilot.press("ctrl+r")
        await until(pilot, lambda: app.view is not None and app.view.has_class("-lost"))
        assert message(app) == " lost: engine unreachable, browsing the last snapshot"
        await asyncio.to_thread(world.call, "campaign.pause", name="letters")
        link.state = replace(GONE, word="ATTACHED", pid=4200)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "back after 47s, 1 change" in message(app))
        assert app.view is not None
        assert not app.view.has_class("-lost")


async def test_start_is_a_word_of_the_prompt_while_the_engine_is_lost(world: World) -> None:
    link = RecordingLink(GONE)
    async with looking(world, link) as (_, pilot):
        await pilot.press("colon", *"start", "enter")
        await until(pilot, lambda: ("start_here", {}) in link.calls)


def test_a_silent_engine_is_not_called_live(busy_world: World) -> None:
    with Reader(busy_world.database) as reader:
        state = frame.FrameState(
            "dev", "mail-1", False, False, LinkState("ATTACHED", 4120, "mail-1", silent=NOON - 12 * SECOND), NOON,
            frame=load_frame(reader, NOON),
        )  # fmt: skip
    assert frame.mode(state) == "SILENT 12s 4120"


def test_a_snapshot_without_data_tells_nothing(busy_world: World, link: RecordingLink) -> None:
    app = console(busy_world, link)
    app.tell_news(None, Snapshot(None, {}, None, link.state, NOON, "the store cannot be read"))
    assert app._told_to is None


@pytest.fixture
def database(tmp_path: Path) -> Path:
    made = World(tmp_path)
    made.close()
    return made.database


def test_two_consoles_of_one_engine_are_both_listed_and_a_closed_one_answers_nothing(database: Path) -> None:
    engine = EmbeddedEngine(database, database.with_name("paceline.toml"))
    engine.start()
    links = [EngineLink(database, ANA, embedded=engine), EngineLink(database, Actor("ben", "mail-2", "console"))]
    try:
        for link in links:
            link.look(1)
            assert link._asked is not None
            link._asked.result(30)
        links[0].look(2)
        assert links[0]._asked is not None
        links[0]._asked.result(30)
        status = links[0].state.status
        assert [(row["user"], row["host"]) for row in status["attached"]] == [("ana", "mail-1"), ("ben", "mail-2")]
        assert links[0].state == replace(links[0].state, status={})
        assert not links[0].acted_lately()
        links[0].call("engine.pause", {}).result(30)
        assert links[0].acted_lately()
        assert not links[1].acted_lately()
    finally:
        links[0].drain("test")
        assert links[0].join(30)
        for link in links:
            link.close()
