"""The console over a fixed store, at a fixed time, without an engine."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.config import load_config
from tests.console.world import NOON, RecordingLink, World, busy
from tui.console import PacelineApp
from tui.preferences import Preferences
from tui.screens import overview, performance

Press = Callable[..., Awaitable[None]]


@pytest.fixture(scope="session")
def busy_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Read by many tests and changed by none."""
    world = busy(tmp_path_factory.mktemp("busy"))
    yield world
    world.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def fresh(tmp_path: Path) -> World:
    """For `operating`, which closes it."""
    return World(tmp_path)


@pytest.fixture
def link() -> RecordingLink:
    return RecordingLink()


@pytest.fixture(autouse=True)
def fixed_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures must not depend on the disk they are taken on."""
    found = {"database": 412 << 20, "wal": 3_250_000, "disk_free": 39 << 30, "disk_total": 100 << 30}
    for view in (overview, performance):
        monkeypatch.setattr(view, "sizes", lambda reader: dict(found))


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
    for _ in range(400):
        await pilot.pause()
        if holds():
            await pilot.pause()
            return
        await pilot.pause(0.01)
    raise AssertionError("it never came to hold")
