"""In which orders a filter's jobs can be shown, and which of them an order holds. Pure."""

from __future__ import annotations

from storage.filter_terms import Filter, Number, States
from storage.jobs_plan import Sort, states_named

STOPPED = frozenset(("failed", "held", "uncertain"))
ONLY = {Sort.DUE: "waiting only", Sort.TRIED: "tried only"}
"""What an order leaves out, in words: only what waits has a time to come, only what was tried a last try."""


def orders(filter: Filter) -> list[Sort]:
    """Those that are read from an index, however many jobs there are. By last change only jobs that stopped are
    ordered, which are few; the last try is the last change that the engine made."""
    states = states_named(filter)
    found = [Sort.ID]
    if states is None or "pending" in states:
        found.append(Sort.DUE)
    found.append(Sort.TRIED)
    if states and states <= STOPPED:
        found.append(Sort.CHANGED)
    return found


def narrowed(filter: Filter, sort: Sort) -> Filter:
    """The filter of what an order holds: what is shown, counted, and marked as all."""
    if sort is Sort.DUE:
        return Filter((*filter.terms, States(("pending",))))
    if sort is Sort.TRIED:
        return Filter((*filter.terms, Number("try", 1, None)))
    return filter
