"""A store with data in it, from every earlier version: nothing is lost, and the books are right afterwards."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from storage import migrate
from storage.reader import Reader
from tests.support.stores import HandClock, open_sqlite

VERSIONS = [migration.number for migration in migrate.migrations()]
STATES = ("pending", "processing", "completed", "failed", "held", "skipped", "bounced", "uncertain")
JOBS = 60
COUNTED_BY_BATCH = 2
"""The version from which on the counters cannot be made anew by a migration: its jobs need theirs."""


@pytest.fixture(autouse=True)
def copied_stores() -> None:
    """Here the migrations themselves are judged: no store is a copy."""


def old_store(path: Path, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of every state in two campaigns, three batches and outside of any campaign, as `version` wrote them."""
    steps = migrate.migrations()[:version]
    with monkeypatch.context() as patched, closing(sqlite3.connect(path, isolation_level=None)) as raw:
        patched.setattr(migrate, "migrations", lambda: steps)
        migrate.apply(raw, 0)
        raw.execute("INSERT INTO queues (id, name, channel, created_at, updated_at) VALUES (1, 'mail', 'smtp', 0, 0)")
        for n in (1, 2):
            raw.execute(
                "INSERT INTO campaigns (id, name, queue_id, pacing, seed, created_at, updated_at) "
                "VALUES (?, ?, 1, '{}', 1, 0, 0)",
                (n, f"campaign-{n}"),
            )
        for n in (1, 2, 3):
            raw.execute("INSERT INTO batches (id, kind, state, created_at) VALUES (?, 'start', 'ready', 0)", (n,))
        for n in range(1, JOBS + 1):
            state = STATES[n % len(STATES)]
            raw.execute(
                "INSERT INTO jobs (id, kind, queue_id, campaign_id, batch_id, state, reason, due_at, lease_until, "
                "error_key, sent_at, created_at, updated_at) VALUES (?, 'send', 1, ?, ?, ?, ?, 0, ?, ?, ?, 0, 0)",
                (
                    n, n % 3 or None, 1 + n % 3, state, "field" if state in ("held", "skipped") else "",
                    1 if state == "processing" else None, "550 no" if n % 2 and state != "pending" else "",
                    1 if state in ("completed", "bounced") else None,
                ),
            )  # fmt: skip
        if version >= COUNTED_BY_BATCH:
            raw.execute(
                "INSERT INTO counters SELECT COALESCE(campaign_id, 0), batch_id, queue_id, state, "
                "CASE WHEN state IN ('processing', 'completed') THEN '' ELSE error_key END, count(*) FROM jobs "
                "GROUP BY 1, 2, 3, 4, 5"
            )


@pytest.mark.parametrize("version", VERSIONS[:-1])
async def test_an_older_store_is_brought_up_to_date(
    tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "paceline.db"
    old_store(path, version, monkeypatch)
    store = await open_sqlite(path, HandClock())
    assert await store.recount() == []
    await store.close()
    with closing(sqlite3.connect(path.with_name(f"{path.name}.before-{VERSIONS[-1]:04d}"))) as backup:
        assert migrate.version_of(backup) == version
        assert backup.execute("SELECT count(*) FROM jobs").fetchone() == (JOBS,)
    wanted = Counter(STATES[n % len(STATES)] for n in range(1, JOBS + 1))
    with Reader(path) as reader:
        assert {state: n for state, n in reader.counts().items() if state in STATES} == wanted
        of_campaigns = sum((Counter(reader.counts("campaign", n)) for n in (1, 2)), Counter())
        assert of_campaigns["failed"] == sum(1 for n in range(1, JOBS + 1) if n % 3 and STATES[n % 8] == "failed")
        of_batches = sum((Counter(reader.counts("batch", n)) for n in (1, 2, 3)), Counter())
        assert {state: of_batches[state] for state in STATES} == wanted
        assert reader.counts("queue", 1)["uncertain"] == wanted["uncertain"]
        assert reader.check() == []


def test_the_checks_of_the_last_version_still_refuse(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "paceline.db", isolation_level=None)) as raw:
        migrate.apply(raw, 0)
        raw.execute("INSERT INTO queues (id, name, channel, created_at, updated_at) VALUES (1, 'mail', 'smtp', 0, 0)")
        raw.execute("INSERT INTO batches (id, kind, state, created_at) VALUES (1, 'start', 'ready', 0)")
        job = "INSERT INTO jobs (kind, queue_id, batch_id, state, ready, due_at, created_at, updated_at) "
        raw.execute(f"{job} VALUES ('send', 1, 1, 'pending', 2, 0, 0, 0)")
        for values in ("('send', 1, 1, 'sent', 0, 0, 0, 0)", "('send', 1, 1, 'pending', 4, 0, 0, 0)"):
            with pytest.raises(sqlite3.IntegrityError):
                raw.execute(f"{job} VALUES {values}")
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(
                "INSERT INTO attempts (job_id, lease, number, queue_id, epoch, intent_at, finished_at, outcome) "
                "VALUES (1, 1, 1, 1, 1, 0, 0, 'perhaps')"
            )
        [checks] = raw.execute("SELECT group_concat(sql) FROM sqlite_schema WHERE name IN ('jobs', 'attempts')")
        assert "IN (0, 1, 2)" not in checks[0]
        assert "(state IN" not in checks[0]
        assert "(outcome IN" not in checks[0]
