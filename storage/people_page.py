"""Pages of a campaign's people by key, narrowed by a filter, with what became of each."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from storage.errors import NotFoundError
from storage.filter_sql import Where, both, either, like, negated, term_sql
from storage.filter_terms import Filter, Match, Not, Term, Word, literal
from storage.jobs_page import COUNT_LIMIT, Count
from storage.reader import Reader

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PeopleQuery:
    """Whose people, narrowed by a filter; its times count from `now` (us)."""

    campaign_id: int
    filter: Filter = field(default_factory=Filter)
    now: int = 0


def people(
    reader: Reader, query: PeopleQuery, *, after: int = 0, before: int | None = None, limit: int = 200
) -> tuple[list[Row], bool]:
    """Up to `limit` people behind an id, or with `before` those just ahead of one; and whether there are more that
    way. In the order of the file."""
    down = before is not None
    bound = Where("r.id < ?", (before,)) if before is not None else Where("r.id > ?", (after,))
    condition = both(Where(f"r.campaign_id = ? AND {reader.VISIBLE}", (query.campaign_id,)), bound, _where(query))
    rows = reader.rows(
        f"{reader.PERSON} WHERE {condition.sql} ORDER BY r.id {'DESC' if down else 'ASC'} LIMIT ?",
        (*condition.values, limit + 1),
    )
    more, rows = len(rows) > limit, rows[:limit]
    for row in rows:
        row["fields"] = json.loads(row["fields"])
    return (rows[::-1] if down else rows), more


def count(reader: Reader, query: PeopleQuery) -> Count:
    """How many match, counted to `COUNT_LIMIT`; all of a campaign come from its imports' sums."""
    if not query.filter.terms:
        return Count(total(reader, query.campaign_id))
    condition = both(Where(f"r.campaign_id = ? AND {reader.VISIBLE}", (query.campaign_id,)), _where(query))
    rows = reader.rows(
        f"SELECT count(*) AS n FROM (SELECT 1 {reader.PEOPLE} WHERE {condition.sql} LIMIT ?)",
        (*condition.values, COUNT_LIMIT + 1),
    )
    n = int(rows[0]["n"])
    return Count(min(n, COUNT_LIMIT), n > COUNT_LIMIT)


def total(reader: Reader, campaign_id: int) -> int:
    """How many people a campaign has."""
    rows = reader.rows(
        "SELECT COALESCE(sum(imported), 0) AS n FROM imports WHERE campaign_id = ? AND state = 'done'", (campaign_id,)
    )
    return int(rows[0]["n"])


def beside(reader: Reader, campaign_id: int, person_id: int, by: int, *, key: str = "") -> tuple[Row, int] | None:
    """The person with this id (`by` 0; the first one for an id that is gone), the next (1) or the one before (-1), or
    the one whose address compares as `key`; with the place counted from 1. None where there is none.
    Raises NotFoundError for a key that the campaign does not have."""
    query = PeopleQuery(campaign_id)
    if key:
        rows = [by_key(reader, campaign_id, key)]
    elif by < 0:
        rows, _ = people(reader, query, before=person_id, limit=1)
    else:
        rows, _ = people(reader, query, after=person_id if by > 0 else person_id - 1, limit=1)
        rows = rows or (people(reader, query, limit=1)[0] if by == 0 else [])
    if not rows:
        return None
    place = reader.rows(
        f"SELECT count(*) AS n FROM recipients r WHERE r.campaign_id = ? AND r.id <= ? AND {reader.VISIBLE}",
        (campaign_id, rows[0]["id"]),
    )
    return rows[0], int(place[0]["n"])


def by_key(reader: Reader, campaign_id: int, key: str) -> Row:
    """The person of a campaign whose address compares as `key`. Raises NotFoundError."""
    rows = reader.rows(
        f"{reader.PERSON} WHERE r.campaign_id = ? AND r.address_key = ? AND {reader.VISIBLE}", (campaign_id, key)
    )
    if not rows:
        raise NotFoundError(f"{key} is not in this campaign", hint="see `paceline campaign recipients`")
    rows[0]["fields"] = json.loads(rows[0]["fields"])
    return rows[0]


def sent_to(reader: Reader, campaign_id: int) -> list[Row]:
    """Who was sent something, and how many messages: `address, profile, n`. Those that bounced later count."""
    return reader.rows(
        "SELECT r.address, r.profile, count(*) AS n FROM recipients r JOIN jobs j ON j.recipient_id = r.id "
        "WHERE r.campaign_id = ? AND j.state IN ('completed', 'bounced') GROUP BY r.id ORDER BY r.id",
        (campaign_id,),
    )


def jobs_of(reader: Reader, person_id: int) -> list[Row]:
    """Every job of one person with its attempts, in the order of the steps."""
    rows = reader.rows("SELECT id FROM jobs WHERE recipient_id = ? ORDER BY step_id, id", (person_id,))
    return [reader.job(row["id"]) for row in rows]


def person(reader: Reader, person_id: int) -> Row:
    """One person with their job's state. Raises NotFoundError."""
    rows = reader.rows(f"{reader.PERSON} WHERE r.id = ? AND {reader.VISIBLE}", (person_id,))
    if not rows:
        raise NotFoundError("this person is not in the campaign any more", hint="see `paceline campaign recipients`")
    rows[0]["fields"] = json.loads(rows[0]["fields"])
    return rows[0]


def _where(query: PeopleQuery) -> Where:
    return both(*(_term(term, query.now) for term in query.filter.terms))


def _term(term: Term | Not, now: int) -> Where:
    """As for jobs, but an address is looked for in the person itself: one without a message counts too."""
    if isinstance(term, Not):
        return negated(_term(term.term, now))
    if isinstance(term, Match) and term.field == "to":
        return like("r.address", term.patterns)
    if isinstance(term, Word):
        return either([like("r.address", (f"*{literal(term.text)}*",)), term_sql(term, now)])
    return term_sql(term, now)
