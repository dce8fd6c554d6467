"""What a request may do inside the Writer's transaction (`storage.writer`): statements, and deltas that are written
once for the whole group."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from storage.cap_room import CapRoom
from storage.shares import STARTED

CounterKey = tuple[int, int, int, str, str]
"""Campaign id (0 for none), batch id, queue id, state, error key."""
MinuteKey = tuple[int, int, int, str]


class Tx:
    """What a request may do inside the Writer's transaction.

    `count` collects counter deltas; they are written in the same transaction, merged over the whole group
    (ten messages cost two counter rows instead of twenty).
    """

    def __init__(self, connection: sqlite3.Connection, begun: set[int], room: CapRoom) -> None:
        self._connection = connection
        self.counters: Counter[CounterKey] = Counter()
        self.kinds: Counter[tuple[str, str]] = Counter()
        """Background jobs by kind and state: the moves that no trigger counts."""
        self.minutes: dict[MinuteKey, tuple[int, int]] = {}
        self.starts: dict[tuple[str, int], int] = {}
        self.lane_starts: dict[tuple[int, int], int] = {}
        """The last start by queue and campaign."""
        self.turns: Counter[tuple[int, int]] = Counter()
        """Starts by queue and campaign: what each has had of its share of the queue."""
        self.room = room
        self.claimed: dict[int, dict[str, Any]] = {}
        """What claims of this very transaction read, by job id: the gate need not read it again."""
        self.begun = begun

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        return self._connection.execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Any]) -> sqlite3.Cursor:
        return self._connection.executemany(sql, rows)

    def insert(self, sql: str, parameters: Any = ()) -> int:
        """Run one INSERT; returns the new row's id."""
        return int(self._connection.execute(sql, parameters).lastrowid or 0)

    def insert_many(self, sql: str, width: int, rows: list[tuple[Any, ...]], *, then: str = "") -> list[Any]:
        """Run one INSERT that ends in `VALUES `, for rows of `width` values: one step for all of them, where a step
        gives the interpreter's lock away and has to get it back. `then` follows the rows; what it returns is given."""
        given: list[Any] = []
        for some in _chunks(rows):
            text = sql + _marks(width, len(some)) + then
            given += self._connection.execute(text, [*chain.from_iterable(some)]).fetchall()
        return given

    def update_many(self, sql: str, width: int, rows: Sequence[tuple[Any, ...]], before: tuple[Any, ...] = ()) -> int:
        """Run one UPDATE whose text has `{rows}` where its rows of `width` values belong, and marks for the values
        `before` them; how many it changed."""
        changed = 0
        for some in _chunks(rows):
            marks = sql.format(rows=_marks(width, len(some)))
            changed += self._connection.execute(marks, [*before, *chain.from_iterable(some)]).rowcount
        return changed

    def one(self, sql: str, parameters: Any = ()) -> Any:
        """The first row (a `sqlite3.Row`) or None."""
        return self._connection.execute(sql, parameters).fetchone()

    def all(self, sql: str, parameters: Any = ()) -> list[Any]:
        return self._connection.execute(sql, parameters).fetchall()

    def tuples(self, sql: str, parameters: Any = ()) -> list[Any]:
        """Rows as plain tuples, for reads of many: half the time of `all`, and nothing that the collector follows."""
        cursor = self._connection.cursor()
        cursor.row_factory = None
        return cursor.execute(sql, parameters).fetchall()

    def by_id(self, select: str, ids: list[int]) -> dict[int, Any]:
        """Rows by `id` for a SELECT that ends in `IN `; they hold until the commit, since only the Writer writes."""
        marks = ", ".join("?" * len(ids))
        return {row["id"]: row for row in self.all(f"{select}({marks})", ids)}

    def count(self, queue_id: int, campaign_id: int | None, batch_id: int, state: str, error_key: str, n: int) -> None:
        """Add `n` jobs (negative: remove) to the counter of their batch and state, of which every sum is made."""
        key = error_key if state not in ("processing", "completed") else ""
        self.counters[campaign_id or 0, batch_id, queue_id, state, key] += n

    def move(self, rows: Iterable[tuple[Any, str, str, str, str]]) -> None:
        """Count jobs from one state to another: (row with its scope, state, error key, new state, new key) each.

        Like jobs are summed first: of ten messages in one commit all go the same way.
        """
        moves: Counter[tuple[int, int | None, int, str, str, str, str]] = Counter()
        for row, state, key, new_state, new_key in rows:
            moves[row["queue_id"], row["campaign_id"], row["batch_id"], state, key, new_state, new_key] += 1
        for (queue_id, campaign_id, batch_id, state, key, new_state, new_key), n in moves.items():
            self.count(queue_id, campaign_id, batch_id, state, key, -n)
            self.count(queue_id, campaign_id, batch_id, new_state, new_key, n)

    def minute(self, at: int, campaign_id: int | None, queue_id: int, outcome: str, duration: int) -> None:
        """Note one finished attempt in the per-minute sums."""
        key = (at // 60_000_000, campaign_id or 0, queue_id, outcome)
        n, total = self.minutes.get(key, (0, 0))
        self.minutes[key] = (n + 1, total + duration)

    def started(self, queue_id: int, campaign_id: int | None, batch_id: int, now: int, *, spaced: bool = False) -> None:
        """Note a start: `last_start` of queue, campaign and lane, durable with the intent itself."""
        self.starts["queues", queue_id] = now
        if spaced:
            self.starts["spaced", queue_id] = now
        if batch_id not in self.begun:
            self.begun.add(batch_id)
            self.starts["batches", batch_id] = now
        if campaign_id is not None:
            self.starts["campaigns", campaign_id] = now
            self.lane_starts[queue_id, campaign_id] = now
            self.turns[queue_id, campaign_id] += 1

    def merge(self, other: Tx) -> None:
        self.counters.update(other.counters)
        self.kinds.update(other.kinds)
        for key, (n, duration) in other.minutes.items():
            have = self.minutes.get(key, (0, 0))
            self.minutes[key] = (have[0] + n, have[1] + duration)
        self.starts.update(other.starts)
        self.lane_starts.update(other.lane_starts)
        self.turns.update(other.turns)

    def flush_starts(self) -> None:
        for (table, row_id), at in self.starts.items():
            if table == "batches":
                self.execute("UPDATE batches SET started_at = ? WHERE id = ? AND started_at IS NULL", (at, row_id))
            elif table == "spaced":
                self.execute("UPDATE queues SET spaced_start = ? WHERE id = ?", (at, row_id))
            else:
                self.execute(f"UPDATE {table} SET last_start = ? WHERE id = ?", (at, row_id))
        for lane, at in self.lane_starts.items():
            self.execute(STARTED, (at, self.turns[lane], *lane))
        self.starts.clear()
        self.lane_starts.clear()
        self.turns.clear()

    def flush(self) -> None:
        rows = [(*key, n) for key, n in self.counters.items() if n]
        if rows:
            self.executemany(
                "INSERT INTO counters (campaign_id, batch_id, queue_id, state, error_key, n) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (campaign_id, batch_id, queue_id, state, error_key) DO UPDATE SET n = n + excluded.n",
                rows,
            )
        if self.kinds:
            self.executemany(
                "INSERT INTO kind_counters (kind, state, n) VALUES (?, ?, ?) "
                "ON CONFLICT (kind, state) DO UPDATE SET n = n + excluded.n",
                [(*key, n) for key, n in self.kinds.items() if n],
            )
        if self.minutes:
            self.executemany(
                "INSERT INTO outcome_minutes (minute, campaign_id, queue_id, outcome, n, duration) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (minute, campaign_id, queue_id, outcome) "
                "DO UPDATE SET n = n + excluded.n, duration = duration + excluded.duration",
                [(*key, n, duration) for key, (n, duration) in self.minutes.items()],
            )
        self.flush_starts()
        self.counters.clear()
        self.kinds.clear()
        self.minutes.clear()


CHUNKS = (250, 50)
"""Rows of one statement: as many of the first as go, then of the second, then the rest. A text is compiled for each
number of rows, and kept: so there are few of them. SQLite takes 32,766 values at once."""


def _chunks(rows: Sequence[tuple[Any, ...]]) -> Iterable[Sequence[tuple[Any, ...]]]:
    place = 0
    for size in CHUNKS:
        while len(rows) - place >= size:
            yield rows[place : place + size]
            place += size
    if place < len(rows):
        yield rows[place:]


@lru_cache(maxsize=256)
def _marks(width: int, rows: int) -> str:
    return ", ".join([f"({', '.join('?' * width)})"] * rows)
