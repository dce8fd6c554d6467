"""The log in pages by event id, and what is searched for in it. Nothing is counted, and a search ends somewhere."""

from __future__ import annotations

import json
from typing import Any

from storage.reader import Reader

Row = dict[str, Any]

LEVELS = ("info", "warning", "error")
SEARCHED = 100_000
"""Events that one search or one page of rare levels looks through at most."""
RECENT = 500
"""The newest events, among which the last actions are looked for."""

EVENT = (
    "SELECT e.id, e.at, e.level, e.kind, e.actor, e.host, e.via, e.campaign_id, e.queue_id, e.job_id, e.n, e.text, "
    "e.data, c.name AS campaign, q.name AS queue FROM events e LEFT JOIN campaigns c ON c.id = e.campaign_id "
    "LEFT JOIN queues q ON q.id = e.queue_id"
)


_HOLDS = "instr(lower(e.text || ' ' || e.kind || ' ' || e.actor), lower(?)) > 0"
"""Whether an event holds the words; every event holds none."""


def _newest_id(reader: Reader) -> int:
    row = reader.one("SELECT MAX(id) AS id FROM events")
    return (row and row["id"]) or 0


def page(
    reader: Reader, *, before: int | None = None, at: int | None = None, levels: tuple[str, ...] = LEVELS,
    only: str = "", limit: int = 200,
) -> list[Row]:  # fmt: skip
    """At most `limit` events of these levels that hold the words `only`, oldest first: the newest, those before an id,
    or those from an id on. One page looks through 100,000 events at most.

    Each as the events table has it, with `campaign` and `queue` (their names) and `data` read.
    """
    marks = ", ".join("?" * len(levels))
    if at is not None:
        where, order, values = "e.id >= ? AND e.id < ?", "ASC", [at, at + SEARCHED]
    else:
        end = before if before is not None else _newest_id(reader) + 1
        where, order, values = "e.id < ? AND e.id >= ?", "DESC", [end, end - SEARCHED]
    rows = reader.rows(
        f"{EVENT} WHERE {where} AND e.level IN ({marks}) AND {_HOLDS} ORDER BY e.id {order} LIMIT ?",
        (*values, *levels, only, limit),
    )
    if order == "DESC":
        rows.reverse()
    for row in rows:
        row["data"] = json.loads(row["data"])
    return rows


def last_actions(reader: Reader, limit: int = 6) -> list[Row]:
    """What people did last and what the engine did to their campaigns, newest first, out of the newest 500 events:
    `{id, at, actor, kind, text}`."""
    return reader.rows(
        "SELECT id, at, actor, kind, text FROM (SELECT * FROM events ORDER BY id DESC LIMIT ?) "
        "WHERE actor NOT IN ('', 'engine') OR kind LIKE 'campaign.%' ORDER BY id DESC LIMIT ?",
        (RECENT, limit),
    )


def find(
    reader: Reader, words: str, *, start: int, older: bool = True, levels: tuple[str, ...] = LEVELS, only: str = ""
) -> int | None:
    """The id of the nearest event before (or after) `start` that holds the words in its text, kind or person;
    upper and lower case of ASCII are alike."""
    marks = ", ".join("?" * len(levels))
    if older:
        where, order, values = "e.id < ? AND e.id >= ?", "DESC", [start, start - SEARCHED]
    else:
        where, order, values = "e.id > ? AND e.id <= ?", "ASC", [start, start + SEARCHED]
    row = reader.one(
        f"SELECT e.id FROM events e WHERE {where} AND e.level IN ({marks}) AND {_HOLDS} AND {_HOLDS} "
        f"ORDER BY e.id {order} LIMIT 1",
        (*values, *levels, words, only),
    )
    return row["id"] if row else None
