"""The part of a long list that is in memory: a screen of rows on each side of the cursor, read with every change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from storage.filter_sql import Where, both, where
from storage.jobs_page import SLICE, Count, Place, Query, Sort, count, highest, page, place_of, rows_of
from storage.jobs_page import before as count_before
from storage.reader import STATES, Reader
from storage.table_pages import jobs
from tui.actions import Row
from tui.format import short
from tui.work_words import add_work, kind_sums

SPARE = 20
"""Rows beyond a whole screen that are kept on each side of the cursor: each is read and compared with every change, 4
times a second, and so many steps of the cursor go by before the window moves along."""


def reach(height: int) -> int:
    """Rows that are kept on each side of the cursor of a list on a screen of this height."""
    return height + SPARE


@dataclass(frozen=True, slots=True)
class Anchor:
    """What the window holds on to: the first row ("top"), the last ("end"), or the rows around a place."""

    kind: str = "top"
    place: Place | None = None


def load(
    reader: Reader, now: int, query: Query, anchor: Anchor, half: int, marks: Iterable[int], frozen: Sequence[int] = ()
) -> dict[str, Any]:
    """`rows` (`half` on each open side of the anchor), whether there are more `before` and `after` them, how many
    match (`count`), how many jobs there are (`total`), how many of the marked ones the filter hides (`hidden`), where
    the first row stands (`rank`), and of a filter for kinds of background jobs what `kind_sums` says of them (`sums`).

    With `frozen` the rows are these jobs as they are now, and `gone` says which of them match no more.
    """
    query = replace(query, now=now)
    ids = list(marks)
    totals = reader.counts()
    matches = count(reader, query)
    gone: list[int] = []
    if frozen:
        left = matching_ids(reader, query, frozen)
        rows, before, after = rows_of(reader, frozen), False, False
        gone = [id for id in frozen if id not in left]
    else:
        rows, before, after = _window(reader, query, anchor, half)
        if not rows and anchor.kind == "around":
            rows, before, after = _window(reader, query, Anchor(), half)
    add_work(reader, rows, now)
    return {
        "frozen": bool(frozen),
        "gone": gone,
        "matches": (matches.n, matches.more),
        "rank": rank(reader, query, rows, before, matches, sum(totals[state] for state in STATES)),
        "rows": rows,
        "before": before,
        "after": after,
        "sums": kind_sums(reader, query.filter, now),
        "count": str(matches),
        "total": short(sum(totals[state] for state in STATES)),
        "hidden": len(ids) - matching(reader, query, ids) if query.filter.terms else 0,
    }


def _window(reader: Reader, query: Query, anchor: Anchor, half: int) -> tuple[list[Row], bool, bool]:
    if anchor.place is None:
        from_end = anchor.kind == "end"
        found = page(reader, query, backward=from_end, limit=half)
        return found.rows, from_end and found.more, not from_end and found.more
    place = anchor.place
    back = page(reader, query, after=place, backward=True, limit=half)
    # The row itself belongs to what comes after: ids are whole, so one step before it is before nothing else.
    here = Place(place.key, place.id + (1 if query.descending else -1))
    ahead = page(reader, query, after=here, limit=half)
    return [*back.rows, *ahead.rows], back.more, ahead.more


def rank(
    reader: Reader, query: Query, rows: Sequence[Row], before: bool, matches: Count, total: int
) -> tuple[int, bool] | None:
    """How many jobs stand before the first row, and whether that is an estimate; None where nobody can say quickly.

    Few matches are counted. Of many, all jobs by id are estimated by the row's place between the lowest and the
    highest id.
    """
    if not rows or not before:
        return (0, False) if rows else None
    if not matches.more:
        return count_before(reader, query, place_of(rows[0], query.sort)).n, False
    if query.filter.terms or query.sort is not Sort.ID:
        return None
    lowest, top = 1, highest(reader)
    part = (rows[0]["id"] - lowest) / max(1, top - lowest)
    return round(total * (1 - part if query.descending else part)), True


def matching(reader: Reader, query: Query, ids: Sequence[int]) -> int:
    """How many of these jobs the filter lets through."""
    return len(matching_ids(reader, query, ids))


def matching_ids(reader: Reader, query: Query, ids: Sequence[int]) -> set[int]:
    """Which of these jobs the filter lets through."""
    found: set[int] = set()
    for start in range(0, len(ids), SLICE):
        part = tuple(ids[start : start + SLICE])
        condition = both(Where(f"j.id IN ({', '.join('?' * len(part))})", part), where(query.filter, query.now))
        rows = reader.rows(f"SELECT j.id FROM jobs j WHERE {condition.sql}", condition.values)
        found |= {row["id"] for row in rows}
    return found


def wants_move(data: dict[str, Any], cursor: int, height: int) -> bool:
    """Whether the cursor is less than a screen of this height away from an edge, beyond which there is more: then the
    window should move along, so that a page is always there."""
    near_end = data["after"] and cursor >= len(data["rows"]) - height
    return bool(near_end or (data["before"] and cursor < height))


def around(row: Row, sort: Sort) -> Anchor:
    """The window around a row; from the top where the row has no place in that order."""
    if sort is Sort.TRIED and row.get("tried") is None:
        return Anchor()
    return Anchor("around", place_of(row, sort))


def every_row(reader: Reader, query: Query, now: int) -> Iterator[Row]:
    """Every job that matches now, by id, in short reads, as `job list --json` gives it: what is written to a file.
    Jobs that are added meanwhile do not belong to it."""
    from tui.cli.facts import job_json

    return map(job_json, jobs(reader, replace(query, now=now)))
