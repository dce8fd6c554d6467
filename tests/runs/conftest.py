"""A world on simulated time; at the end of every test its books must add up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from run_world import World

from engine import scheduler, service
from storage.model import MINUTE
from tests.support.simulated import SimulatedClock, SimulatedLoop, inline_store


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test of this folder runs on a loop whose quiet moments the clock can see."""
    return {"simulated": SimulatedLoop}


@pytest.fixture
async def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store answers on the engine's own loop, and the heart beats slower: a month of beats tests nothing."""
    inline_store(monkeypatch)
    monkeypatch.setattr(scheduler, "HEARTBEAT", 30 * MINUTE)
    monkeypatch.setattr(scheduler, "RESCUE", 10 * MINUTE)
    monkeypatch.setattr(service, "IDLE_LOOK", 2 * MINUTE)


@pytest.fixture
async def world(tmp_path: Path, clock: SimulatedClock, unhurried: None) -> AsyncIterator[World]:
    """An engine's surroundings; the test starts it."""
    made = World(tmp_path, clock)
    yield made
    await made.stop()
    made.check()
