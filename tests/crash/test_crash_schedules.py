"""SIGKILL while schedules are fired: every scheduled time has one row and one job, whatever was cut off."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine.config import init_config
from storage.events import Event
from storage.files import read_only_uri
from storage.model import MINUTE
from storage.reader import Reader
from storage.schedules import ScheduleSpec
from storage.sqlite import SqliteStore
from tests.support.child import end_child, start_child
from tests.support.crashpoints import SCHEDULE_POINTS

SCHEDULES = 6
MISSED = 4
"""Times that each of them has yet to make up for when its engine comes."""


def missed_schedules(folder: Path) -> tuple[Path, Path]:
    """A store whose schedules of every minute were last looked at a few minutes ago; with its configuration."""
    database, config = folder / "paceline.db", folder / "paceline.toml"
    init_config(config)
    begun = time.time_ns() // 1_000 // MINUTE * MINUTE - (MISSED + 1) * MINUTE

    async def fill() -> None:
        store = await SqliteStore.open(database, role="command", now=lambda: begun, create=True)
        spec = ScheduleSpec("s", "cleanup_old_data", "* * * * *", "UTC", missed="catch_up")
        for n in range(SCHEDULES):
            await store.add_schedule(replace(spec, name=f"s{n}"), begun + MINUTE, Event("schedule.added", "added"))
        await store.close()

    asyncio.run(fill())
    return database, config


def rows(database: Path, sql: str) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(read_only_uri(database), uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize("point", SCHEDULE_POINTS)
@pytest.mark.parametrize("at", [1, SCHEDULES])
def test_a_kill_while_firing_loses_no_time_and_fires_none_twice(point: str, at: int, tmp_path: Path) -> None:
    database, config = missed_schedules(tmp_path)
    code, err = end_child(start_child(database, config, point=point, at=at))
    assert code == -signal.SIGKILL, err
    before = {(row["schedule_id"], row["at"]) for row in rows(database, "SELECT schedule_id, at FROM firings")}
    for _ in range(2):
        code, err = end_child(start_child(database, config), seconds=60)
        assert code == 0, err
    firings = rows(database, "SELECT * FROM firings ORDER BY schedule_id, at")
    assert before <= {(row["schedule_id"], row["at"]) for row in firings}
    assert {row["outcome"] for row in firings} <= {"started", "overlapped"}
    started = [row for row in firings if row["outcome"] == "started"]
    assert len({row["job_id"] for row in started}) == len(started)
    for schedule_id in {row["schedule_id"] for row in firings}:
        times = [row["at"] for row in firings if row["schedule_id"] == schedule_id]
        assert times == list(range(times[0], times[0] + len(times) * MINUTE, MINUTE)), "no minute is left out"
        assert len(times) >= MISSED
    jobs = rows(database, "SELECT id, state FROM jobs")
    assert {row["id"] for row in jobs} == {row["job_id"] for row in started}
    assert {row["state"] for row in jobs} == {"completed"}
    with Reader(database) as reader:
        assert reader.counter_drift() == []
