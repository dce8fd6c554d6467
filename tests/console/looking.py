"""An operator at a console over a fixed store, without an engine: what would be changed is only recorded."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from engine.config import load_config
from tests.console.world import NOON, RecordingLink, World
from tui.console import PacelineApp
from tui.preferences import Preferences
from tui.screens.confirm import ConfirmScreen
from tui.screens.view import ViewScreen
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines

Compare = Callable[..., bool]
"""What `snap_compare` and `draws` are."""
SIZES = [pytest.param((80, 24), id="80x24"), pytest.param((120, 40), id="120x40")]


def console(
    world: World,
    link: RecordingLink,
    *,
    read_only: bool = False,
    environment: str = "dev",
    state: Path | None = None,
    preferences: Preferences | None = None,
) -> PacelineApp:
    """An app whose present stands at `NOON`, and whose monotonic time jumps a second a look: no key is type-ahead."""
    ticks = itertools.count()
    return PacelineApp(
        world.database, link, environment=environment, host="mail-1", read_only=read_only, state=state,
        preferences=preferences, config=lambda: load_config(world.config_path), now=lambda: NOON,
        monotonic=lambda: float(next(ticks)),
    )  # fmt: skip


async def shown(pilot: Pilot[int]) -> None:
    """Wait until the open view shows what it asked for."""
    app = pilot.app
    assert isinstance(app, PacelineApp)
    await until(pilot, lambda: app.view is not None and app.view.data is not None)


async def until(pilot: Pilot[int], holds: Callable[[], bool]) -> None:
    for _ in range(2_000):
        await pilot.pause()
        if holds():
            await pilot.pause()
            return
        await pilot.pause(0.01)
    raise AssertionError("it never came to hold")


@asynccontextmanager
async def looking(
    world: World, link: RecordingLink, *keys: str, size: tuple[int, int] = (80, 24), **options: Any
) -> AsyncIterator[tuple[PacelineApp, Pilot[int]]]:
    """A console that shows what the keys lead to; `console` tells the options."""
    app = console(world, link, **options)
    async with app.run_test(size=size) as pilot:
        await shown(pilot)
        await go(pilot, *keys)
        yield app, pilot


async def go(pilot: Pilot[int], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await shown(pilot)


def walk(*keys: str) -> Callable[[Pilot[int]], Awaitable[None]]:
    """What is pressed before a picture is taken."""

    async def before(pilot: Pilot[int]) -> None:
        await shown(pilot)
        await go(pilot, *keys)

    return before


async def cursor_on(pilot: Pilot[int], name: str) -> None:
    """Move down until the cursor's row has this name."""
    grid = pilot.app.screen.query_one(Grid)
    for _ in range(20):
        if grid.current and grid.current["name"] == name:
            return
        await pilot.press("j")
    raise AssertionError(f"{name} is not in the list")


async def asked(pilot: Pilot[int]) -> str:
    """Wait for a question; its text."""
    await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
    return pilot.app.screen.query_one("#dialog", Lines).text


async def answered(pilot: Pilot[int]) -> None:
    await until(pilot, lambda: not isinstance(pilot.app.screen, ConfirmScreen))


def message(app: PacelineApp) -> str:
    """The message, in whatever rows it stands."""
    assert isinstance(app.view, ViewScreen)
    return app.view.query_one("#message", Lines).text.replace("\n ", " ")
