"""Pages of jobs by key, narrowed by a filter: by id, due time or last change, both ways, never by OFFSET.

No index holds the state of every job, because each one is paid for by every send. The counters say instead which
campaigns have jobs that wait, failed or are held, and a page is merged from one short index range of each.
Measured at 1,000,000 jobs, 100 rows a page, p95: by id 2 ms, one state 5 ms, what is due 4 ms; a full index of due
time or last change would cost every send 5 us and a twentieth more log, a sort without one takes 0.3 s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from storage.filter_sql import ALL, Value, Where, both, like, term_sql
from storage.filter_terms import Filter, Match, States
from storage.model import JobState
from storage.reader import Reader

Row = dict[str, Any]

COUNT_LIMIT = 10_000
SLICE = 500
MOST_BRANCHES = 200
"""Ranges that one statement merges: SQLite takes 500."""
SPARSE = 20_000
"""Up to here all jobs of a state are read and sorted rather than looked for among the others."""

_STOPPED = frozenset(("failed", "held", "uncertain"))
_IS_STOPPED = Where("j.state IN ('failed', 'held', 'uncertain')")
"""In the words of the index `jobs_stopped`: SQLite does not conclude it from `state = 'failed'`."""
_BASE = {"scheduled": "pending", "due": "pending", "retry": "pending"}
_SMALL = {"pending": "jobs_waiting", "processing": "jobs_lease"}
"""The partial index over all jobs of a state that is passed through."""


class Sort(StrEnum):
    ID = "id"
    DUE = "due"
    CHANGED = "changed"


_KEYS = {Sort.ID: "j.id", Sort.DUE: "j.due_at", Sort.CHANGED: "j.updated_at"}
_FIELDS = {Sort.ID: "id", Sort.DUE: "due_at", Sort.CHANGED: "updated_at"}


@dataclass(frozen=True, slots=True)
class Query:
    """Which jobs, in which order. `now` is what the filter's times count from; `top` fixes the set: no job with a
    higher id belongs to it."""

    filter: Filter = field(default_factory=Filter)
    sort: Sort = Sort.ID
    descending: bool = False
    now: int = 0
    top: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands in an order: its sort key and its id."""

    key: int
    id: int


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in the query's order; `more`: there are further ones in the direction that was asked for."""

    rows: list[Row]
    more: bool


@dataclass(frozen=True, slots=True)
class Count:
    """`n` jobs, or `COUNT_LIMIT` and `more`."""

    n: int
    more: bool = False

    def __str__(self) -> str:
        return f"{COUNT_LIMIT // 1000}k+" if self.more else f"{self.n:,}"


@dataclass(frozen=True, slots=True)
class _Branch:
    """One range that a page is merged from. The index is named: with `id > ?` beside it SQLite would rather walk
    the whole table (60 ms instead of 1)."""

    where: Where = ALL
    index: str = ""


def place_of(row: Row, sort: Sort) -> Place:
    return Place(row[_FIELDS[sort]], row["id"])


def page(reader: Reader, query: Query, *, after: Place | None = None, backward: bool = False, limit: int = 200) -> Page:
    """Up to `limit` jobs after a place, or before it with `backward`; without a place from that end."""
    down = query.descending != backward
    bound = ALL
    if after is not None:
        sign = "<" if down else ">"
        if query.sort is Sort.ID:
            bound = Where(f"j.id {sign} ?", (after.id,))
        else:
            bound = Where(f"({_KEYS[query.sort]}, j.id) {sign} (?, ?)", (after.key, after.id))
    found = _ids(reader, query, bound, down=down, limit=limit + 1)
    ids = found[:limit]
    return Page(rows_of(reader, ids[::-1] if backward else ids), len(found) > limit)


