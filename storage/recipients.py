"""Imports and plans in slices: recipients arrive, jobs are made for them, plans are made anew.

Every function handles at most one slice (`SLICE` rows, about 10 ms; of plans made anew `READ` and `MOVED`), so the
engine's own writes pass between.
Rows of an import or batch that is still `loading` can be seen by nobody; what a dead engine left `loading` is
removed at the next start.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from storage import approvals
from storage.errors import RefusedError
from storage.events import Event, add_event
from storage.model import Approval, JobState
from storage.nouns import RecipientRow

if TYPE_CHECKING:
    from storage.tx import Tx

SLICE = 1_000
READ = 4_000
"""Pending jobs that a new plan reads at once, in 10 to 30 ms."""
MOVED = 2_000
"""Jobs that are given their new slots at once, in 15 to 40 ms: a tenth less in all than by 1,000."""


@dataclass(frozen=True, slots=True)
class ImportSums:
    """How an import's rows ended: rows = imported + rejected + duplicates + grouped."""

    rows: int
    imported: int
    rejected: int
    duplicates: int
    grouped: int


class PlannedJob(NamedTuple):
    """One job to be made: a message (`recipient_id`, `step_id`) with its slot in the plan."""

    recipient_id: int
    due_at: int
    gap: int
    message_id: str
    held: str = ""
    """Why it waits for a person ("" when it does not): for example `field: company`."""
    detail: str = ""
    queue_id: int = 0
    """The queue of the account that it goes through; 0: the campaign's first."""
    skipped: str = ""
    """Why it is not sent at all ("" when it is)."""


class Unplanned(NamedTuple):
    """A person without a message yet; `fields` as JSON text."""

    id: int
    address: str
    fields: str
    profile: str


Waiting = tuple[int, int, str, str, int, int, int]
"""A pending job: id, due time (us), error key, the fields of its person as JSON text ("{}" when nobody asked for them),
queue, step, gap (us). Plain: with a name for each value 100,000 of them took twice as long to read."""


def begin_import(tx: Tx, campaign_id: int, source: str, sha256: str, actor: str, now: int) -> int:
    return tx.insert(
        "INSERT INTO imports (campaign_id, state, source, sha256, created_by, created_at) "
        "VALUES (?, 'loading', ?, ?, ?, ?)",
        (campaign_id, source, sha256, actor, now),
    )


_NEW_RECIPIENTS = (
    "INSERT INTO recipients (campaign_id, import_id, row_number, address, address_key, fields, profile, created_at) "
    "VALUES "
)
_UNLESS_THERE = " ON CONFLICT DO NOTHING RETURNING row_number"
_as_json = json.JSONEncoder(ensure_ascii=False).encode


def add_recipients(tx: Tx, import_id: int, rows: Sequence[RecipientRow], now: int) -> list[int]:
    """Store one slice; returns the row numbers that the campaign already has (duplicates)."""
    owner = tx.one("SELECT campaign_id, state FROM imports WHERE id = ?", (import_id,))
    if owner is None or owner["state"] != "loading":
        raise RefusedError("this import is over", hint="begin the import again")
    values = [
        (owner["campaign_id"], import_id, row.row, row.address, row.key, _as_json(row.fields), row.profile, now)
        for row in rows
    ]
    added = {new["row_number"] for new in tx.insert_many(_NEW_RECIPIENTS, 8, values, then=_UNLESS_THERE)}
    return [row.row for row in rows if row.row not in added]


def finish_import(tx: Tx, import_id: int, sums: ImportSums, event: Event, now: int) -> None:
    """Make the import's rows part of the campaign."""
    tx.execute(
        "UPDATE imports SET state = 'done', rows = ?, imported = ?, rejected = ?, duplicates = ?, grouped = ?, "
        "finished_at = ? WHERE id = ?",
        (sums.rows, sums.imported, sums.rejected, sums.duplicates, sums.grouped, now, import_id),
    )
    approvals.hold_campaigns(tx, now)
    add_event(tx, event, now)


