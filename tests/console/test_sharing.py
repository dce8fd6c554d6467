"""What the screen leaves to the engine beside it: sizes in a storm are told seldom, and turns are short."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.geometry import Size

from tests.console.world import World
from tui.embedded import EmbeddedEngine
from tui.sharing import TURN, shared_interpreter
from tui.terminal_driver import RESIZE_EVERY, TerminalDriver


class Ticking:
    """In place of the event loop: its time goes on only when it is told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> object:
        self.waiting.append((self.now + delay, callback))
        return object()

    def go_on(self, seconds: float) -> None:
        self.now += seconds
        due, self.waiting = self.waiting, []
        for at, callback in due:
            if at <= self.now:
                callback()
            else:
                self.waiting.append((at, callback))


async def test_of_a_storm_of_sizes_few_are_drawn_and_the_last_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    app: App[Any] = App()
    driver = TerminalDriver(app, gone=lambda: None)
    clock, told = Ticking(), []
    window = {"width": 80}
    driver._loop = clock  # type: ignore[assignment]
    monkeypatch.setattr(driver, "_get_terminal_size", lambda: (window["width"], 24))
    monkeypatch.setattr(app, "post_message", lambda message: told.append((clock.now, message.size)))
    for width in range(80, 380):
        window["width"] = width
        driver._tell_size()
        clock.go_on(0.02)
    clock.go_on(RESIZE_EVERY)
    assert told[0] == (100.0, Size(80, 24)), "a single one is drawn at once"
    assert told[-1][1] == Size(379, 24)
    assert all(later - at >= RESIZE_EVERY - 1e-6 for (at, _), (later, _) in pairwise(told))
    assert 50 <= len(told) <= 62
    assert not clock.waiting
    driver.close()


def test_turns_are_short_for_as_long_as_they_are_shared() -> None:
    before = sys.getswitchinterval()
    with shared_interpreter():
        assert sys.getswitchinterval() == pytest.approx(TURN)
        assert gc.get_freeze_count() > 10_000
    assert sys.getswitchinterval() == pytest.approx(before)
    assert gc.get_freeze_count() == 0


def test_an_engine_in_the_console_has_short_turns_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    world.close()
    engine = EmbeddedEngine(world.database, world.config_path)
    before, found = sys.getswitchinterval(), []
    run = engine._engine.run

    async def running() -> None:
        found.append(sys.getswitchinterval())
        await run()

    monkeypatch.setattr(engine._engine, "run", running)
    engine.start()
    engine.drain("test")
    assert engine.join(30)
    assert found == [pytest.approx(TURN)]
    assert sys.getswitchinterval() == pytest.approx(before)