def rows_of(reader: Reader, ids: Sequence[int]) -> list[Row]:
    """These jobs as they are now, in the order of `ids`; those that are gone are left out."""
    rows: dict[int, Row] = {}
    for start in range(0, len(ids), SLICE):
        part = ids[start : start + SLICE]
        marks = ", ".join("?" * len(part))
        rows |= {row["id"]: row for row in reader.select(f"{reader.JOB} WHERE j.id IN ({marks})", part)}
    return [rows[id] for id in ids if id in rows]


def count(reader: Reader, query: Query) -> Count:
    """How many jobs match, counted to `COUNT_LIMIT`."""
    known = _counted(reader, query)
    if known is None:
        branches, rest = _plan(reader, replace(query, sort=Sort.ID))
        if not branches:
            return Count(0)
        parts = [_select("1", branch, rest) for branch in branches]
        union = " UNION ALL ".join(part.sql for part in parts)
        values = [value for part in parts for value in part.values]
        rows = reader.select(f"SELECT count(*) AS n FROM ({union} LIMIT ?)", (*values, COUNT_LIMIT + 1))
        known = rows[0]["n"]
    return Count(min(known, COUNT_LIMIT), known > COUNT_LIMIT)


def before(reader: Reader, query: Query, place: Place) -> Count:
    """How many jobs stand before a place: its rank, counted to `COUNT_LIMIT`."""
    sign = ">" if query.descending else "<"
    key = _KEYS[query.sort]
    bound = Where(f"({key}, j.id) {sign} (?, ?)", (place.key, place.id))
    if query.sort is Sort.ID:
        bound = Where(f"j.id {sign} ?", (place.id,))
    found = _ids(reader, query, bound, down=not query.descending, limit=COUNT_LIMIT + 1)
    return Count(min(len(found), COUNT_LIMIT), len(found) > COUNT_LIMIT)


def highest(reader: Reader) -> int:
    """The highest id there is, 0 without a job."""
    return int(reader.select("SELECT COALESCE(max(id), 0) AS n FROM jobs")[0]["n"])


def all_ids(reader: Reader, query: Query) -> Iterator[int]:
    """Every id of a fixed set in order, read in short pages so that the WAL never waits for a reader."""
    query = replace(query, sort=Sort.ID, descending=False)
    after = 0
    while ids := _ids(reader, query, Where("j.id > ?", (after,)), down=False, limit=10 * SLICE):
        yield from ids
        after = ids[-1]


def _ids(reader: Reader, query: Query, bound: Where, *, down: bool, limit: int) -> list[int]:
    branches, rest = _plan(reader, query)
    key = _KEYS[query.sort]
    way = "DESC" if down else "ASC"
    parts = [_select(f"j.id AS id, {key} AS place", branch, both(rest, bound)) for branch in branches]
    if not parts:
        return []
    order = f" ORDER BY place {way}, id {way} LIMIT ?"
    own = f" ORDER BY {key} {way}{'' if query.sort is Sort.ID else f', j.id {way}'} LIMIT ?"
    values = [value for part in parts for value in (*part.values, limit)]
    sql = f"{parts[0].sql}{own}"
    if len(parts) > 1:
        sql = " UNION ALL ".join(f"SELECT * FROM ({part.sql}{own})" for part in parts) + order
        values.append(limit)
    return [row["id"] for row in reader.select(sql, values)]


def _select(what: str, branch: _Branch, rest: Where) -> Where:
    condition = both(branch.where, rest)
    by = f" INDEXED BY {branch.index}" if branch.index else ""
    return Where(f"SELECT {what} FROM jobs j{by} WHERE {condition.sql}", condition.values)


