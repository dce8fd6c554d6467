"""Stages of a batch under what people do meanwhile: what waits for an earlier stage goes on waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from work_world import Scripted, WorkWorld

from storage.model import MINUTE, SECOND
from tests.support.simulated import SimulatedClock


@pytest.fixture
async def work(tmp_path: Path, clock: SimulatedClock, unhurried: None) -> AsyncIterator[WorkWorld]:
    made = WorkWorld(tmp_path, clock)
    await made.start()
    yield made
    await made.stop()
    made.true_books()


async def staged(work: WorkWorld) -> list[int]:
    """Two jobs, the second of which waits for the first one's 30 seconds."""
    batch = (await work.call("job.begin"))["batch_id"]
    rows = [{"kind": "scripted", "payload": {"name": f"{n}", "takes": 30 / n**3}, "stage": n} for n in (1, 2)]
    ids: list[int] = (await work.call("job.rows", batch_id=batch, rows=rows))["ids"]
    await work.call("job.commit", batch_id=batch)
    await work.clock.run(SECOND)
    return ids


async def test_a_cancel_that_is_taken_back_leaves_the_job_in_its_stage(work: WorkWorld) -> None:
    _, second = await staged(work)
    cancelled = await work.call("job.cancel", ids=[second])
    await work.clock.run(5 * SECOND)
    await work.call("job.undo", events=cancelled["events"])
    await work.clock.run(5 * SECOND)
    assert Scripted.ledger == ["1"]
    await work.clock.run(MINUTE)
    assert Scripted.finished == ["1", "2"]


async def test_a_cancel_taken_back_when_the_earlier_stage_is_over_lets_the_job_begin(work: WorkWorld) -> None:
    _, second = await staged(work)
    await work.clock.run(25 * SECOND)
    cancelled = await work.call("job.cancel", ids=[second])
    await work.clock.run(7 * SECOND)
    assert Scripted.finished == ["1"]
    await work.call("job.undo", events=cancelled["events"])
    await work.clock.run(MINUTE)
    assert Scripted.finished == ["1", "2"]


async def test_a_retry_of_an_earlier_stage_lets_the_later_one_begin(work: WorkWorld) -> None:
    batch = (await work.call("job.begin"))["batch_id"]
    rows = [
        {"kind": "scripted", "payload": {"name": "1", "ends": ["permanent", "done"]}, "stage": 1},
        {"kind": "scripted", "payload": {"name": "2"}, "stage": 2},
    ]
    first, _ = (await work.call("job.rows", batch_id=batch, rows=rows))["ids"]
    await work.call("job.commit", batch_id=batch)
    await work.clock.run(MINUTE)
    assert Scripted.ledger == ["1"]
    await work.call("job.retry", ids=[first])
    await work.clock.run(MINUTE)
    assert Scripted.ledger == ["1", "1", "2"]
