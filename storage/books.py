"""Whether the store's books are whole: what a dead engine left half done, and what no engine would ever write.

Looking reads only, and each finding says what to do. Integrity and counters are `Reader.check` and
`Reader.counter_drift`; `recount` is the remedy of the latter.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from storage import migrate
from storage.events import Event, add_event
from storage.model import HOUR, MINUTE, Actor
from storage.reader import Reader
from storage.sqlite import SqliteStore
from storage.tx import Tx
from storage.upkeep import recount as drift
from storage.upkeep import recount_kinds

MEND = "the next engine puts it right: paceline engine run"
MEND_BY_RESTART = "if it stays so: paceline engine drain, then paceline engine run, which puts it right"
LONG = HOUR
"""A start or an import takes seconds to minutes; one that still loads after this is not being loaded any more."""
LEASE_GRACE = 5 * MINUTE
"""A running engine looks for leases that ran out every minute."""
FEW = 20
"""Findings of one kind at most."""


class Oddity(NamedTuple):
    """`wrong`: no engine leaves this behind, not even one that was killed. Otherwise an engine puts it right."""

    subject: str
    message: str
    remedy: str
    wrong: bool = False


def examine_books(reader: Reader, *, now: int, owned: bool) -> list[Oddity]:
    """Everything odd, worst first. `now` in microseconds; `owned`: an engine or a command has the store's lock, so
    what is half done may be under way. Reads every attempt. Raises StoreError when the store cannot be read."""
    return [
        *_schema(reader),
        *_contradictions(reader),
        *_half_made(reader, now, owned),
        *_left_over(reader, now, owned),
    ]


def _schema(reader: Reader) -> Iterator[Oddity]:
    """Tables, indexes and triggers against those that this program would make."""
    version = reader.rows("PRAGMA user_version")[0]["user_version"]
    newest = migrate.migrations()[-1].number
    if version < newest:
        yield Oddity("schema", f"the schema is {version}, this program's is {newest}", MEND)
        return
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        migrate.apply(model, 0)
        wanted = {(kind, name): sql for kind, name, sql in model.execute("SELECT type, name, sql FROM sqlite_master")}
    found = {(row["type"], row["name"]): row["sql"] for row in reader.rows("SELECT type, name, sql FROM sqlite_master")}
    remedy = "something else changed the file: stop the engine, then paceline db restore BACKUP"
    for (kind, name), sql in sorted(wanted.items()):
        if (kind, name) not in found:
            yield Oddity("schema", f"the {kind} {name} is missing", remedy, wrong=True)
        elif found[kind, name] != sql:
            yield Oddity("schema", f"the {kind} {name} is not as this program made it", remedy, wrong=True)


def _contradictions(reader: Reader) -> Iterator[Oddity]:
    """Attempts and jobs that say different things."""
    for row in reader.rows(
        "SELECT a.job_id, j.state FROM attempts a JOIN jobs j ON j.id = a.job_id "
        "WHERE a.outcome IS NULL AND NOT (j.state = 'processing' AND j.lease = a.lease) LIMIT ?",
        (FEW,),
    ):
        text = f"job {row['job_id']} is {row['state']}, and an attempt of it has no outcome: it may have been sent"
        remedy = f"look for its Message-ID at the server before it is retried: paceline job show {row['job_id']}"
        yield Oddity("attempts", text, remedy, wrong=True)
    for row in reader.rows(
        "SELECT a.job_id, j.state FROM attempts a JOIN jobs j ON j.id = a.job_id "
        "WHERE a.outcome = 'accepted' AND j.state NOT IN ('completed', 'bounced') LIMIT ?",
        (FEW,),
    ):
        text = f"job {row['job_id']} was accepted by the server and stands as {row['state']}"
        yield Oddity("attempts", text, f"do not retry it: paceline job show {row['job_id']}", wrong=True)


def _half_made(reader: Reader, now: int, owned: bool) -> Iterator[Oddity]:
    """Imports, batches and plans that were cut short."""
    remedy = MEND_BY_RESTART if owned else MEND
    # Without an owner nobody is loading any more, however young it is.
    youngest = now - LONG if owned else now
    for row in reader.rows(
        "SELECT i.source, c.name FROM imports i JOIN campaigns c ON c.id = i.campaign_id "
        "WHERE i.state = 'loading' AND i.created_at <= ? LIMIT ?",
        (youngest, FEW),
    ):
        text = f"the import of {row['source']} into {row['name']} was cut short: nobody of it counts"
        yield Oddity("import", text, f"{remedy}; then import again")
    for row in reader.rows(
        "SELECT b.id, b.kind, c.name FROM batches b LEFT JOIN campaigns c ON c.id = b.campaign_id "
        "WHERE b.state = 'loading' AND b.created_at <= ? LIMIT ?",
        (youngest, FEW),
    ):
        text = f"batch {row['id']} ({row['kind']} of {row['name']}) was cut short: its messages are not sent"
        yield Oddity("batch", text, f"{remedy}; then start again")
    if owned:
        return
    for row in reader.rows(
        "SELECT b.id, c.name FROM batches b LEFT JOIN campaigns c ON c.id = b.campaign_id WHERE b.state = 'ready' "
        "AND EXISTS (SELECT 1 FROM jobs j WHERE j.batch_id = b.id AND j.ready = 2) LIMIT ?",
        (FEW,),
    ):
        yield Oddity("batch", f"batch {row['id']} of {row['name']} was not let go to its end", MEND)
    for row in reader.rows("SELECT name FROM campaigns WHERE replanning = 1 LIMIT ?", (FEW,)):
        yield Oddity("campaign", f"the plan of {row['name']} was being made anew: it sends nothing", MEND)


def _left_over(reader: Reader, now: int, owned: bool) -> Iterator[Oddity]:
    """Messages that stand where their campaign or their engine should have taken them from."""
    waiting = "c.state = 'completed'" if owned else "(c.state = 'completed' OR c.before_cancel <> '')"
    for row in reader.rows(
        "SELECT c.name, c.state, SUM(k.n) AS n FROM campaigns c JOIN counters k ON k.campaign_id = c.id "
        f"WHERE {waiting} AND k.state IN ('pending', 'processing') AND k.n > 0 GROUP BY c.id LIMIT ?",
        (FEW,),
    ):
        text = f"{row['name']} is {row['state']}, and {row['n']:,} of its messages are open"
        yield Oddity("campaign", text, MEND_BY_RESTART if owned else MEND)
    claims = "SELECT count(*) AS n FROM jobs WHERE state = 'processing' AND lease_until < ?"
    if owned:
        late = reader.rows(claims, (now - LEASE_GRACE,))[0]["n"]
        if late:
            yield Oddity("claims", f"{late:,} claims ran out and were not settled", MEND_BY_RESTART)
        return
    flying = reader.counts()["processing"]
    if flying:
        text = f"{flying:,} messages were in flight when the last engine ended"
        yield Oddity("claims", text, "the next engine says which are uncertain: paceline engine run")


async def recount(database: Path, *, now: Callable[[], int], actor: Actor) -> int:
    """Bring every counter to what a count of the jobs says, in one commit; returns how many were wrong.

    Raises LockHeldError while an engine holds the store, StoreError when it cannot be opened.
    """

    def run(tx: Tx) -> int:
        wrong = drift(tx)
        for campaign_id, batch_id, queue_id, state, error_key, kept, counted in wrong:
            tx.count(queue_id, campaign_id or None, batch_id, state, error_key, counted - kept)
        kinds = recount_kinds(tx)
        for kind, state, kept, counted in kinds:
            tx.kinds[kind, state] += counted - kept
        n = len(wrong) + len(kinds)
        add_event(tx, Event("db.recounted", f"{actor.user} recounted: {n:,} sums were wrong", actor=actor, n=n), now())
        return n

    store = await SqliteStore.open(database, role="command", now=now)
    try:
        return await store.writer.submit(run)
    finally:
        await store.close(note="recount")
