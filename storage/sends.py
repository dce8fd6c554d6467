"""The sends of a campaign along the line of time, in pages both ways from now: what has begun, newest first, and what
is planned, next first. Planned against actual is `planned_at` beside `begun_at`. Times in microseconds UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from storage.queue_facts import LOOKED_THROUGH
from storage.reader import Reader

Row = dict[str, Any]


class Place(NamedTuple):
    """Where a page goes on: behind this time (us) and id."""

    at: int
    id: int


FROM_NOW_BACK = Place((1 << 63) - 1, (1 << 63) - 1)
FROM_THE_NEXT = Place(-1, 0)


@dataclass(frozen=True, slots=True)
class Page:
    """`rows` in the order of time, each with its `gap` (us) since the one before (None: not known); `further` is where
    the next page in the same direction begins (None: there is none)."""

    rows: list[Row]
    further: Place | None


_COMING = (
    "SELECT j.id, j.due_at, j.state, j.attempts, j.error_key, j.reason, r.address, r.id AS recipient_id, "
    "q.name AS account FROM jobs j INDEXED BY jobs_waiting LEFT JOIN queues q ON q.id = j.queue_id "
    "LEFT JOIN recipients r ON r.id = j.recipient_id "
    "WHERE j.campaign_id = ? AND j.state = 'pending' AND (j.due_at, j.id) > (?, ?) ORDER BY j.due_at, j.id LIMIT ?"
)
_LOOK = (
    "SELECT id, counted_at, job_id, number, outcome FROM attempts INDEXED BY attempts_caps WHERE queue_id = ? "
    "AND counted_at IS NOT NULL AND (counted_at, id) < (?, ?) ORDER BY counted_at DESC, id DESC LIMIT ?"
)
_PAST = (
    "SELECT a.id AS attempt_id, a.counted_at AS begun_at, a.number, a.outcome, j.id, j.state, j.due_at AS planned_at, "
    "j.sent_at, j.attempts, j.error_key, j.reason, r.address, r.id AS recipient_id, "
    f"q.name AS account FROM ({_LOOK}) a JOIN jobs j ON j.id = a.job_id LEFT JOIN queues q ON q.id = j.queue_id "
    "LEFT JOIN recipients r ON r.id = j.recipient_id "
    "WHERE j.campaign_id = ? ORDER BY a.counted_at DESC, a.id DESC LIMIT ?"
)
_LAST_LOOKED_AT = f"SELECT counted_at, id FROM ({_LOOK}) ORDER BY counted_at, id LIMIT 1"


def coming(reader: Reader, campaign_id: int, *, after: Place = FROM_THE_NEXT, limit: int = 100) -> Page:
    """What is planned next: `id, due_at, gap, state, attempts, address`. The first one's gap is from the campaign's
    last start."""
    rows = reader.rows(_COMING, (campaign_id, *after, limit + 1))
    before: int | None = after.at
    if after == FROM_THE_NEXT:
        last = reader.one("SELECT last_start FROM campaigns WHERE id = ?", (campaign_id,))
        before = last["last_start"] or None if last else None
    for row in rows:
        row["gap"] = max(0, row["due_at"] - before) if before is not None else None
        before = row["due_at"]
    more = rows[limit:]
    rows = rows[:limit]
    return Page(rows, Place(rows[-1]["due_at"], rows[-1]["id"]) if more else None)


def past(
    reader: Reader, campaign_id: int, queue_ids: Sequence[int], *, before: Place = FROM_NOW_BACK, limit: int = 100
) -> Page:
    """What has begun and may have left through any of the campaign's queues: `id, attempt_id, number, begun_at, outcome
    (None: in flight), gap, state, address`, and `planned_at` with `later` (us, below 0: earlier) for a message's newest
    attempt, else None.

    A page looks through at most 5,000 attempts of a queue at a time: it may hold fewer rows than asked for and still
    go further.
    """
    found, floor = list[Row](), Place(-1, -1)
    for queue_id in queue_ids:
        part = reader.rows(_PAST, (queue_id, *before, LOOKED_THROUGH, campaign_id, limit + 1))
        found += part
        if len(part) > limit:
            floor = max(floor, _place(part[-1]))
        elif last := reader.one(_LAST_LOOKED_AT, (queue_id, *before, LOOKED_THROUGH)):
            end = Place(last["counted_at"], last["id"])
            if reader.one(_LOOK, (queue_id, *end, 1)):
                floor = max(floor, end)
    # Below the floor one of the queues has not told all: the next page does.
    rows = sorted((row for row in found if _place(row) >= floor), key=_place, reverse=True)
    further = _place(rows[limit - 1]) if len(rows) > limit else floor if floor.at >= 0 else None
    for row, older in zip(rows, [*rows[1:], None], strict=False):
        row["gap"] = row["begun_at"] - older["begun_at"] if older is not None else None
        newest = row["number"] == row["attempts"] or row["outcome"] is None
        row["planned_at"] = row["planned_at"] if newest else None
        row["later"] = row["begun_at"] - row["planned_at"] if newest else None
    return Page(rows[:limit][::-1], further)


def _place(row: Row) -> Place:
    return Place(row["begun_at"], row["attempt_id"])
