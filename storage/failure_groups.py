"""Failures that a filter lets through: which jobs, counted as they stand now, and nothing else.

A filter of failures has two parts. `narrowing` is about jobs (`campaign:`, `queue:`, `since:`, `age:`): counts, the
jobs of a group and what a retry of it takes all come from that one condition. The rest (`error:`, `kind:`, words)
chooses whole groups: `is_asked`.
"""

from __future__ import annotations

from storage.filter_rows import holds, is_like
from storage.filter_sql import Where, both, exactly, where
from storage.filter_terms import Contains, Filter, Match, Not, Term, Time, Word
from storage.jobs_page import rows_of
from storage.model import HOUR
from storage.reader import Reader, Row

STATES = ("failed", "uncertain", "held", "pending")
"""The states of jobs that a group of failures counts."""
_OF_CAMPAIGNS = ("campaign", "queue")


def narrowing(filter: Filter) -> Filter:
    """The terms that are about jobs: a filter in the language of jobs too."""
    return Filter(tuple(term for term in filter.terms if _about_jobs(term)))


def jobs_filter(error_key: str, narrowed: Filter) -> Filter:
    """The jobs of a group as a filter in the language of jobs."""
    return Filter((exactly("error", error_key), *narrowed.terms))


def reason(error_key: str, narrowed: Filter, now: int) -> Where:
    """The jobs `j` of one reason that `narrowed` lets through, whatever their state."""
    # In the words of the index `jobs_error`, so that it applies.
    return both(Where("j.error_key = ? AND j.error_key <> ''", (error_key,)), where(narrowed, now))


def failures(reader: Reader, rows: list[Row], filter: Filter, now: int) -> list[Row]:
    """Of the rows of `Reader.failures` those of the jobs that `narrowing` lets through. Where it bounds times, `n`,
    `first_at` and `last_at` are those of the jobs that match, and `hours` begins with the first hour that can hold one.
    """
    narrowed = narrowing(filter)
    if not narrowed.terms:
        return rows
    campaigns = _campaigns(reader, narrowed, now)
    rows = [row for row in rows if row["campaign_id"] in campaigns]
    # Background jobs of several queues stand in one row: which of them match is counted.
    background = any(row["campaign_id"] == 0 for row in rows)
    if not background and not any(isinstance(_inside(term), Time) for term in narrowed.terms):
        return rows
    since = max((now - term.duration for term in narrowed.terms if isinstance(term, Time) and not term.more), default=0)
    matching = {key: _counted(reader, reason(key, narrowed, now)) for key in {row["error_key"] for row in rows}}
    found = []
    for row in rows:
        counted = matching[row["error_key"]].get((row["campaign_id"], row["state"]))
        if counted is not None:
            hours = [(hour, n) for hour, n in row["hours"] if hour + HOUR > since]
            found.append({**row, **counted, "hours": hours})
    return found


def is_asked(filter: Filter, *, error_key: str, sample: str, kind: str) -> bool:
    """Whether a filter asks for a group with this reason, sample and kind."""
    return all(_chooses(term, error_key, sample, kind) for term in filter.terms if not _about_jobs(term))


def jobs(
    reader: Reader, error_key: str, narrowed: Filter, states: tuple[str, ...], now: int, *, after: int, limit: int
) -> list[Row]:
    """A page of a group's jobs by id, in these states."""
    marks = ", ".join("?" * len(states))
    condition = both(
        reason(error_key, narrowed, now), Where(f"j.state IN ({marks})", states), Where("j.id > ?", (after,))
    )
    rows = reader.rows(
        f"SELECT j.id FROM jobs j WHERE {condition.sql} ORDER BY j.id LIMIT ?", (*condition.values, limit)
    )
    return rows_of(reader, [row["id"] for row in rows])


def _inside(term: Term | Not) -> Term:
    return term.term if isinstance(term, Not) else term


def _about_jobs(term: Term | Not) -> bool:
    inside = _inside(term)
    return isinstance(inside, Time) or (isinstance(inside, Match) and inside.field in _OF_CAMPAIGNS)


def _campaigns(reader: Reader, narrowed: Filter, now: int) -> set[int]:
    """The campaigns whose jobs pass what is said of campaigns and queues: asked of one row each, not of every job. 0:
    background jobs of some queue do."""
    named = Filter(tuple(term for term in narrowed.terms if isinstance(_inside(term), Match)))
    condition = where(named, now)
    rows = reader.rows(
        "SELECT COALESCE(j.campaign_id, 0) AS id FROM (SELECT id AS campaign_id, queue_id FROM campaigns "
        f"UNION ALL SELECT NULL, id FROM queues) j WHERE {condition.sql}",
        condition.values,
    )
    return {row["id"] for row in rows}


def _counted(reader: Reader, condition: Where) -> dict[tuple[int, str], Row]:
    """`n`, `first_at`, `last_at` of the jobs that match, by campaign and state."""
    marks = ", ".join("?" * len(STATES))
    rows = reader.rows(
        "SELECT j.campaign_id, j.state, count(*) AS n, min(j.updated_at) AS first_at, max(j.updated_at) AS last_at "
        f"FROM jobs j WHERE {condition.sql} AND j.state IN ({marks}) GROUP BY j.campaign_id, j.state",
        (*condition.values, *STATES),
    )
    return {
        (row["campaign_id"] or 0, row["state"]): {name: row[name] for name in ("n", "first_at", "last_at")}
        for row in rows
    }


def _chooses(term: Term | Not, error_key: str, sample: str, kind: str) -> bool:
    match term:
        case Not(inside):
            return not _chooses(inside, error_key, sample, kind)
        case Match("kind", patterns):
            return is_like(kind, patterns)
        case Match(_, patterns):
            return is_like(error_key, patterns)
        case Contains(texts):
            return holds((error_key, sample), texts)
        case Word(text):
            return holds((error_key, sample), (text,))
        case _:
            raise AssertionError(f"{term} is no term of failures")