def _plan(reader: Reader, query: Query) -> tuple[list[_Branch], Where]:
    """The ranges that together hold every match, and the condition that each row still has to meet."""
    campaigns = _campaigns(reader, query.filter)
    terms = [term for term in query.filter.terms if not _names_campaigns(term)]
    rest = both(*(term_sql(term, query.now) for term in terms))
    if query.top is not None:
        rest = both(rest, Where("j.id <= ?", (query.top,)))
    states = _states(query.filter)
    if campaigns == [] or states == set():
        return [], rest
    held = _holders(reader, states, campaigns) if states else []
    index = "jobs_waiting" if states == {"pending"} and query.sort is Sort.DUE else "jobs_stopped"
    if states and (states <= _STOPPED or index == "jobs_waiting") and len(held) <= MOST_BRANCHES:
        stopped = _IS_STOPPED if index == "jobs_stopped" else ALL
        return [_Branch(both(_of(campaign), _in(state), stopped), index) for campaign, state, _ in held], rest
    if states and states <= set(_SMALL) and sum(n for _, _, n in held) <= SPARSE:
        small = [_Branch(_in(state), _SMALL[state]) for state in sorted(states)]
        return small, both(rest, _one_of(campaigns))
    if campaigns is not None and query.sort is Sort.ID and len(campaigns) <= MOST_BRANCHES:
        return [_Branch(_of(campaign), "jobs_campaign") for campaign in campaigns], rest
    return [_Branch(_one_of(campaigns))], both(rest, Where("1 = 1"))


def _names_campaigns(term: object) -> bool:
    return isinstance(term, Match) and term.field == "campaign"


def _campaigns(reader: Reader, filter: Filter) -> list[int] | None:
    """The campaigns that a filter names; None when it names none."""
    named = [term for term in filter.terms if isinstance(term, Match) and term.field == "campaign"]
    if not named:
        return None
    condition = both(*(like("name", term.patterns) for term in named))
    return [row["id"] for row in reader.select(f"SELECT id FROM campaigns WHERE {condition.sql}", condition.values)]


def _states(filter: Filter) -> set[str] | None:
    """The states that a match can have; None for any."""
    found: set[str] | None = None
    for term in filter.terms:
        if isinstance(term, States):
            named = {_BASE.get(word, word) for word in term.words}
            found = named if found is None else found & named
    return found


def _holders(reader: Reader, states: set[str], campaigns: list[int] | None) -> list[tuple[int | None, str, int]]:
    """Which campaigns have jobs in these states, and how many; None for jobs without a campaign."""
    wanted = sorted(states)
    marks = ", ".join("?" * len(wanted))
    rows = reader.select(
        f"SELECT campaign_id, state, SUM(n) AS n FROM counters WHERE campaign_id <> 0 AND state IN ({marks}) "
        "GROUP BY campaign_id, state HAVING SUM(n) > 0 ORDER BY campaign_id, state",
        wanted,
    )
    found = [(row["campaign_id"], row["state"], row["n"]) for row in rows]
    if campaigns is not None:
        kept = set(campaigns)
        return [entry for entry in found if entry[0] in kept]
    totals = reader.counts()
    for state in wanted:
        alone = totals[state] - sum(n for _, of, n in found if of == state)
        if alone > 0:
            found.append((None, state, alone))
    return found


def _of(campaign: int | None) -> Where:
    return Where("j.campaign_id IS NULL") if campaign is None else Where("j.campaign_id = ?", (campaign,))


def _in(state: str) -> Where:
    return Where(f"j.state = '{JobState(state)}'")


def _one_of(campaigns: list[int] | None) -> Where:
    if campaigns is None:
        return ALL
    values: tuple[Value, ...] = tuple(campaigns)
    return Where(f"j.campaign_id IN ({', '.join('?' * len(values))})", values)


def _counted(reader: Reader, query: Query) -> int | None:
    """The count out of the counters, where the filter asks for nothing but states and campaigns."""
    plain = all(
        _names_campaigns(term) or (isinstance(term, States) and not set(term.words) & set(_BASE))
        for term in query.filter.terms
    )
    if not plain or query.top is not None:
        return None
    campaigns, states = _campaigns(reader, query.filter), _states(query.filter)
    if campaigns is None:
        totals = reader.counts()
        return sum(n for state, n in totals.items() if state != "retry" and (states is None or state in states))
    return sum(n for _, _, n in _holders(reader, states or {state.value for state in JobState}, campaigns))
