"""An operator at a console with a real engine in it: what leaves is judged by the other side's ledger."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from engine.clock import SystemClock
from engine.config import load_config
from storage.model import Actor
from storage.reader import Reader
from tests.console.looking import message, shown, until
from tests.console.world import World
from tests.support.scripted import ScriptedChannel
from tui.console import PacelineApp
from tui.embedded import EmbeddedEngine
from tui.link import EngineLink
from tui.screens.confirm import ConfirmScreen
from tui.screens.editor import EditorScreen, LetterArea
from tui.screens.view import ViewScreen
from tui.screens.wizard_letter import LetterScreen
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines


@dataclass
class Operator:
    """Presses keys, reads the screen, and looks into the store from outside."""

    pilot: Pilot[int]
    app: PacelineApp
    relay: ScriptedChannel
    database: Path

    @property
    def view(self) -> ViewScreen:
        assert self.app.view is not None
        return self.app.view

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await shown(self.pilot)

    async def says(self, text: str) -> None:
        """Type a line at the open prompt."""
        await self.until(lambda: self.view.prompt.is_open)
        self.view.prompt._set(text, len(text))
        await self.pilot.press("enter")
        await shown(self.pilot)

    async def on_campaign(self, name: str = "letters") -> None:
        """Go to the list of campaigns, and move to this one."""
        await self.press("2")
        await self.row(name=name)

    async def choose(self, key: Any) -> None:
        """Enter on this value of a form."""
        await self.on(key)
        await self.press("enter")

    async def on(self, key: Any) -> None:
        """Move down from the top until the cursor stands on this value of a form."""
        form = self.view.query_one("#form", Grid)
        await self.press("g")
        for _ in range(40):
            if form.current is not None and form.current[0] == key:
                return
            await self.press("j")
        raise AssertionError(f"{key} is not in:\n{form.text}")

    async def row(self, **wanted: Any) -> None:
        """Move down until the cursor's row has these values."""
        grid = self.view.grid()
        assert grid is not None
        await self.press("g")
        for _ in range(60):
            if grid.current and all(grid.current.get(key) == value for key, value in wanted.items()):
                return
            await self.press("j")
        raise AssertionError(f"{wanted} is not in:\n{grid.text}")

    async def until(self, holds: Any) -> None:
        try:
            await until(self.pilot, holds)
        except AssertionError:
            raise AssertionError(f"it never came to hold; {self.app.screen!r} shows\n{self.screen}") from None

    async def told(self, text: str) -> None:
        """Wait for a message."""
        await self.until(lambda: text in self.message)

    async def open(self, kind: type[ViewScreen], *keys: str) -> Any:
        """Press the keys, and wait until a screen of this kind is open and shows something."""
        await self.press(*keys)
        await self.until(lambda: isinstance(self.app.screen, kind) and self.app.screen.data is not None)
        return self.app.screen

    async def asked(self) -> str:
        """Wait for a question; its text."""
        await self.until(lambda: isinstance(self.app.screen, ConfirmScreen))
        return self.app.screen.query_one("#dialog", Lines).text

    async def answer(self, key: str) -> str:
        """Wait for a question and answer it by a key; its text."""
        text = await self.asked()
        await self.press(key)
        return text

    async def write(self, part: str, *keys: str) -> LetterArea:
        """Open the message by these keys, and the editor on one of its parts."""
        await self.open(LetterScreen, *keys)
        await self.sees("SUBJECT")
        await self.choose(("inside", part))
        await self.open(EditorScreen)
        return self.view.query_one(LetterArea)

    async def sees(self, text: str) -> None:
        await self.until(lambda: text in self.screen)

    @property
    def message(self) -> str:
        return message(self.app)

    @property
    def screen(self) -> str:
        """All that the view shows between its frame's rows."""
        shown = [lines.text for lines in self.view.query(Lines) if lines.display]
        return "\n".join([*shown, *(grid.text for grid in self.view.query(Grid))])

    def campaign(self, name: str) -> dict[str, Any]:
        with Reader(self.database) as reader:
            return reader.campaign(name)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        with Reader(self.database) as reader:
            return reader.rows(sql)

    def names(self) -> list[str]:
        return [row["name"] for row in self.rows("SELECT name FROM campaigns ORDER BY id")]


@asynccontextmanager
async def operating(
    world: World,
    fill: Callable[[World], object] = lambda world: None,
    *,
    read_only: bool = False,
) -> AsyncIterator[Operator]:
    """Fill a world and close it, and sit down at a console on it with an engine whose channel is scripted."""
    # On another thread: the world has an event loop of its own.
    await asyncio.to_thread(fill, world)
    await asyncio.to_thread(world.close)
    relay = ScriptedChannel(SystemClock())
    engine = EmbeddedEngine(world.database, world.config_path, channels=lambda account: relay)
    await asyncio.to_thread(engine.start)
    link = EngineLink(world.database, Actor("ana", "mail-1", "console"), embedded=engine, read_only=read_only)
    ticks = itertools.count()
    app = PacelineApp(
        world.database, link, environment="dev", host="mail-1", read_only=read_only,
        config=lambda: load_config(world.config_path), monotonic=lambda: float(next(ticks)),
    )  # fmt: skip
    try:
        async with app.run_test(size=(80, 24)) as pilot:
            await shown(pilot)
            yield Operator(pilot, app, relay, world.database)
    finally:
        link.drain("test")
        assert await asyncio.to_thread(link.join, 30)
        link.close()
