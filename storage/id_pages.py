"""What lists in pages by id share, the newest first: how many match, and all of them in short reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from storage.filter_sql import Where
from storage.jobs_page import COUNT_LIMIT, Count
from storage.reader import Reader

Row = dict[str, Any]


def counted(reader: Reader, source: str, condition: Where) -> Count:
    """How many rows of `source` (a table with its short name) match, counted to `COUNT_LIMIT`."""
    found = reader.one(
        f"SELECT count(*) AS n FROM (SELECT 1 FROM {source} WHERE {condition.sql} LIMIT ?)",
        (*condition.values, COUNT_LIMIT + 1),
    )
    n = int(found["n"]) if found else 0
    return Count(min(n, COUNT_LIMIT), n > COUNT_LIMIT)


def in_pages(page: Callable[[int | None], tuple[list[Row], bool]]) -> Iterator[Row]:
    """All rows of a list: `page` gives those below an id (None: the newest), and whether there are more."""
    before: int | None = None
    more = True
    while more:
        rows, more = page(before)
        yield from rows
        before = rows[-1]["id"] if rows else before
