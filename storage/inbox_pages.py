"""What came back, read: pages by id, what belongs to one message or one person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from storage.filter_sql import Where, both, either, in_campaigns, like, negated
from storage.filter_terms import Filter, Match, Not, States, Term, Time, Word, literal
from storage.id_pages import counted, in_pages
from storage.inbox_facts import LINE, Row
from storage.jobs_page import Count
from storage.reader import Reader

_COLUMNS = {"kind": "i.kind", "to": "i.address", "effect": "i.effect", "code": "i.enhanced", "source": "i.source"}
_WORDS = ("i.address", "i.subject", "i.diagnostic")
SLICE = 2_000
"""Entries that one read of everything takes."""


@dataclass(frozen=True, slots=True)
class InboxQuery:
    """Which entries, in the language `storage.filter_languages.INBOX`; times count from `now` (us)."""

    filter: Filter = field(default_factory=Filter)
    now: int = 0


def page(reader: Reader, query: InboxQuery, *, before: int | None = None, limit: int = 200) -> tuple[list[Row], bool]:
    """Up to `limit` entries below the id `before`, the last one read first; and whether there are more."""
    condition = both(Where("i.id < ?", (before,)) if before is not None else Where("1 = 1"), _where(query))
    rows = reader.rows(f"{LINE} WHERE {condition.sql} ORDER BY i.id DESC LIMIT ?", (*condition.values, limit + 1))
    return rows[:limit], len(rows) > limit


def count(reader: Reader, query: InboxQuery) -> Count:
    """How many match, counted to `COUNT_LIMIT`."""
    return counted(reader, "inbox i", both(Where("1 = 1"), _where(query)))


def every(reader: Reader, query: InboxQuery) -> Iterator[Row]:
    """All that match, the last one read first, in short reads."""
    return in_pages(lambda before: page(reader, query, before=before, limit=SLICE))


def about_job(reader: Reader, job_id: int, limit: int = 20) -> list[Row]:
    """What came back about one message, the last one read first."""
    return reader.rows(f"{LINE} WHERE i.job_id = ? ORDER BY i.id DESC LIMIT ?", (job_id, limit))


def about_person(reader: Reader, recipient_id: int, limit: int = 50) -> list[Row]:
    """What came back about the messages of one person, the last one read first."""
    return reader.rows(
        f"{LINE} WHERE i.job_id IN (SELECT id FROM jobs WHERE recipient_id = ?) ORDER BY i.id DESC LIMIT ?",
        (recipient_id, limit),
    )


def _where(query: InboxQuery) -> Where:
    return both(*(_term(term, query.now) for term in query.filter.terms))


def _term(term: Term | Not, now: int) -> Where:
    match term:
        case Not(inside):
            return negated(_term(inside, now))
        case States(words):
            return either([Where(f"i.job_id IS {'NULL' if word == 'unmatched' else 'NOT NULL'}") for word in words])
        case Match("campaign", patterns):
            return in_campaigns("i.campaign_id", patterns)
        case Match(name, patterns):
            return like(_COLUMNS[name], patterns)
        case Time(_, more, duration):
            return Where(f"i.at {'<' if more else '>'} ?", (now - duration,))
        case Word(text):
            return either([like(column, (f"*{literal(text)}*",)) for column in _WORDS])
        case _:
            raise AssertionError(f"{term} is no term of what came back")
