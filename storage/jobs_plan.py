"""Where a page of jobs is read from: the short index ranges that together hold every match.

No index holds the state of every job, because each one is paid for by every send. The counters say instead which
campaigns have jobs that wait, failed or are held, and a page is merged from one short range of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from storage.filter_sql import ALL, Value, Where, both, like, term_sql
from storage.filter_terms import Contains, Filter, Match, Not, Number, States, Term, Time, pieces
from storage.model import SEND, JobState
from storage.reader import Reader

MOST_BRANCHES = 200
"""Ranges that one statement merges: SQLite takes 500."""
SPARSE = 20_000
"""Up to here all jobs of a state are read and sorted rather than looked for among the others."""

_STOPPED = frozenset(("failed", "held", "uncertain"))
_IS_STOPPED = Where("j.state IN ('failed', 'held', 'uncertain')")
"""In the words of the index `jobs_stopped`: SQLite does not conclude it from `state = 'failed'`."""
_HAS_ERROR = Where("j.error_key <> ''")
"""In the words of the index `jobs_error`; a job has a last error only beside an error key."""
BASE = {"scheduled": "pending", "due": "pending", "retry": "pending"}
"""The state that a word of the filter language is a part of."""
_SMALL = {"pending": "jobs_waiting", "processing": "jobs_lease"}
"""The partial index over all jobs of a state that is passed through."""
_FLAGGED = Where("j.id IN (SELECT t.job_id FROM tasks t WHERE t.flag <> '')")
_LAST = "\U0010ffff"


class Sort(StrEnum):
    ID = "id"
    DUE = "due"
    CHANGED = "changed"
    TRIED = "tried"
    """By the last attempt; jobs that were tried, and no others. Fast in any store, for attempts are in that order."""


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
class Branch:
    """One range that a page is merged from. The index is named: with `id > ?` beside it SQLite would rather walk
    the whole table (60 ms instead of 1)."""

    where: Where = ALL
    index: str = ""


def plan(reader: Reader, query: Query) -> tuple[list[Branch], Where]:
    """The ranges that together hold every match, and the condition that each row still has to meet."""
    campaigns = campaigns_named(reader, query.filter)
    terms = [term for term in query.filter.terms if not names_campaigns(term)]
    rest = both(*(term_sql(term, query.now) for term in terms))
    if query.top is not None:
        rest = both(rest, Where("j.id <= ?", (query.top,)))
    states = states_named(query.filter)
    if campaigns == [] or states == set():
        return [], rest
    if query.sort is Sort.TRIED:
        return [Branch(_one_of(campaigns))], rest
    if (people := _people(reader, terms)) is not None:
        return [Branch(both(people, _one_of(campaigns)))], rest
    if any(map(_by_flag, terms)):
        return [Branch(_FLAGGED)], both(rest, _one_of(campaigns))
    kinds = kinds_named(reader, query.filter)
    background = campaigns is None and ((kinds is not None and SEND not in kinds) or any(map(_of_tasks, terms)))
    held = holders(reader, states, campaigns) if states else []
    if background:
        held = [entry for entry in held if entry[0] is None]
    if states is not None:
        # A state that no job is in needs no range.
        states = {state for _, state, _ in held}
        if not states:
            return [], rest
    index = "jobs_waiting" if states == {"pending"} and query.sort is Sort.DUE else "jobs_stopped"
    if states and (states <= _STOPPED or index == "jobs_waiting") and len(held) <= MOST_BRANCHES:
        stopped = _IS_STOPPED if index == "jobs_stopped" else ALL
        return [Branch(both(_of(campaign), _in(state), stopped), index) for campaign, state, _ in held], rest
    if any(map(_by_error, terms)):
        return [Branch(both(_HAS_ERROR, _one_of(campaigns)), "jobs_error")], rest
    small = states and states <= set(_SMALL) and sum(n for _, _, n in held) <= SPARSE
    if small or (states == {"pending"} and any(map(_by_due, terms))):
        found = [
            Branch(both(_in(state), _of(None) if background else ALL), _SMALL[state]) for state in sorted(states or ())
        ]
        return found, both(rest, _one_of(campaigns))
    if background and query.sort is Sort.ID:
        if kinds is not None and len(kinds) <= MOST_BRANCHES:
            return [Branch(Where("j.kind = ? AND j.kind <> 'send'", (kind,)), "jobs_kind") for kind in kinds], rest
        return [Branch(_of(None), "jobs_campaign")], rest
    if background:
        return [Branch(_of(None))], rest
    if campaigns is not None and query.sort is Sort.ID and len(campaigns) <= MOST_BRANCHES:
        return [Branch(_of(campaign), "jobs_campaign") for campaign in campaigns], rest
    return [Branch(_one_of(campaigns))], both(rest, Where("1 = 1"))


def _by_error(term: Term | Not) -> bool:
    """Whether a match of this term has an error."""
    return (
        isinstance(term, Contains) or (isinstance(term, Match) and term.field == "error") or term == States(("retry",))
    )


def _by_due(term: Term | Not) -> bool:
    """Whether a match of this term waits for a time that the filter bounds from above."""
    return term == States(("due",)) or (isinstance(term, Time) and term.field == "next" and not term.more)


def _by_flag(term: Term | Not) -> bool:
    return isinstance(term, Match) and term.field == "flag"


def _of_tasks(term: Term | Not) -> bool:
    """Whether only a background job can match."""
    return (isinstance(term, Match) and term.field == "origin") or (isinstance(term, Number) and term.field == "stage")


def _people(reader: Reader, terms: list[Term | Not]) -> Where | None:
    """Jobs by the people whose address begins as a `to:` says, where its patterns say how it begins and few do."""
    for term in terms:
        if isinstance(term, Match) and term.field == "to":
            starts = [next(iter(pieces(pattern)), None) for pattern in term.patterns]
            if not all(start and start.isascii() for start in starts):
                continue
            # CROSS JOIN: campaign by campaign, each a range of (campaign_id, address_key); the planner would scan.
            one = (
                "SELECT r.id AS id FROM campaigns c CROSS JOIN recipients r ON r.campaign_id = c.id "
                "WHERE r.address_key >= ? AND r.address_key < ?"
            )
            people = " UNION ".join(one for _ in starts)
            bounds = tuple(value for start in starts if start for value in (start.lower(), start.lower() + _LAST))
            n = reader.rows(f"SELECT count(*) AS n FROM (SELECT id FROM ({people}) LIMIT ?)", (*bounds, SPARSE + 1))
            if n[0]["n"] <= SPARSE:
                return Where(f"j.recipient_id IN ({people})", bounds)
    return None


def names_campaigns(term: object) -> bool:
    return isinstance(term, Match) and term.field == "campaign"


def campaigns_named(reader: Reader, filter: Filter) -> list[int] | None:
    """The campaigns that a filter names; None when it names none."""
    named = [term for term in filter.terms if isinstance(term, Match) and term.field == "campaign"]
    if not named:
        return None
    condition = both(*(like("name", term.patterns) for term in named))
    return [row["id"] for row in reader.rows(f"SELECT id FROM campaigns WHERE {condition.sql}", condition.values)]


def names_kinds(term: object) -> bool:
    return isinstance(term, Match) and term.field == "kind"


def kinds_named(reader: Reader, filter: Filter) -> list[str] | None:
    """The kinds that a filter names, messages among them; None when it names none."""
    named = [term for term in filter.terms if isinstance(term, Match) and term.field == "kind"]
    if not named:
        return None
    condition = both(*(like("kind", term.patterns) for term in named))
    kinds = "SELECT kind FROM kind_counters UNION SELECT ? ORDER BY kind"
    rows = reader.rows(f"SELECT kind FROM ({kinds}) WHERE {condition.sql}", (SEND, *condition.values))
    return [row["kind"] for row in rows]


def states_named(filter: Filter) -> set[str] | None:
    """The states that a match can have; None for any."""
    found: set[str] | None = None
    for term in filter.terms:
        if isinstance(term, States):
            named = {BASE.get(word, word) for word in term.words}
        elif isinstance(term, Time) and term.field == "next":
            named = {"pending"}
        else:
            continue
        found = named if found is None else found & named
    return found


def holders(reader: Reader, states: set[str], campaigns: list[int] | None) -> list[tuple[int | None, str, int]]:
    """Which campaigns have jobs in these states, and how many; None for jobs without a campaign."""
    wanted = sorted(states)
    marks = ", ".join("?" * len(wanted))
    rows = reader.rows(
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
