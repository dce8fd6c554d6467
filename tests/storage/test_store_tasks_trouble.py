"""Ends of background jobs while the embedded store cannot be written."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from storage import writer
from storage.model import JobState, OutcomeClass
from storage.sqlite import SqliteStore
from storage.tasks import NewTask, TaskClaim, TaskEnd
from storage.work_terms import CHANNEL
from tests.support.stores import LEASE, Desk


async def test_the_end_of_a_run_waits_out_a_full_disk(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(desk.store, SqliteStore)
    queue, now = await desk.store.ensure_queue("default", CHANNEL), desk.clock()
    await desk.store.enqueue([NewTask("report", queue.id, now)] * 2, name="test", actor="ada")
    wanted = TaskClaim(queue.id, 2, now, now + LEASE, 0, desk.store.epoch)
    tasks = await desk.store.claim_tasks(lambda: wanted)
    commit, full = desk.store.writer._commit, 3

    def refuse(*args: Any) -> Any:
        nonlocal full
        if full:
            full -= 1
            raise sqlite3.OperationalError("database or disk is full")
        return commit(*args)

    monkeypatch.setattr(writer, "TROUBLE_PAUSE", 0)
    monkeypatch.setattr(desk.store.writer, "_on_full", lambda: False)
    monkeypatch.setattr(desk.store.writer, "_commit", refuse)
    ends = [TaskEnd(task, now, JobState.COMPLETED, OutcomeClass.ACCEPTED) for task in tasks]
    assert await desk.store.finish_tasks(ends) == [True, True]
    assert full == 0
    assert {desk.state(task.id) for task in tasks} == {"completed"}