def import_sources(tx: Tx, campaign_id: int) -> list[str]:
    """The names of the files whose people have no job yet, in order: what a start's batch is called by."""
    return [
        row["source"]
        for row in tx.all(
            "SELECT DISTINCT i.source FROM imports i WHERE i.campaign_id = ? AND i.state = 'done' AND i.finished_at > "
            "COALESCE((SELECT max(b.created_at) FROM batches b WHERE b.campaign_id = i.campaign_id), -1) ORDER BY i.id",
            (campaign_id,),
        )
    ]


def remove_import_slice(tx: Tx, import_id: int) -> bool:
    """Undo an unfinished import, one slice at a time; True while there is more. One that is done stays."""
    removed = tx.execute(
        "DELETE FROM recipients WHERE id IN (SELECT r.id FROM recipients r JOIN imports i "
        "ON i.campaign_id = r.campaign_id AND i.id = r.import_id WHERE i.id = ? AND i.state = 'loading' LIMIT ?)",
        (import_id, SLICE),
    ).rowcount
    if removed:
        return True
    tx.execute("DELETE FROM imports WHERE id = ? AND state = 'loading'", (import_id,))
    return False


UNPLANNED = (
    "SELECT r.id, r.address, r.fields, r.profile FROM recipients r INDEXED BY recipients_campaign "
    "WHERE r.campaign_id = ? AND r.id > ? AND r.stopped = '' AND r.import_id NOT IN "
    "(SELECT id FROM imports WHERE state = 'loading') AND NOT EXISTS "
    "(SELECT 1 FROM jobs j WHERE j.recipient_id = r.id AND j.step_id = ?) ORDER BY r.id LIMIT ?"
)
"""Of a campaign, after a recipient's id, people who have no job for a step, so many."""


def unplanned(tx: Tx, campaign_id: int, step_id: int, after: int) -> list[Unplanned]:
    """The next slice of recipients without a job for this step."""
    return list(map(Unplanned._make, tx.tuples(UNPLANNED, (campaign_id, after, step_id, SLICE))))


def begin_batch(tx: Tx, campaign_id: int | None, kind: str, name: str, actor: str, now: int) -> int:
    return tx.insert(
        "INSERT INTO batches (campaign_id, kind, name, state, created_by, created_at) "
        "VALUES (?, ?, ?, 'loading', ?, ?)",
        (campaign_id, kind, name, actor, now),
    )


_SKIPPED, _HELD, _PENDING = JobState.SKIPPED.value, JobState.HELD.value, JobState.PENDING.value
_NEW_MESSAGES = (
    "INSERT INTO jobs (kind, queue_id, campaign_id, step_id, recipient_id, batch_id, state, reason, ready, priority, "
    "due_at, gap, last_error, error_key, message_id, follow, created_at, updated_at) VALUES "
)


def add_jobs(
    tx: Tx,
    batch_id: int,
    campaign_id: int,
    step_id: int,
    queue_id: int,
    priority: int,
    jobs: Sequence[PlannedJob],
    now: int,
) -> None:
    """Make one slice of jobs under a loading batch.

    In a running campaign they carry `ready` 2: nobody can claim them before `release_slice`. A draft's jobs cannot be
    claimed anyway, so they get their flag at once, which spares a large start its second pass. Where each message is to
    be approved they are `held` for that.
    """
    campaign = tx.one("SELECT state, approval FROM campaigns WHERE id = ?", (campaign_id,))
    draft = campaign["state"] == "draft"
    if asks := campaign["approval"] == Approval.MESSAGE:
        jobs = [job if job.held or job.skipped else job._replace(held=approvals.WAITS) for job in jobs]
    newest = tx.one("SELECT COALESCE(max(id), 0) AS id FROM jobs")["id"] if asks else 0
    more = tx.one(
        "SELECT EXISTS (SELECT 1 FROM steps s JOIN steps own ON own.id = ? WHERE s.campaign_id = ? "
        "AND s.position > own.position) AS more",
        (step_id, campaign_id),
    )["more"]
    rows, made = [], Counter[tuple[int, str, str]]()
    for recipient_id, due_at, gap, message_id, held, detail, queue, skipped in jobs:
        state = _SKIPPED if skipped else _HELD if held else _PENDING
        key = _held_key(held, detail) if held else ""
        ready = 0 if skipped else (1 if due_at <= now and not held else 0) if draft else 2
        queue = queue or queue_id
        made[queue, state, key] += 1
        rows.append((
            "send", queue, campaign_id, step_id, recipient_id, batch_id, state, skipped or held, ready, priority,
            due_at, gap, detail, key, message_id, more, now, now,
        ))  # fmt: skip
    tx.insert_many(_NEW_MESSAGES, 18, rows)
    tx.execute("UPDATE batches SET total = total + ? WHERE id = ?", (len(jobs), batch_id))
    if asks:
        approvals.open_new(tx, newest, now)
    for (queue, state, held), n in made.items():
        tx.count(queue, campaign_id, batch_id, state, held, n)


