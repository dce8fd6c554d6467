"""The uncertain jobs that a person means, fixed at the moment of asking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from storage.filter_terms import Filter, States
from storage.jobs_page import SLICE, Query, all_ids
from storage.reader import Reader


def of_filter(reader: Reader, query: Query) -> tuple[int, ...]:
    """All uncertain jobs that match. `query.top` and `query.now` fix what that means."""
    return tuple(all_ids(reader, replace(query, filter=Filter((*query.filter.terms, States(("uncertain",)))))))


def of_ids(reader: Reader, ids: Iterable[int]) -> tuple[int, ...]:
    """The uncertain ones among these jobs, by id."""
    wanted = sorted(set(ids))
    found: list[int] = []
    for start in range(0, len(wanted), SLICE):
        part = wanted[start : start + SLICE]
        marks = ", ".join("?" * len(part))
        rows = reader.rows(f"SELECT id FROM jobs WHERE id IN ({marks}) AND state = 'uncertain' ORDER BY id", part)
        found += [row["id"] for row in rows]
    return tuple(found)


def slices(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """A set in the parts that the engine takes between two sends."""
    for start in range(0, len(ids), SLICE):
        yield ids[start : start + SLICE]
