"""Every campaign that a filter lets through, for the console and the command line alike."""

from __future__ import annotations

from storage.filter_rows import holds, is_like
from storage.filter_terms import Filter, Match, Not, States, Term, Time, Word
from storage.model import DAY, MINUTE
from storage.reader import Reader, Row

RECENT = 7 * DAY
"""`state:recent`: what changed within this time."""


def campaigns(reader: Reader, filter: Filter, now: int) -> tuple[list[Row], int]:
    """The campaigns of a filter in the language of campaigns, as `Reader.campaigns` gives them, and how many there are
    in all. Each has `due` (first and last open due time, None for one that is not active); times count from `now`."""
    rows = reader.campaigns()
    for row in rows:
        row["due"] = reader.due(row["id"]) if row["state"] == "active" else {"first": None, "last": None}
    return [row for row in rows if all(_keeps(term, row, now) for term in filter.terms)], len(rows)


def is_scheduled(row: Row, now: int) -> bool:
    """An active campaign whose first message is still to come, and none is sent, is scheduled."""
    first = row["due"]["first"] if "due" in row else None
    ahead = first is not None and first > now + MINUTE and not row["counts"]["processing"]
    return bool(row["state"] == "active" and ahead and not row["counts"]["completed"])


def _keeps(term: Term | Not, row: Row, now: int) -> bool:
    match term:
        case Not(inside):
            return not _keeps(inside, row, now)
        case States(words):
            return any(_stands(word, row, now) for word in words)
        case Match(field, patterns):
            return is_like(row[field], patterns)
        case Time(_, more, duration):
            changed: int = row["updated_at"]
            return changed < now - duration if more else changed > now - duration
        case Word(text):
            return holds((row["name"], row["account"]), (text,))
        case _:
            raise AssertionError(f"{term} is no term of campaigns")


def _stands(word: str, row: Row, now: int) -> bool:
    if word == "recent":
        return bool(row["updated_at"] > now - RECENT)
    if word in ("running", "scheduled"):
        return row["state"] == "active" and is_scheduled(row, now) == (word == "scheduled")
    return bool(row["state"] == word)
