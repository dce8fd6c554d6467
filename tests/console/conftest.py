"""The console over a fixed store, at a fixed time, without an engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.looking import Compare, console, walk
from tests.console.world import RecordingLink, World, busy
from tui.screens import overview, performance


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


@pytest.fixture
def draws(busy_world: World, link: RecordingLink, snap_compare: Compare) -> Compare:
    """Whether a console on the busy store looks like its picture after these keys."""

    def same(*keys: str, size: tuple[int, int]) -> bool:
        return snap_compare(console(busy_world, link), terminal_size=size, run_before=walk(*keys))

    return same
