"""The kinds that come with Paceline, run by a whole engine on simulated time; at the end of every test the books of
messages and jobs must add up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from engine import scheduler, service
from engine.processors.context import RunContext
from storage.model import MINUTE
from tests.processors.kinds_world import KindsWorld
from tests.support.simulated import SimulatedClock, SimulatedLoop, UnderWay, inline_store


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"simulated": SimulatedLoop}


@pytest.fixture
async def kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KindsWorld]:
    """The world of an engine that the test starts; time stands while a job works in a thread."""
    clock = SimulatedClock()
    inline_store(monkeypatch)
    monkeypatch.setattr(scheduler, "HEARTBEAT", 30 * MINUTE)
    monkeypatch.setattr(scheduler, "RESCUE", 10 * MINUTE)
    monkeypatch.setattr(service, "IDLE_LOOK", 2 * MINUTE)
    monkeypatch.setattr(RunContext, "in_thread", UnderWay(clock).counted(RunContext.in_thread))
    made = KindsWorld(tmp_path, clock)
    yield made
    await made.stop()
    made.check()
    made.true_books()
