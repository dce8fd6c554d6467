"""Large stores for the console: the real schema, a few campaigns made through control, millions of rows in bulk."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.channels.make import make_channel
from engine.clock import SystemClock
from engine.composer import Composer
from engine.config import load_config
from engine.control import actions, all_actions
from engine.control.actions import Context
from storage.migrate import migrations
from storage.model import DAY, MINUTE, SECOND, Actor
from storage.sqlite import SqliteStore

CONFIG = """\
environment = "bench"
[accounts.relay]
channel = "smtp"
host = "127.0.0.1"
port = {port}
tls = "none"
from_address = "me@example.org"
concurrency = 10
messages_per_connection = 10000
"""
ME = Actor("benchmark", via="benchmark")
RUSH = "rush"
"""The campaign that the benchmarks let run."""
RUSH_JOBS = 50_000
RUSH_RATE = 50
"""Messages a second of its steady pacing."""
CALM = 10 * MINUTE
"""Since when nothing was sent: the rates that a screen shows, over the last minutes, stand still."""
STALE_AFTER = DAY // 2
"""A kept store is made anew after this: its jobs are due a day after it was made."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """One campaign of a store: its part of the jobs, the part of those that ended, and whether it runs."""

    name: str
    part: float
    ended: float
    running: bool


BULKS = (Bulk("archive", 0.70, 1.0, True), Bulk("newsletter", 0.25, 0.5, True), Bulk("reminder", 0.05, 0.2, False))

# Of what ended: 1 in 100 failed for one of 20 reasons, 1 in 1,000 is uncertain, the rest was sent.
_STATE = "CASE WHEN n > :ended THEN 'pending' WHEN n % 1000 = 7 THEN 'uncertain' WHEN n % 100 = 3 THEN 'failed' " \
    "ELSE 'completed' END"  # fmt: skip
_PEOPLE = (
    "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count) "
    "INSERT INTO recipients (id, campaign_id, import_id, row_number, address, address_key, fields, created_at) "
    "SELECT :base + n, :campaign, :import, n + 2, printf('person.%07d@example.org', n), "
    "printf('person.%07d@example.org', n), printf('{\"first_name\": \"N%d\"}', n), :now FROM numbers"
)
_JOBS = (
    "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count) "
    "INSERT INTO jobs (id, kind, queue_id, campaign_id, step_id, recipient_id, batch_id, state, ready, due_at, gap, "
    "lease, attempts, tries, outcome, error_key, last_error, message_id, sent_at, created_at, updated_at) "
    "SELECT :base + n, 'send', :queue, :campaign, :step, :base + n, :batch, state, 0, "
    "CASE state WHEN 'pending' THEN :due + n * :gap ELSE :last - (:ended - n) * 1000 END, :gap, "
    "state <> 'pending', state <> 'pending', state <> 'pending', "
    "CASE state WHEN 'completed' THEN 'accepted' WHEN 'failed' THEN 'permanent' WHEN 'uncertain' THEN 'uncertain' "
    "ELSE '' END, "
    "CASE state WHEN 'failed' THEN printf('550 5.1.%d user unknown', n / 100 % 20) "
    "WHEN 'uncertain' THEN 'connection lost' ELSE '' END, "
    "CASE state WHEN 'failed' THEN printf('550 5.1.%d <person.%07d@example.org>: user unknown', n / 100 % 20, n) "
    "WHEN 'uncertain' THEN 'connection lost after the content' ELSE '' END, "
    "printf('<%d.%d@bench.example.org>', :campaign, n), "
    "CASE state WHEN 'completed' THEN :last - (:ended - n) * 1000 END, :last, :last - max(0, :ended - n) * 1000 "
    f"FROM (SELECT n, {_STATE} AS state FROM numbers)"
)
_FAILURES = (
    "INSERT INTO failure_hours (error_key, campaign_id, queue_id, outcome, hour, n, first_at, last_at, sample) "
    "SELECT error_key, campaign_id, queue_id, outcome, updated_at / 3600000000, count(*), min(updated_at), "
    "max(updated_at), min(last_error) FROM jobs WHERE error_key <> '' GROUP BY 1, 2, 3, 4, 5"
)
_MINUTES = (
    "INSERT INTO outcome_minutes (minute, campaign_id, queue_id, outcome, n, duration) "
    "SELECT sent_at / 60000000, campaign_id, queue_id, 'accepted', count(*), count(*) * 90000 FROM jobs "
    "WHERE sent_at > :since GROUP BY 1, 2, 3"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with one store and its configuration."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "paceline.db"

    @property
    def config(self) -> Path:
        return self.folder / "paceline.toml"

    def relay(self, port: int) -> None:
        """Let the store's account send to this loopback port."""
        self.config.write_text(CONFIG.format(port=port))


