"""`paceline db prune`: what it counts, what it removes, and what it never touches."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from storage.model import DAY
from tests.cli.conftest import Home
from tui.cli.times import now_us


@contextmanager
def books(home: Home) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(home.database)) as connection, connection:
        yield connection


@pytest.fixture
def aged(home: Home) -> Home:
    """A home with three jobs that ended 40 days ago, and one that waits."""
    for _ in range(3):
        assert home("job", "add", "generate_report", "--yes").code == 0
    assert home("engine", "run", "--until-idle").code == 0
    assert home("job", "add", "generate_report", "--in", "2d").code == 0
    nightly = ("--cron", "0 0 * * *", "--kind", "generate_report", "--disabled", "--yes")
    assert home("schedule", "add", "nightly", *nightly).code == 0
    with books(home) as store:
        past = now_us() - 40 * DAY
        store.execute("UPDATE batches SET finished_at = ? WHERE state = 'done'", (past,))
        store.execute("DELETE FROM events")
        machines = [(past, "engine", "engine")] * 700 + [(past, "job 1", "job")] * 10
        people = [(past, "ana", "cli")] * 600 + [(now_us(), "ana", "cli")]
        store.executemany(
            "INSERT INTO events (at, level, kind, actor, via, text) VALUES (?, 'info', 'test', ?, ?, 'said')",
            machines + people,
        )
        [(schedule,)] = store.execute("SELECT id FROM schedules")
        store.executemany(
            "INSERT INTO firings (schedule_id, at, fired_at, outcome) VALUES (?, ?, ?, ?)",
            [(schedule, past + n, past, "waiting" if n == 7 else "missed") for n in range(251)],
        )
    return home


def left(home: Home) -> dict[str, int]:
    with books(home) as store:
        return {
            "jobs": store.execute("SELECT count(*) FROM jobs").fetchone()[0],
            "machines": store.execute("SELECT count(*) FROM events WHERE via <> 'cli' AND at < ?",
                                    (now_us() - 30 * DAY,)).fetchone()[0],
            "firings": store.execute("SELECT count(*) FROM firings").fetchone()[0],
            "people": store.execute("SELECT count(*) FROM events WHERE via = 'cli' AND at < ?",
                                    (now_us() - 30 * DAY,)).fetchone()[0],
        }  # fmt: skip


def test_a_dry_run_counts_what_would_go_and_changes_nothing(aged: Home) -> None:
    before = left(aged)
    told = aged("db", "prune", "--dry-run", "--json").json
    assert told["found"] == {"jobs": 3, "logs": 710, "firings": 150}
    assert told["removed"] == {"jobs": 0, "logs": 0, "firings": 0}
    assert left(aged) == before


def test_what_is_old_goes_and_what_people_did_stays(aged: Home) -> None:
    done = aged("db", "prune", "--yes")
    assert done.code == 0, done.err
    assert done.out.startswith("removed 3 background jobs, ")
    assert left(aged) == {"jobs": 1, "machines": 0, "people": 600, "firings": 101}, "the newest 100, and what waits"
    assert aged("db", "check").code == 0
    assert aged("db", "prune", "--yes").out == "nothing is old enough\n"


def test_one_sort_can_be_named_and_an_age_given(aged: Home) -> None:
    assert aged("db", "prune", "--jobs", "--older-than", "41d", "--json").json["found"] == {"jobs": 0}
    assert aged("db", "prune", "--jobs", "--older-than", "39d", "--json", "--yes").json["removed"] == {"jobs": 3}
    assert left(aged)["machines"] == 710
    assert aged("db", "prune", "--firings", "--json", "--yes").json["removed"] == {"firings": 150}


def test_it_is_refused_where_nothing_may_change(aged: Home) -> None:
    refused = aged("--read-only", "db", "prune", "--yes")
    assert refused.code == 4
    assert left(aged)["jobs"] == 4


@pytest.mark.parametrize("age", ["soon", "30"])
def test_an_age_that_is_none_is_told(aged: Home, age: str) -> None:
    refused = aged("db", "prune", "--older-than", age)
    assert refused.code == 2
    assert "--older-than" in refused.err