def _held_key(held: str, detail: str) -> str:
    """The error key of a held job: what is to be mended; "" when only a person's yes is missing."""
    return f"held: {detail}"[:100] if detail or held != approvals.WAITS else ""


def finish_batch(tx: Tx, batch_id: int) -> None:
    tx.execute("UPDATE batches SET state = 'ready' WHERE id = ?", (batch_id,))


LATER_STAGE = (
    "WHEN (SELECT t.stage FROM tasks t WHERE t.job_id = jobs.id) > "
    "(SELECT b.stage FROM batches b WHERE b.id = jobs.batch_id AND b.stage > 0) THEN 3"
)


def release_slice(tx: Tx, batch_id: int, after: int, now: int) -> int | None:
    """Let one slice of a ready batch be claimed, in order; later stages of it still wait. Returns the last id, None
    when all are released."""
    batch = tx.one("SELECT stage FROM batches WHERE id = ?", (batch_id,))
    later = LATER_STAGE if batch is not None and batch["stage"] else ""
    rows = tx.all(
        f"UPDATE jobs SET ready = CASE {later} WHEN due_at <= ? AND state = 'pending' THEN 1 ELSE 0 END WHERE id IN "
        "(SELECT id FROM jobs WHERE batch_id = ? AND id > ? AND ready = 2 ORDER BY id LIMIT ?) RETURNING id",
        (now, batch_id, after, SLICE),
    )
    return max(row["id"] for row in rows) if rows else None


def remove_batch_slice(tx: Tx, batch_id: int) -> bool:
    """Undo an unfinished batch, one slice at a time; True while there is more. One that is ready stays."""
    rows = tx.all(
        "SELECT j.id, j.queue_id, j.campaign_id, j.batch_id, j.state, j.error_key FROM jobs j "
        "JOIN batches b ON b.id = j.batch_id WHERE j.batch_id = ? AND b.state = 'loading' AND j.attempts = 0 "
        "AND j.state IN ('pending', 'held', 'skipped') LIMIT ?",
        (batch_id, SLICE),
    )
    remove_jobs(tx, rows)
    if rows:
        return True
    if tx.one("SELECT 1 FROM jobs WHERE batch_id = ? LIMIT 1", (batch_id,)) is None:
        tx.execute("DELETE FROM batches WHERE id = ? AND state = 'loading'", (batch_id,))
    else:
        # Something of it was begun: what was begun is never forgotten.
        finish_batch(tx, batch_id)
    return False


_BESIDE = ("tasks", "task_items", "stages", "approvals", "letters", "attempts")
"""The tables whose rows belong to a job."""


_KINDS = (
    "SELECT kind, state, count(*) AS n FROM jobs WHERE id IN (SELECT value FROM json_each(?)) AND kind <> 'send' "
    "GROUP BY kind, state"
)


