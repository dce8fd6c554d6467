"""Bringing a backup back without sending anything twice.

Between the backup and now messages may have left. Where the damaged store's attempts can still be read they tell, of
every open message. Otherwise each that the backup shows open in a campaign that was running becomes `uncertain`, when
it was due, or waited for approval, which may have come at any time. Background jobs and schedules: `restore_work`.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage import restore_work
from storage.errors import StoreError
from storage.events import Event, add_event
from storage.files import read_only_uri
from storage.lock import OwnerLock
from storage.migrate import check_identity
from storage.model import Actor
from storage.recipients import SLICE
from storage.restore_work import Work
from storage.sequences import RESTORED, note_restored
from storage.sqlite import SqliteStore
from storage.tx import Tx

_NO_ANSWER = "the engine ended between the intent and the server's reply"

_ATTEMPT = (
    "id, job_id, lease, number, queue_id, epoch, intent_at, counted_at, finished_at, outcome, phase, code, enhanced, "
    "reply, error_key, server, duration"
)


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did. `kept` is where the old files went (None: there were none); `evidence` whether the old
    attempts could be read; `sent` messages that they showed as sent, `uncertain` messages that nobody knows about;
    `work` the same of background jobs; `schedules` with a time of which nobody knows."""

    kept: Path | None
    evidence: bool
    sent: int
    uncertain: int
    work: Work
    schedules: int


