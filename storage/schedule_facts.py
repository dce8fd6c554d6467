"""Schedules and their firings as screens and commands read them. Times are microseconds UTC."""

from __future__ import annotations

import json
from typing import Any

from storage.errors import NotFoundError
from storage.last_run import FINISHED, STARTED
from storage.model import MINUTE
from storage.reader import Reader
from storage.schedule_ahead import AHEAD, KNOWN

Row = dict[str, Any]

FIRINGS_SHOWN = 1_000
_FIRING = (
    "f.at, f.fired_at, f.manual, f.outcome, f.job_id, f.note, j.state AS job_state, j.last_error AS job_error, "
    f"t.flag AS job_flag, {STARTED} AS started_at, {FINISHED} AS finished_at"
)
_LAST = (
    "LEFT JOIN firings f ON f.schedule_id = s.id AND f.at = "
    "(SELECT max(n.at) FROM firings n WHERE n.schedule_id = s.id) "
    "LEFT JOIN jobs j ON j.id = f.job_id LEFT JOIN tasks t ON t.job_id = f.job_id"
)
_OF_FIRING = ("at", "fired_at", "manual", "outcome", "job_id", "note", "job_state", "job_error", "job_flag",
              "started_at", "finished_at")  # fmt: skip


def schedules(reader: Reader) -> list[Row]:
    """Every schedule, what fires next first, those that fire no more last: its columns, `payload` as JSON value,
    `enabled` as bool, and `last`, its newest firing as `firings` tells one (None without any)."""
    rows = reader.rows(
        f"SELECT s.*, {_FIRING} FROM schedules s {_LAST} ORDER BY s.enabled = 0, s.next_at IS NULL, s.next_at, s.name"
    )
    return [_told(row) for row in rows]


def schedule(reader: Reader, name: str) -> Row:
    """One schedule as `schedules` tells it. Raises NotFoundError."""
    row = reader.one(f"SELECT s.*, {_FIRING} FROM schedules s {_LAST} WHERE s.name = ?", (name,))
    if row is None:
        raise NotFoundError(f"there is no schedule {name[:64]!r}", hint="see `paceline schedule list`")
    return _told(row)


def firings(reader: Reader, schedule_id: int, limit: int = 10) -> list[Row]:
    """The newest firings of a schedule: `{at, fired_at, manual, outcome, job_id, note, job_state, job_error, job_flag,
    started_at, finished_at}`; the job's part is None where none was made, or it is pruned."""
    rows = reader.rows(
        f"SELECT {_FIRING} FROM firings f LEFT JOIN jobs j ON j.id = f.job_id LEFT JOIN tasks t ON t.job_id = f.job_id "
        "WHERE f.schedule_id = ? ORDER BY f.at DESC LIMIT ?",
        (schedule_id, min(limit, FIRINGS_SHOWN)),
    )
    return [_firing(row) for row in rows]


def of_job(reader: Reader, job_id: int) -> Row | None:
    """The firing that made a job: `{schedule, at, fired_at, manual, note}`; None when no schedule did."""
    return reader.one(
        "SELECT s.name AS schedule, f.at, f.fired_at, f.manual, f.note FROM firings f INDEXED BY firings_job "
        "JOIN schedules s ON s.id = f.schedule_id WHERE f.job_id = ?",
        (job_id,),
    )


def troubled(reader: Reader) -> list[Row]:
    """Schedules whose last firing could make no job: `{id, name, version, enabled, trouble, at}`, `at` when that was
    (us)."""
    return reader.rows(
        "SELECT s.id, s.name, s.version, s.enabled, s.trouble, (SELECT max(f.fired_at) FROM firings f "
        "WHERE f.schedule_id = s.id AND f.outcome = 'refused') AS at FROM schedules s "
        "INDEXED BY schedules_troubled WHERE s.trouble <> '' ORDER BY s.id LIMIT 100"
    )


def silent(reader: Reader, now: int) -> list[Row]:
    """Enabled schedules that fire nothing for a while because the clock was ahead, and that no engine puts right by
    itself: which of their times have fired is no longer known. `{id, name, version, enabled, decided_at, next_at}`."""
    return reader.rows(
        "SELECT s.id, s.name, s.version, s.enabled, s.decided_at, s.next_at FROM schedules s "
        f"WHERE {AHEAD} AND NOT {KNOWN} ORDER BY s.id LIMIT 100",
        (now + MINUTE, now),
    )


def _told(row: Row) -> Row:
    own = {name: value for name, value in row.items() if name not in _OF_FIRING}
    own |= {"payload": json.loads(row["payload"]), "enabled": bool(row["enabled"])}
    return {**own, "last": _firing(row) if row["at"] is not None else None}


def _firing(row: Row) -> Row:
    return {name: bool(row[name]) if name == "manual" else row[name] for name in _OF_FIRING}
