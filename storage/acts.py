"""What a person does to a fixed set of jobs, a slice a transaction: retry, cancel, and what takes either back.

Each job is compared with what the person saw: its state, and its lease, which every claim raises, so that nothing that
was tried meanwhile passes for what it was. The event is written in the same transaction and holds which jobs it was;
an undo reads it back.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from storage import approvals, lanes, suppressions
from storage.errors import RefusedError
from storage.events import Event, add_event
from storage.model import HeldReason, JobState
from storage.recipients import LATER_STAGE, fields_of_jobs
from storage.sequences import UNFOLLOWED

if TYPE_CHECKING:
    from storage.tx import Tx

CANCELLED = HeldReason.CANCELLED.value
"""The reason of a job that was cancelled by hand: held, so that nothing begins, until its grace is over."""
NOT_BY_RETRY = (HeldReason.APPROVAL.value, CANCELLED)
"""Held jobs that a retry never frees."""
_GRACES = "cancels"
"""The setting that lists the cancels in their grace: [[event id, time (us)], ...]."""
_ROW = (
    "SELECT id, state, reason, lease, tries, budget_at, due_at, gap, follow, queue_id, campaign_id, batch_id, "
    "error_key, step_id, (SELECT c.state FROM campaigns c WHERE c.id = jobs.campaign_id) AS campaign_state FROM jobs"
)

_PLACE = ("due_at", "gap", "tries", "budget_at", "follow", "queue_id")
"""What a retry changes beside the state: its undo gives it back, out of the event."""

Tell = Callable[[int], Event]
"""The event of an act, once it is known how many jobs it changed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A job as it stood when the set was fixed. Without a state it is taken as it is now."""

    id: int
    state: str = ""
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Left:
    """A job that an act left alone, and why; `changed`: it is not as it was seen."""

    id: int
    changed: bool
    why: str


@dataclass(frozen=True, slots=True)
class Acted:
    """How many jobs an act changed, which it left, and the id of its event (0: it changed nothing)."""

    n: int
    left: tuple[Left, ...] = ()
    event: int = 0


class Home(NamedTuple):
    """Where a message would go if it were sent again: its queue (`lanes.home`), its step, and fields of its person as
    JSON text."""

    id: int
    queue_id: int
    step_id: int
    fields: str


def campaigns_of(tx: Tx, ids: Sequence[int]) -> dict[int, int | None]:
    """The campaign of each of these jobs; jobs that there are not are left out."""
    return {row["id"]: row["campaign_id"] for row in rows_of(tx, ids).values()}


def homes_of(tx: Tx, campaign_id: int, ids: Sequence[int], fields: Sequence[str]) -> list[Home]:
    """Where those of these jobs that are messages of a campaign would go, in the order of `ids`, with these fields of
    their people."""
    column, people, wanted = fields_of_jobs(fields)
    rows = tx.tuples(
        f"SELECT j.id, j.queue_id, j.step_id, {column} FROM jobs j {people} "
        f"WHERE j.campaign_id = ? AND j.id IN ({', '.join('?' * len(ids))})",
        (*wanted, campaign_id, *ids),
    )
    found = {row[0]: row for row in rows}
    queues = {queue_id: lanes.home(tx, campaign_id, queue_id) for queue_id in {row[1] for row in rows}}
    return [Home(id, queues[found[id][1]], *found[id][2:]) for id in ids if id in found]


def retry(tx: Tx, slots: Sequence[tuple[Seen, int, int]], tell: Tell, now: int) -> Acted:
    """Give failed or held jobs a new budget and a slot: (job, due_at (us), gap (us)) each."""
    rows = rows_of(tx, [seen.id for seen, _, _ in slots])
    act, freed = Change(rows), list[suppressions.Entry]()
    for seen, due_at, gap in slots:
        row = act.compare(seen, _why_not_retried)
        if row is not None:
            freed += suppressions.retried(tx, row["id"], now)
            _line_up(tx, row, due_at, gap, now)
    approvals.ask(tx, [seen.id for seen, _, _ in slots], now)
    more = {"was": act.was(_PLACE)} | ({"freed": [asdict(one) for one in freed]} if freed else {})
    return act.told(tx, tell, "retry", now, more)


def _line_up(tx: Tx, row: Any, due_at: int, gap: int, now: int) -> None:
    """One job back to `pending` with a new budget; `row` is it as it stands in this transaction."""
    queue_id = lanes.home(tx, row["campaign_id"], row["queue_id"])
    tx.execute(
        "UPDATE jobs SET state = 'pending', reason = '', queue_id = ?, ready = ?, due_at = ?, gap = ?, tries = 0, "
        f"budget_at = NULL, follow = {UNFOLLOWED}, updated_at = ? WHERE id = ?",
        (queue_id, 1 if due_at <= now else 0, due_at, gap, now, row["id"]),
    )
    recount(tx, row, JobState.PENDING.value, queue_id)
    if row["campaign_id"] is None:
        tx.execute("UPDATE tasks SET rescues = 0, flag = '' WHERE job_id = ?", (row["id"],))
    tx.execute(
        "UPDATE batches SET state = 'ready', finished_at = NULL WHERE id = ? AND state = 'done'", (row["batch_id"],)
    )


def retried_by_hand(row: Any) -> bool:
    """Whether a person's retry takes this job."""
    return row["state"] == "failed" or (row["state"] == "held" and row["reason"] not in NOT_BY_RETRY)


