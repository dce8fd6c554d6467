"""The part of a long list that is in memory: some hundred rows around the cursor, read anew whenever they change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from storage.filter_sql import Where, both, where
from storage.jobs_page import SLICE, Place, Query, Sort, count, page, place_of
from storage.reader import STATES, Reader
from tui.actions import Row
from tui.format import short

HALF = 120
"""Rows that are kept on each side of the cursor: each is read and compared with every change, 4 times a second."""
MARGIN = 60
"""Nearer to an edge than this, the window moves along: more than a page of the tallest usual screen."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """What the window holds on to: the first row ("top"), the last ("end"), or the rows around a place."""

    kind: str = "top"
    place: Place | None = None


def load(reader: Reader, now: int, query: Query, anchor: Anchor, marks: Iterable[int]) -> dict[str, Any]:
    """`rows`, whether there are more `before` and `after` them, how many match (`count`), how many jobs there are
    (`total`), and how many of the marked ones the filter hides (`hidden`)."""
    query = replace(query, now=now)
    rows, before, after = _window(reader, query, anchor)
    if not rows and anchor.kind == "around":
        rows, before, after = _window(reader, query, Anchor())
    ids = list(marks)
    totals = reader.counts()
    return {
        "rows": rows,
        "before": before,
        "after": after,
        "count": str(count(reader, query)),
        "total": short(sum(totals[state] for state in STATES)),
        "hidden": len(ids) - matching(reader, query, ids) if query.filter.terms else 0,
        "campaigns": [campaign["name"] for campaign in reader.campaigns()] if query.filter.terms else [],
    }


def _window(reader: Reader, query: Query, anchor: Anchor) -> tuple[list[Row], bool, bool]:
    if anchor.place is None:
        from_end = anchor.kind == "end"
        found = page(reader, query, backward=from_end, limit=2 * HALF)
        return found.rows, from_end and found.more, not from_end and found.more
    place = anchor.place
    back = page(reader, query, after=place, backward=True, limit=HALF)
    # The row itself belongs to what comes after: ids are whole, so one step before it is before nothing else.
    here = Place(place.key, place.id + (1 if query.descending else -1))
    ahead = page(reader, query, after=here, limit=HALF)
    return [*back.rows, *ahead.rows], back.more, ahead.more


def matching(reader: Reader, query: Query, ids: list[int]) -> int:
    """How many of these jobs the filter lets through."""
    found = 0
    for start in range(0, len(ids), SLICE):
        part = tuple(ids[start : start + SLICE])
        condition = both(Where(f"j.id IN ({', '.join('?' * len(part))})", part), where(query.filter, query.now))
        found += reader.select(f"SELECT count(*) AS n FROM jobs j WHERE {condition.sql}", condition.values)[0]["n"]
    return found


def wants_move(data: dict[str, Any], cursor: int) -> bool:
    """Whether the cursor is so near to an edge, beyond which there is more, that the window should move along."""
    near_end = data["after"] and cursor >= len(data["rows"]) - MARGIN
    return bool(near_end or (data["before"] and cursor < MARGIN))


def around(row: Row, sort: Sort) -> Anchor:
    return Anchor("around", place_of(row, sort))
