"""Every test over a `desk` ends with the books checked: the counters equal a recount of the jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.stores import OPENERS, Desk


@pytest.fixture(params=sorted(OPENERS))
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    """A fresh store of each kind that must pass this suite; invariant 7 is checked after each test."""
    made = await Desk.open(request.param, tmp_path / "paceline.db")
    yield made
    try:
        assert await made.store.recount() == []
        assert made.look.counter_drift() == []
    finally:
        await made.close()