def _why_not_retried(row: Any) -> str:
    if row["campaign_state"] == "cancelled":
        return "its campaign is cancelled"
    if retried_by_hand(row):
        return ""
    if row["state"] == "held":
        return "held for approval" if row["reason"] == HeldReason.APPROVAL.value else "it is being cancelled"
    return f"it is {row['state']}: only failed or held ones are retried"


def cancel(tx: Tx, jobs: Sequence[Seen], tell: Tell, now: int) -> Acted:
    """Hold open jobs so that none of them begins; `end_graces` skips them when there is no undo any more."""
    act = Change(rows_of(tx, [seen.id for seen in jobs]))
    for seen in jobs:
        row = act.compare(seen, _why_not_cancelled)
        if row is None:
            continue
        tx.execute(
            "UPDATE jobs SET state = 'held', reason = ?, ready = 0, updated_at = ? WHERE id = ?",
            (CANCELLED, now, row["id"]),
        )
        recount(tx, row, JobState.HELD.value)
    acted = act.told(tx, tell, "cancel", now)
    if acted.event:
        _keep_graces(tx, [*_graces(tx), (acted.event, now)])
    return acted


def _why_not_cancelled(row: Any) -> str:
    if row["state"] == "processing":
        return "it is in flight: it finishes and is counted"
    if row["state"] not in ("pending", "held"):
        return f"it is {row['state']}: there is nothing to cancel"
    return "it is being cancelled already" if row["reason"] == CANCELLED else ""


def end_graces(tx: Tx, now: int, grace: int) -> tuple[int, int | None]:
    """Skip what was cancelled by hand longer than `grace` (us) ago, one act at most. Returns how many jobs, and when
    the next grace ends (None: none waits)."""
    waiting = _graces(tx)
    over = next((entry for entry in waiting if entry[1] + grace <= now), None)
    moved = 0
    if over is not None:
        event = tx.one("SELECT data FROM events WHERE id = ?", (over[0],))
        jobs = [job for part in json.loads(event["data"])["before"].values() for job in unpacked(part)] if event else []
        for row in rows_of(tx, jobs).values():
            if row["state"] == "held" and row["reason"] == CANCELLED:
                tx.execute(
                    "UPDATE jobs SET state = 'skipped', reason = 'cancelled', updated_at = ? WHERE id = ?",
                    (now, row["id"]),
                )
                recount(tx, row, JobState.SKIPPED.value)
                moved += 1
        waiting.remove(over)
        _keep_graces(tx, waiting)
    return moved, min((max(at + grace, now) for _, at in waiting), default=None)