def make_store(root: Path, jobs: int) -> Place:
    """A store of `jobs` jobs under `root`, made unless a fresh one of the same schema is there. 5 M take minutes."""
    schema = hashlib.sha256("".join(migration.digest for migration in migrations()).encode()).hexdigest()[:8]
    place = Place(root / f"jobs-{jobs}-{schema}")
    done = place.folder / "done"
    if done.exists() and time.time() - done.stat().st_mtime < STALE_AFTER / SECOND:
        return place
    place.folder.mkdir(parents=True, exist_ok=True)
    for old in place.folder.glob("paceline.db*"):
        old.unlink()
    place.relay(1)
    made = asyncio.run(_campaigns(place))
    _bulk(place.database, jobs, made)
    asyncio.run(_settle(place))
    done.touch()
    return place


async def _campaigns(place: Place) -> dict[str, bool]:
    """The campaigns with one person each, started; which of them run."""
    all_actions()
    clock = SystemClock()
    store = await SqliteStore.open(place.database, role="command", now=clock.now, create=True)
    context = Context(store, clock, load_config(place.config), Composer(), make_channel)

    async def call(action: str, **args: Any) -> dict[str, Any]:
        return await actions.call(context, action, args, ME)

    running = {bulk.name: bulk.running for bulk in BULKS} | {RUSH: False}
    for name in running:
        pacing = {"mode": "steady", "rate": "60/min"}
        if name == RUSH:
            pacing["rate"] = f"{RUSH_RATE}/s"
        text = "Hello {first_name},\n\n" + "a line of ordinary text\n" * 15
        await call("campaign.new", name=name, account="relay", subject="hello {first_name}", text=text, pacing=pacing)
        begun = await call("recipients.begin", campaign=name, source="people.csv")
        address = f"first@{name}.example.org"
        await call("recipients.rows", import_id=begun["import_id"], rows=[(2, address, address, {"first_name": "A"})])
        sums = {"rows": 1, "imported": 1, "rejected": 0, "duplicates": 0}
        await call("recipients.commit", import_id=begun["import_id"], campaign=name, **sums)
        await call("campaign.live", name=name)
        await call("campaign.start", name=name)
        if not running[name]:
            await call("campaign.pause", name=name)
    await store.close()
    return running


def _bulk(database: Path, jobs: int, running: dict[str, bool]) -> None:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.row_factory = sqlite3.Row
    # Nobody else reads this file yet, and one that is cut short is made anew.
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -400000", "foreign_keys = OFF"):
        connection.execute(f"PRAGMA {pragma}")
    now = time.time_ns() // 1_000
    connection.execute("BEGIN")
    base = 10
    for bulk in (*BULKS, Bulk(RUSH, min(RUSH_JOBS, jobs // 10) / jobs, 0.0, False)):
        count = int(jobs * bulk.part)
        row = connection.execute(
            "SELECT c.id, c.queue_id, s.id AS step, i.id AS import, b.id AS batch FROM campaigns c "
            "JOIN steps s ON s.campaign_id = c.id JOIN imports i ON i.campaign_id = c.id "
            "JOIN batches b ON b.campaign_id = c.id WHERE c.name = ?",
            (bulk.name,),
        ).fetchone()
        values = {
            "campaign": row["id"], "queue": row["queue_id"], "step": row["step"], "import": row["import"],
            "batch": row["batch"], "count": count, "ended": int(count * bulk.ended), "base": base, "now": now,
            "last": now - CALM, "due": now + DAY, "gap": SECOND // RUSH_RATE if bulk.name == RUSH else SECOND,
        }  # fmt: skip
        connection.execute(_PEOPLE, values)
        connection.execute(_JOBS, values)
        connection.execute("UPDATE imports SET rows = rows + ?, imported = imported + ? WHERE id = ?",
                           (count, count, row["import"]))  # fmt: skip
        connection.execute("UPDATE batches SET total = total + ? WHERE id = ?", (count, row["batch"]))
        # The one person that control put in has nothing left to do.
        connection.execute("UPDATE jobs SET due_at = ? WHERE campaign_id = ? AND id < 10", (now + DAY, row["id"]))
        base += count
    connection.execute(_FAILURES)
    connection.execute(_MINUTES, {"since": now - 60 * MINUTE})
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


async def _settle(place: Place) -> None:
    """Bring the counters to what the rows say."""
    clock = SystemClock()
    store = await SqliteStore.open(place.database, role="command", now=clock.now)
    drift = await store.recount()
    await store.close()
    with sqlite3.connect(place.database) as connection:
        connection.executemany(
            "INSERT INTO counters (campaign_id, batch_id, queue_id, state, error_key, n) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET n = excluded.n",
            [(*key, n) for *key, _, n in drift],
        )
    connection.close()