async def restore(database: Path, source: Path, *, now: Callable[[], int], actor: Actor) -> Restored:
    """Put `source` in the place of `database`, keeping the old files beside it.

    Raises StoreError for a backup that is missing or damaged (nothing is changed then), LockHeldError while an
    engine holds the database.
    """
    _check_backup(source)
    stamp = now()
    lock = OwnerLock.acquire(database, role="command", socket_path="", now=stamp)
    part = database.with_name(database.name + ".restoring")
    old = _readable_attempts(database)
    try:
        # The copy is marked before it takes its place: a restore that dies leaves the old store, or a marked one.
        _copy(source, part)
        store = await SqliteStore.open(part, role="command", now=now)
        try:
            sent, uncertain = await _mark(store, old, stamp)
            work = await _mark_work(store, old, stamp)
            schedules = await store.writer.submit(lambda tx: restore_work.settle_schedules(tx, stamp))
            await store.writer.submit(lambda tx: note_restored(tx, stamp))
            text = f"restored from {source.name}: {uncertain:,} messages are uncertain, {sent:,} were found sent"
            if work.uncertain or work.held or schedules:
                text += (
                    f"; {work.uncertain:,} background jobs are uncertain, {work.held:,} held, "
                    f"{schedules:,} schedules make up for nothing"
                )
            event = Event(
                "db.restored", f"{actor.user} {text}", level="warning", actor=actor, n=uncertain + work.uncertain
            )
            await store.writer.submit(lambda tx: add_event(tx, event, now()))
        finally:
            await store.close(note="restore")
            for suffix in (".lock", ".ballast"):
                part.with_name(part.name + suffix).unlink(missing_ok=True)
        _in_one_file(part)
        kept = _set_aside(database, stamp // 1_000_000)
        part.replace(database)
        _sync_folder(database)
    finally:
        if old is not None:
            old.close()
        lock.release()
    return Restored(kept, old is not None, sent, uncertain, work, schedules)


def _check_backup(source: Path) -> None:
    if not source.is_file() or source.stat().st_size == 0:
        raise StoreError(f"there is no backup at {source}", hint="name a file made by `paceline db backup`")
    copy = sqlite3.connect(read_only_uri(source), uri=True)
    try:
        check_identity(copy, source)
        sound = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise StoreError(f"the backup {source} is damaged ({error})", hint="take an older backup") from error
    finally:
        copy.close()
    if sound != "ok":
        raise StoreError(f"the backup {source} is damaged ({sound})", hint="take an older backup")


def _readable_attempts(database: Path) -> sqlite3.Connection | None:
    """The old store, when every one of its attempts can be read; None otherwise."""
    if not database.exists() or database.stat().st_size == 0:
        return None
    old = None
    try:
        old = sqlite3.connect(read_only_uri(database), uri=True, check_same_thread=False)
        old.row_factory = sqlite3.Row
        check_identity(old, database)
        for _ in old.execute(f"SELECT {_ATTEMPT} FROM attempts NOT INDEXED"):
            pass
        old.execute("SELECT 1 FROM attempts WHERE job_id = 0").fetchall()
    except (sqlite3.Error, StoreError):
        if old is not None:
            old.close()
        return None
    return old


def _set_aside(database: Path, stamp: int) -> Path | None:
    kept = None
    for suffix in ("", "-wal", "-shm"):
        path = database.with_name(database.name + suffix)
        if path.exists():
            target = database.with_name(f"{database.name}.before-restore-{stamp}{suffix}")
            path.rename(target)
            kept = kept or target
    return kept


def _copy(source: Path, part: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        part.with_name(part.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(source, part)
    part.chmod(0o600)


def _in_one_file(part: Path) -> None:
    """Bring the marks from the log into the file itself, and onto the disk, before it is renamed."""
    copy = sqlite3.connect(part)
    try:
        copy.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        copy.execute("PRAGMA journal_mode = DELETE")
    finally:
        copy.close()
    with part.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(database: Path) -> None:
    folder = os.open(database.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


async def _mark(store: SqliteStore, old: sqlite3.Connection | None, restored_at: int) -> tuple[int, int]:
    after, sent, uncertain = 0, 0, 0
    while True:
        more, slice_sent, slice_uncertain = await store.writer.submit(
            lambda tx, after=after: _mark_slice(tx, old, after, restored_at)  # type: ignore[misc]
        )
        sent += slice_sent
        uncertain += slice_uncertain
        if more is None:
            return sent, uncertain
        after = more


async def _mark_work(store: SqliteStore, old: sqlite3.Connection | None, restored_at: int) -> Work:
    after: int | None = 0
    work = Work()
    while after is not None:
        after, some = await store.writer.submit(
            lambda tx, after=after: restore_work.mark_slice(tx, old, after, restored_at)  # type: ignore[misc]
        )
        work += some
    return work


def _mark_slice(tx: Tx, old: sqlite3.Connection | None, after: int, restored_at: int) -> tuple[int | None, int, int]:
    rows = tx.all(
        "SELECT j.id, j.state, j.queue_id, j.campaign_id, j.batch_id, j.error_key, j.lease FROM jobs j "
        "JOIN campaigns c ON c.id = j.campaign_id JOIN batches b ON b.id = j.batch_id "
        "WHERE j.id > ? AND j.state IN ('held', 'pending', 'processing') AND ((c.state = 'active' "
        # An approval, a resume or another pacing gives an earlier time than the backup knows: the attempts tell.
        "AND (j.due_at <= ? OR (j.state = 'held' AND j.reason = 'approval'))) OR (? AND b.state <> 'loading')) "
        "ORDER BY j.id LIMIT ?",
        (after, restored_at, int(old is not None), SLICE),
    )
    sent = uncertain = 0
    for row in rows:
        fate = _fate(tx, row, old)
        if fate == "open":
            continue
        done = fate == "sent"
        # An intent without an answer gets none any more: it ends as its message does.
        tx.execute(
            "UPDATE attempts SET outcome = 'uncertain', finished_at = ?, phase = 'content', reply = ?, error_key = ? "
            "WHERE job_id = ? AND outcome IS NULL",
            (restored_at, f"{RESTORED}: {_NO_ANSWER}", RESTORED, row["id"]),
        )
        sent += done
        uncertain += not done
        key = "" if done else RESTORED
        scope = (row["queue_id"], row["campaign_id"], row["batch_id"])
        tx.count(*scope, row["state"], row["error_key"], -1)
        tx.count(*scope, "completed" if done else "uncertain", key, +1)
        # By legal steps only: held -> pending -> processing -> its fate.
        tx.execute("UPDATE jobs SET state = 'pending', reason = '' WHERE id = ? AND state = 'held'", (row["id"],))
        tx.execute(
            "UPDATE jobs SET state = 'processing', lease_until = 0 WHERE id = ? AND state = 'pending'", (row["id"],)
        )
        tx.execute(
            "UPDATE jobs SET state = ?, ready = 0, lease_until = NULL, error_key = ?, last_error = ?, sent_at = "
            "CASE WHEN ? = 1 THEN (SELECT max(a.finished_at) FROM attempts a WHERE a.job_id = jobs.id) END, "
            "updated_at = ? WHERE id = ?",
            (
                "completed" if done else "uncertain",
                key,
                "" if done else f"{RESTORED}: it may have been sent after the backup",
                1 if done else 0,
                restored_at,
                row["id"],
            ),
        )
    return (rows[-1]["id"] if len(rows) == SLICE else None), sent, uncertain


def _fate(tx: Tx, row: Any, old: sqlite3.Connection | None) -> str:
    """`sent`, `uncertain` or `open`, by the old store's attempts; they are taken over as they were."""
    if old is None:
        return "uncertain"
    attempts = old.execute(f"SELECT {_ATTEMPT} FROM attempts WHERE job_id = ? ORDER BY id", (row["id"],)).fetchall()
    columns = _ATTEMPT.split(", ")
    for attempt in attempts:
        tx.execute(
            f"INSERT OR REPLACE INTO attempts ({_ATTEMPT}) VALUES ({', '.join('?' * len(columns))})",
            [attempt[column] for column in columns],
        )
    tx.execute(
        "UPDATE jobs SET attempts = ?, lease = max(lease, ?) WHERE id = ?",
        (len(attempts), max((a["lease"] for a in attempts), default=0), row["id"]),
    )
    if any(attempt["outcome"] == "accepted" for attempt in attempts):
        return "sent"
    if any(attempt["outcome"] in (None, "uncertain") for attempt in attempts):
        return "uncertain"
    return "open"
