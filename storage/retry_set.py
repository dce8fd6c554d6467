"""The jobs that a person wants tried again, fixed at the moment of asking: ids, and what of the wish is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from storage.filter_terms import Filter, States
from storage.jobs_page import SLICE, Count, Query, all_ids, count
from storage.reader import Reader


@dataclass(frozen=True, slots=True)
class RetrySet:
    """`ids`: failed or held jobs that a retry takes. Left out: `approval` (held for approval), `uncertain` (never
    retried in bulk), `others` (any other state)."""

    ids: tuple[int, ...]
    failed: int
    held: int
    approval: int
    uncertain: Count
    others: Count


def of_filter(reader: Reader, query: Query) -> RetrySet:
    """All that match. `query.top` and `query.now` fix what that means."""
    wanted = _narrowed(query, "failed", "held")
    taken = _sorted_out(reader, all_ids(reader, wanted))
    uncertain = count(reader, _narrowed(query, "uncertain"))
    total = count(reader, query)
    others = total.n - taken.failed - taken.held - taken.approval - uncertain.n
    return replace(taken, uncertain=uncertain, others=Count(max(0, others), total.more))


def of_ids(reader: Reader, ids: Iterable[int]) -> RetrySet:
    """What of the marked jobs can be tried again."""
    return _sorted_out(reader, iter(ids))


def slices(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """A set in the parts that the engine takes between two sends."""
    for start in range(0, len(ids), SLICE):
        yield ids[start : start + SLICE]


def _narrowed(query: Query, *states: str) -> Query:
    return replace(query, filter=Filter((*query.filter.terms, States(states))))


def _sorted_out(reader: Reader, ids: Iterator[int]) -> RetrySet:
    kept: list[int] = []
    tally = dict.fromkeys(("failed", "held", "approval", "uncertain", "others"), 0)
    while part := list(islice(ids, SLICE)):
        marks = ", ".join("?" * len(part))
        for row in reader.select(f"SELECT id, state, reason FROM jobs WHERE id IN ({marks}) ORDER BY id", part):
            state = row["state"] if row["state"] in tally else "others"
            if state == "held" and row["reason"] == "approval":
                state = "approval"
            tally[state] += 1
            if state in ("failed", "held"):
                kept.append(row["id"])
    return RetrySet(
        tuple(kept),
        tally["failed"],
        tally["held"],
        tally["approval"],
        Count(tally["uncertain"]),
        Count(tally["others"]),
    )
