"""What acts of a person on a fixed set of jobs have in common, a slice a transaction each: retry (`retries`), cancel
(`cancels`), approve and reject (`deciding`), and what takes one back (`undo`).

Each job is compared with what the person saw: its state, and its lease, which every claim raises, so that nothing that
was tried meanwhile passes for what it was. The event is written in the same transaction and holds which jobs it was;
an undo reads it back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from storage.events import Event, add_event
from storage.model import JobState

if TYPE_CHECKING:
    from storage.tx import Tx

_ROW = (
    "SELECT id, state, reason, lease, tries, budget_at, due_at, gap, follow, queue_id, campaign_id, batch_id, "
    "error_key, step_id, (SELECT c.state FROM campaigns c WHERE c.id = jobs.campaign_id) AS campaign_state FROM jobs"
)

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


def campaigns_of(tx: Tx, ids: Sequence[int]) -> dict[int, int | None]:
    """The campaign of each of these jobs; jobs that there are not are left out."""
    return {row["id"]: row["campaign_id"] for row in rows_of(tx, ids).values()}


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