def graces(tx: Tx) -> int:
    """How many acts of cancelling can still be taken back."""
    return len(_graces(tx))


def undo(tx: Tx, event_id: int, tell: Tell, now: int, grace: int) -> Acted:
    """Take one act back: a cancel within its grace, a retry or an approval of what has not been tried since. A retry's
    messages get back what they had: their due times and tries, and the suppressions that their own answers had made.

    Raises RefusedError when the event is no such act, or its time is over.
    """
    event = tx.one("SELECT at, data FROM events WHERE id = ?", (event_id,))
    data = json.loads(event["data"]) if event else {}
    if data.get("act") not in ("retry", "cancel", "approve"):
        raise RefusedError(f"event {event_id} is nothing that can be undone")
    by_cancel = data["act"] == "cancel"
    if by_cancel and now >= event["at"] + grace:
        raise RefusedError("the time to undo this cancel is over", hint="its jobs are skipped")
    before = {job: key.partition(":") for key, part in data["before"].items() for job in unpacked(part)}
    was = zip(*data["was"].values(), strict=True) if data.get("was") else repeat(())
    act, back = Change(rows_of(tx, list(before))), set[int]()
    for (job, (state, _, reason)), place in zip(before.items(), was, strict=False):
        row = act.compare(Seen(job), _why_cancel_stays if by_cancel else _why_retry_stays)
        if row is not None:
            _put_back(tx, row, state, reason, now, dict(zip(data.get("was", ()), place, strict=True)))
            back.add(job)
    freed = [suppressions.Entry(**one) for one in data.get("freed", ()) if one["job_id"] in back]
    suppressions.add(tx, freed, "undo", now)
    if data["act"] == "approve":
        approvals.take_back(tx, list(before), now)
    approvals.ask(tx, list(before), now)
    if by_cancel:
        _keep_graces(tx, [entry for entry in _graces(tx) if entry[0] != event_id])
    return act.told(tx, tell, "undo", now)


def _why_cancel_stays(row: Any) -> str:
    return "" if row["state"] == "held" and row["reason"] == CANCELLED else f"it is {row['state']} now"


def _why_retry_stays(row: Any) -> str:
    if row["state"] != "pending":
        return f"it is {row['state']} now"
    return "" if not row["tries"] and row["budget_at"] is None else "it was tried already"


def _put_back(tx: Tx, row: Any, state: str, reason: str, now: int, place: Mapping[str, Any]) -> None:
    """`place`: values of `_PLACE`; none for an act that changed none, or whose event holds none."""
    if state == "pending":
        tx.execute(
            f"UPDATE jobs SET state = 'pending', reason = '', ready = CASE {LATER_STAGE} ELSE ? END, updated_at = ? "
            "WHERE id = ?",
            (1 if row["due_at"] <= now else 0, now, row["id"]),
        )
    elif state == row["state"]:
        tx.execute("UPDATE jobs SET reason = ?, updated_at = ? WHERE id = ?", (reason, now, row["id"]))
    else:
        if state == "failed":
            # A job fails only in somebody's hands: it is claimed for the person who takes it back.
            tx.execute(
                "UPDATE jobs SET state = 'processing', lease = lease + 1, lease_until = ? WHERE id = ?",
                (now, row["id"]),
            )
        tx.execute(
            "UPDATE jobs SET state = ?, reason = ?, ready = 0, lease_until = NULL, updated_at = ? WHERE id = ?",
            (state, reason, now, row["id"]),
        )
    if place:
        columns = ", ".join(f"{name} = ?" for name in _PLACE)
        tx.execute(f"UPDATE jobs SET {columns} WHERE id = ?", (*(place[name] for name in _PLACE), row["id"]))
    recount(tx, row, state, place.get("queue_id"))


