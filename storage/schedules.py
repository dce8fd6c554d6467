"""Schedules: what recurs by the clock, as people made it. Each function runs inside the Writer's transaction.

When they fire is decided in `engine.schedules`; what a firing leaves behind stands in `storage.firings`. Times are
microseconds UTC.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from storage.errors import NotFoundError, RefusedError
from storage.events import Event, add_event

if TYPE_CHECKING:
    from storage.tx import Tx


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """What a person says about a schedule. `payload`: JSON text; `queue` "" and `priority` 0: that of its kind; `cron`
    and `zone` as `engine.planning.cron` reads them; `missed`, `grace` (us), `most`: `engine.planning.missed`;
    `overlap`: skip, wait or allow."""

    name: str
    kind: str
    cron: str
    zone: str
    payload: str = "{}"
    queue: str = ""
    priority: int = 0
    missed: str = "run_once"
    grace: int = 3_600_000_000
    most: int = 10
    overlap: str = "skip"
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Schedule(ScheduleSpec):
    """A schedule as it stands. `decided_at`: the newest time that was dealt with, or from when on it counts; `next_at`:
    when it fires next (None: never again); `trouble`: why its last firing made no job ("" when it did)."""

    id: int = 0
    decided_at: int = 0
    next_at: int | None = None
    trouble: str = ""
    created_by: str = ""
    created_at: int = 0
    updated_at: int = 0
    version: int = 1

    @property
    def spec(self) -> ScheduleSpec:
        return ScheduleSpec(**{name: getattr(self, name) for name in _SPEC})


_SPEC = tuple(field.name for field in fields(ScheduleSpec))
_ALL = tuple(field.name for field in fields(Schedule))
COLUMNS = ", ".join(f"s.{name}" for name in _ALL)
CHANGED = "the schedule was changed before this was fired"
DISABLED = "the schedule was disabled before this was fired"
STOPPED_WAITING = "the schedule was disabled while this waited"


def schedule_of(row: Any) -> Schedule:
    """A row of `schedules` as its noun."""
    values = {name: row[name] for name in _ALL}
    return Schedule(**{**values, "enabled": bool(row["enabled"])})


def get(tx: Tx, name: str | int) -> Schedule:
    """By name or id. Raises NotFoundError."""
    column = "id" if isinstance(name, int) else "name"
    row = tx.one(f"SELECT {COLUMNS} FROM schedules s WHERE s.{column} = ?", (name,))
    if row is None:
        raise NotFoundError(f"there is no schedule {str(name)[:64]!r}", hint="see `paceline schedule list`")
    return schedule_of(row)


def add(tx: Tx, spec: ScheduleSpec, next_at: int | None, event: Event, now: int) -> Schedule:
    """Make one; its firings count from `now` on. Raises RefusedError when there is one of its name."""
    if tx.one("SELECT 1 FROM schedules WHERE name = ?", (spec.name,)) is not None:
        raise RefusedError(f"there is a schedule '{spec.name}' already", hint="change it with `paceline schedule edit`")
    values = {
        **asdict(spec), "decided_at": now, "next_at": next_at, "created_by": event.actor.user, "created_at": now,
        "updated_at": now,
    }  # fmt: skip
    made = tx.insert(
        f"INSERT INTO schedules ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})", tuple(values.values())
    )
    add_event(tx, event, now)
    return get(tx, made)


def edit(tx: Tx, seen: Schedule, spec: ScheduleSpec, next_at: int | None, event: Event, now: int) -> Schedule:
    """Replace what it says. Other times count from `now` on, and an old one that was due and not fired is given up;
    with the times unchanged nothing of them is lost. Raises RefusedError when it is not as it was `seen`."""
    present = _unchanged(tx, seen)
    same_times = (present.cron, present.zone) == (spec.cron, spec.zone)
    if not same_times:
        _give_up(tx, present, CHANGED, now)
    tx.execute(
        f"UPDATE schedules SET {', '.join(f'{name} = ?' for name in _SPEC)}, decided_at = ?, next_at = ?, "
        "trouble = '', updated_at = ?, version = version + 1 WHERE id = ?",
        (
            *(getattr(spec, name) for name in _SPEC),
            present.decided_at if same_times else max(present.decided_at, now),
            present.next_at if same_times else next_at,
            now,
            present.id,
        ),
    )
    add_event(tx, event, now)
    return get(tx, present.id)


def set_enabled(tx: Tx, seen: Schedule, enabled: bool, next_at: int | None, event: Event, now: int) -> Schedule:
    """Enabled it counts from `now` on, also where the clock was set back since: what has fired already is known by its
    row. Disabled it begins nothing more, nor what still waited. Raises RefusedError when it is not as it was `seen`."""
    present = _unchanged(tx, seen)
    if enabled and not present.enabled:
        tx.execute("UPDATE schedules SET decided_at = ?, next_at = ? WHERE id = ?", (now, next_at, present.id))
    if not enabled:
        _give_up(tx, present, DISABLED, now)
        tx.execute(
            "UPDATE firings SET outcome = 'overlapped', note = ? WHERE schedule_id = ? AND outcome = 'waiting'",
            (STOPPED_WAITING, present.id),
        )
    tx.execute(
        "UPDATE schedules SET enabled = ?, updated_at = ?, version = version + 1 WHERE id = ?",
        (enabled, now, present.id),
    )
    add_event(tx, event, now)
    return get(tx, present.id)


def remove(tx: Tx, seen: Schedule, event: Event, now: int) -> None:
    """Take it away with the record of its firings; its jobs stay. Raises RefusedError when it is not as it was
    `seen`."""
    present = _unchanged(tx, seen)
    tx.execute("DELETE FROM firings WHERE schedule_id = ?", (present.id,))
    tx.execute("DELETE FROM schedules WHERE id = ?", (present.id,))
    add_event(tx, event, now)


def due(tx: Tx, now: int, most: int) -> tuple[list[Schedule], int | None]:
    """The enabled schedules that fire now, at most so many, and when the first of all others does."""
    rows = tx.all(
        f"SELECT {COLUMNS} FROM schedules s INDEXED BY schedules_next WHERE s.enabled = 1 AND s.next_at <= ? "
        "ORDER BY s.next_at LIMIT ?",
        (now, most),
    )
    later = tx.one(
        "SELECT min(next_at) AS at FROM schedules INDEXED BY schedules_next WHERE enabled = 1 AND next_at > ?", (now,)
    )
    return [schedule_of(row) for row in rows], later["at"]


def any_due(tx: Tx, now: int) -> int:
    """1 when a schedule fires now, else 0."""
    due_now = tx.one(
        "SELECT 1 FROM schedules INDEXED BY schedules_next WHERE enabled = 1 AND next_at <= ? LIMIT 1", (now,)
    )
    return int(due_now is not None)


def _unchanged(tx: Tx, seen: Schedule) -> Schedule:
    present = get(tx, seen.id)
    if present.version != seen.version:
        raise RefusedError(f"schedule '{present.name}' changed meanwhile", hint="look again, then decide")
    return present


def _give_up(tx: Tx, schedule: Schedule, why: str, now: int) -> None:
    if schedule.enabled and schedule.next_at is not None and schedule.next_at <= now:
        tx.execute(
            "INSERT INTO firings (schedule_id, at, fired_at, outcome, note) VALUES (?, ?, ?, 'missed', ?) "
            "ON CONFLICT DO NOTHING",
            (schedule.id, schedule.next_at, now, why),
        )