def remove_jobs(tx: Tx, rows: Sequence[Any]) -> None:
    """Remove jobs (rows with id, scope, state and error key) with all that belongs to them."""
    ids = [(row["id"],) for row in rows]
    if any(row["campaign_id"] is None for row in rows):
        for kind in tx.all(_KINDS, (json.dumps([row["id"] for row in rows]),)):
            tx.kinds[kind["kind"], kind["state"]] -= kind["n"]
    for table in _BESIDE:
        tx.executemany(f"DELETE FROM {table} WHERE job_id = ?", ids)
    tx.executemany("DELETE FROM jobs WHERE id = ?", ids)
    for row in rows:
        tx.count(row["queue_id"], row["campaign_id"], row["batch_id"], row["state"], row["error_key"], -1)


def loading(tx: Tx, campaign_id: int) -> tuple[list[int], list[int]]:
    """The imports and batches of one campaign that are still loading."""
    return (
        [
            row["id"]
            for row in tx.all("SELECT id FROM imports WHERE state = 'loading' AND campaign_id = ?", (campaign_id,))
        ],
        [
            row["id"]
            for row in tx.all("SELECT id FROM batches WHERE state = 'loading' AND campaign_id = ?", (campaign_id,))
        ],
    )


def unfinished(tx: Tx) -> tuple[list[int], list[int], list[int], list[int]]:
    """What a dead engine left: loading imports, loading batches, ready batches with unreleased jobs, campaigns
    whose plan was being made anew."""
    return (
        [row["id"] for row in tx.all("SELECT id FROM imports WHERE state = 'loading'")],
        [row["id"] for row in tx.all("SELECT id FROM batches WHERE state = 'loading'")],
        [
            row["id"]
            for row in tx.all(
                "SELECT id FROM batches b WHERE state = 'ready' AND EXISTS "
                "(SELECT 1 FROM jobs j WHERE j.batch_id = b.id AND j.ready = 2)"
            )
        ],
        [row["id"] for row in tx.all("SELECT id FROM campaigns WHERE replanning = 1")],
    )


def fields_of_jobs(names: Sequence[str]) -> tuple[str, str, list[str]]:
    """How these fields of the people of jobs `j` are read, as JSON text: the column, what to join, and the column's
    parameters. Nobody is joined where no field is named."""
    if not names:
        return "'{}'", "", []
    people = "LEFT JOIN recipients r ON r.id = j.recipient_id"
    # A path cannot name a field with a quote or a backslash in it: then all of them are read.
    if any(mark in name for name in names for mark in '"\\'):
        return "COALESCE(r.fields, '{}')", people, []
    column = f"json_object({', '.join(['?, json_extract(r.fields, ?)'] * len(names))})"
    return column, people, [part for name in names for part in (name, f'$."{name}"')]


def waiting(tx: Tx, campaign_id: int, after: tuple[int, int], *, fields: Sequence[str]) -> list[Waiting]:
    """The next slice of a campaign's pending jobs in plan order after (due_at, id), with these fields of their people
    only: taken out by the database, which costs a third of reading all of them here."""
    column, people, wanted = fields_of_jobs(fields)
    return tx.tuples(
        f"SELECT j.id, j.due_at, j.error_key, {column}, j.queue_id, j.step_id, j.gap FROM jobs j {people} "
        "WHERE j.campaign_id = ? AND j.state = 'pending' AND j.ready <> 2 "
        "AND (j.due_at, j.id) > (?, ?) ORDER BY j.due_at, j.id LIMIT ?",
        (*wanted, campaign_id, *after, READ),
    )


_MOVE = (
    "UPDATE jobs SET due_at = moved.due_at, gap = moved.gap, reason = '', ready = moved.due_at <= ?, updated_at = ? "
    "FROM (WITH given (id, due_at, gap) AS (VALUES {rows}) SELECT * FROM given) AS moved "
    "WHERE jobs.id = moved.id AND jobs.state = 'pending'"
)


def move(tx: Tx, rows: Sequence[tuple[int, int, int]], now: int) -> None:
    """Give jobs a new slot: (id, due_at, gap) each."""
    if rows:
        tx.update_many(_MOVE, 3, rows, (now, now))