def packed(ids: Iterable[int]) -> str:
    """Ids as runs: "3-7,12"."""
    runs: list[list[int]] = []
    for id in sorted(ids):
        if runs and id == runs[-1][1] + 1:
            runs[-1][1] = id
        else:
            runs.append([id, id])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def unpacked(text: str) -> Iterator[int]:
    for run in filter(None, text.split(",")):
        low, _, high = run.partition("-")
        yield from range(int(low), int(high or low) + 1)


class Change:
    """What becomes of the jobs of one act; `rows` as `rows_of` reads them."""

    def __init__(self, rows: dict[int, Any]) -> None:
        self._rows = rows
        self._before: defaultdict[str, list[int]] = defaultdict(list)
        self._taken: dict[int, Any] = {}
        self._left: list[Left] = []

    def compare(self, seen: Seen, why_not: Callable[[Any], str]) -> Any | None:
        """The job's row when the act may change it; each job once."""
        row = self._rows.pop(seen.id, None)
        if row is None:
            self._left.append(Left(seen.id, False, "there is no such job, or it was named twice"))
            return None
        changed = bool(seen.state) and (row["state"], row["lease"]) != (seen.state, seen.lease)
        same_state = row["state"] == seen.state
        meanwhile = "it was changed meanwhile" if row["state"] == JobState.HELD else "it was tried meanwhile"
        why = meanwhile if changed and same_state else why_not(row)
        if changed and not why:
            why = f"it is {row['state']} now"
        if why:
            self._left.append(Left(seen.id, changed, why))
            return None
        self._before[f"{row['state']}:{row['reason']}"].append(seen.id)
        self._taken[seen.id] = row
        return row

    def was(self, columns: Sequence[str]) -> dict[str, list[Any]]:
        """What the changed jobs held before, by column, in the order in which the event names them."""
        rows = [self._taken[id] for ids in self._before.values() for id in sorted(ids)]
        return {name: [row[name] for row in rows] for name in columns}

    def told(self, tx: Tx, tell: Tell, act: str, now: int, more: Mapping[str, Any] | None = None) -> Acted:
        """Write the event of an act, with `more` for its undo; nothing where no job was changed."""
        n = sum(map(len, self._before.values()))
        left = tuple(self._left)
        if not n:
            return Acted(0, left)
        event = tell(n)
        changed = sum(entry.changed for entry in left)
        data = {
            **event.data,
            "act": act,
            "before": {key: packed(ids) for key, ids in self._before.items()},
            "changed": changed,
            "refused": len(left) - changed,
            **(more or {}),
        }
        return Acted(n, left, add_event(tx, replace(event, n=n, data=data), now))


def rows_of(tx: Tx, ids: Sequence[int]) -> dict[int, Any]:
    if not ids:
        return {}
    marks = ", ".join("?" * len(ids))
    return {row["id"]: row for row in tx.all(f"{_ROW} WHERE id IN ({marks})", tuple(ids))}


def recount(tx: Tx, row: Any, state: str, queue_id: int | None = None) -> None:
    """Count a job from its state, and from its queue to `queue_id` when it changes that, to a new state."""
    scope = (row["campaign_id"], row["batch_id"])
    tx.count(row["queue_id"], *scope, row["state"], row["error_key"], -1)
    tx.count(row["queue_id"] if queue_id is None else queue_id, *scope, state, row["error_key"], +1)


def _graces(tx: Tx) -> list[tuple[int, int]]:
    row = tx.one("SELECT value FROM settings WHERE key = ?", (_GRACES,))
    return [(event, at) for event, at in json.loads(row["value"])] if row else []


def _keep_graces(tx: Tx, entries: Sequence[tuple[int, int]]) -> None:
    tx.execute(
        "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (_GRACES, json.dumps(entries)),
    )
