"""The jobs that a person means, fixed at the moment of asking: which, as they stood then, and what is left out.

A filter alone would mean more jobs a second later. So a set holds ids, and with each the state and the lease that the
engine compares before it changes anything (`storage.acts`).
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice

from storage.cancels import CANCELLED
from storage.failure_groups import reason
from storage.filter_sql import ALL, Where, both
from storage.filter_terms import EVERY, Filter, States
from storage.jobs_page import SLICE, Count, Query, Row, all_ids, count
from storage.model import SEND, HeldReason, JobState
from storage.reader import Reader

_PAGE = 5_000
_COLUMNS = "id, kind, state, reason, lease, outcome, campaign_id, queue_id, step_id"
_WORDS = [state.value for state in JobState]
_STOPPED = ("failed", "held", "uncertain")


class Act(StrEnum):
    """What is to be done with a set."""

    RETRY = "retry"
    CANCEL = "cancel"
    APPROVE = "approve"
    REJECT = "reject"


TAKEN = {
    Act.RETRY: ("failed", "held"),
    Act.CANCEL: ("pending", "held"),
    Act.APPROVE: ("held",),
    Act.REJECT: ("held",),
}
"""The states of what an act changes."""


class Jobs:
    """Jobs as they were seen, seventeen bytes each: a set may hold millions."""

    def __init__(self) -> None:
        self.ids = array("q")
        self._leases = array("q")
        self._states = bytearray()

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, id: int, state: str, lease: int) -> None:
        self.ids.append(id)
        self._leases.append(lease)
        self._states.append(_WORDS.index(state))

    def part(self, start: int, n: int) -> list[tuple[int, str, int]]:
        """The jobs from `start` on, `n` at most: (id, state, lease) each, as control takes them."""
        end = min(start + n, len(self))
        return [(self.ids[i], _WORDS[self._states[i]], self._leases[i]) for i in range(start, end)]


@dataclass(slots=True)
class FixedSet:
    """`jobs` are those that the act changes; `taken` counts them by state, `campaigns` by campaign id, and `left` by
    the words for why they are left out."""

    act: Act
    jobs: Jobs = field(default_factory=Jobs)
    taken: Counter[str] = field(default_factory=Counter)
    campaigns: Counter[int | None] = field(default_factory=Counter)
    ways: Counter[tuple[int | None, int, int | None]] = field(default_factory=Counter)
    """`jobs` by their campaign, queue and step."""
    left: dict[str, Count] = field(default_factory=dict)
    running: list[int] = field(default_factory=list)
    """Of a cancel: background jobs that run. Nothing is changed in them: they can be asked to end."""

    def in_words(self) -> str:
        """What the act leaves as it is, in words; "" for nothing."""
        running = [f"{len(self.running):,} running"] if self.running else []
        return ", ".join([*(f"{n} {why}" for why, n in self.left.items()), *running])

    def apart_in_words(self) -> str:
        """The same without those that run."""
        return ", ".join(f"{n} {why}" for why, n in self.left.items())


def of_filter(reader: Reader, act: Act, query: Query) -> FixedSet:
    """All that match. `query.top` and `query.now` fix what that means."""
    fixed = _sorted_out(reader, act, all_ids(reader, _narrowed(query, *TAKEN[act])))
    for state, why in APART[act].items():
        if act is Act.CANCEL:
            # One by one: background jobs among them can be asked to end.
            _sort_out(fixed, reader, all_ids(reader, _narrowed(query, state)))
        else:
            _leave(fixed, why, count(reader, _narrowed(query, state)))
    total = count(reader, query)
    known = len(fixed.jobs) + len(fixed.running) + sum(n.n for n in fixed.left.values())
    _leave(fixed, OTHERS[act], Count(max(0, total.n - known), total.more))
    return fixed


def of_ids(reader: Reader, act: Act, ids: Iterable[int]) -> FixedSet:
    """What of these jobs an act changes."""
    return _sorted_out(reader, act, iter(ids))


def of_reason(
    reader: Reader, error_key: str, campaign_id: int | None = None, *, narrowed: Filter = EVERY, now: int = 0
) -> FixedSet:
    """What a retry takes of the jobs that stopped for this reason, in one campaign or in all; `narrowed` as a filter of
    failures does (`storage.failure_groups`), its times counted from `now`."""
    condition = both(
        reason(error_key, narrowed, now), ALL if campaign_id is None else Where("j.campaign_id = ?", (campaign_id,))
    )
    pages = (_walk(reader, f"{condition.sql} AND j.state = '{state}'", condition.values) for state in _STOPPED)
    return _sorted_out(reader, Act.RETRY, (id for ids in pages for id in ids))


def of_campaign(reader: Reader, campaign_id: int, outcomes: Sequence[str]) -> FixedSet:
    """What a retry takes of one campaign: what is held, and what failed with one of these outcomes."""
    pages = (
        # In the words of the index `jobs_stopped`, so that it applies.
        _walk(
            reader,
            f"j.campaign_id = ? AND j.state = '{state}' AND j.state IN ('failed', 'held', 'uncertain')",
            (campaign_id,),
        )
        for state in _STOPPED
    )
    return _sorted_out(reader, Act.RETRY, (id for ids in pages for id in ids), outcomes)


UNCERTAIN = "uncertain (never in bulk)"
IN_FLIGHT = "in flight (they finish)"
UNASKED = "not waiting for approval"
OTHERS = {
    Act.RETRY: "neither failed nor held",
    Act.CANCEL: "not open",
    Act.APPROVE: UNASKED,
    Act.REJECT: UNASKED,
}
APART: dict[Act, dict[str, str]] = {
    Act.RETRY: {"uncertain": UNCERTAIN},
    Act.CANCEL: {"processing": IN_FLIGHT},
    Act.APPROVE: {},
    Act.REJECT: {},
}
"""States that are counted by themselves among what is left out, with the word for each."""


def _left_out(act: Act, row: Row, outcomes: Sequence[str]) -> str:
    """Why an act leaves this job out; "" when it changes it."""
    state, reason = row["state"], row["reason"]
    if state == "held" and reason == CANCELLED:
        return "being cancelled"
    if act is Act.RETRY:
        if state == "held" and reason == HeldReason.APPROVAL.value:
            return "held for approval"
        if state == "failed" and outcomes and row["outcome"] not in outcomes:
            return "refused for good"
        if state == "uncertain":
            return UNCERTAIN
    elif act is Act.CANCEL:
        if state == "processing":
            return IN_FLIGHT
    elif reason != HeldReason.APPROVAL.value:
        return UNASKED
    return "" if state in TAKEN[act] else OTHERS[act]


def _sorted_out(reader: Reader, act: Act, ids: Iterator[int], outcomes: Sequence[str] = ()) -> FixedSet:
    fixed = FixedSet(act)
    _sort_out(fixed, reader, ids, outcomes)
    return fixed


def _sort_out(fixed: FixedSet, reader: Reader, ids: Iterator[int], outcomes: Sequence[str] = ()) -> None:
    act = fixed.act
    while part := list(islice(ids, SLICE)):
        marks = ", ".join("?" * len(part))
        rows = reader.rows(f"SELECT {_COLUMNS} FROM jobs WHERE id IN ({marks}) ORDER BY id", part)
        _leave(fixed, "not there", Count(len(part) - len(rows)))
        for row in rows:
            if act is Act.CANCEL and row["state"] == "processing" and row["kind"] != SEND:
                fixed.running.append(row["id"])
                continue
            if why := _left_out(act, row, outcomes):
                _leave(fixed, why, Count(1))
                continue
            fixed.jobs.add(row["id"], row["state"], row["lease"])
            fixed.taken[row["state"]] += 1
            fixed.campaigns[row["campaign_id"]] += 1
            fixed.ways[row["campaign_id"], row["queue_id"], row["step_id"]] += 1


def _leave(fixed: FixedSet, why: str, n: Count) -> None:
    before = fixed.left.get(why, Count(0))
    if n.n or n.more:
        fixed.left[why] = Count(before.n + n.n, before.more or n.more)


def _narrowed(query: Query, *states: str) -> Query:
    return replace(query, filter=Filter((*query.filter.terms, States(states))))


def _walk(reader: Reader, condition: str, values: Sequence[str | int]) -> Iterator[int]:
    after = 0
    sql = f"SELECT j.id FROM jobs j WHERE {condition} AND j.id > ? ORDER BY j.id LIMIT {_PAGE}"
    while rows := reader.rows(sql, (*values, after)):
        yield from (row["id"] for row in rows)
        after = rows[-1]["id"]
