"""The list of who must not be contacted, read: pages by id, what stands against one person, whom it concerns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from storage.filter_sql import Where, both, either, in_campaigns, like, negated
from storage.filter_terms import Filter, Match, Not, States, Term, Time, Word, literal
from storage.id_pages import counted, in_pages
from storage.jobs_page import Count
from storage.model import SECOND
from storage.reader import Reader, Row
from storage.suppressions import LIST, REASON, Entry, values_of

_ENTRY = (
    "SELECT s.id, s.kind, s.value, s.scope, s.reason, s.note, s.source, s.campaign_id, s.job_id, s.created_by, "
    "s.created_at, s.expires_at, c.name AS campaign FROM suppressions s LEFT JOIN campaigns c ON c.id = s.campaign_id"
)
_STANDS = "(s.expires_at IS NULL OR s.expires_at > ?)"
_NAMES = "(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"
_COLUMNS = {"kind": "s.kind", "reason": "s.reason", "list": "s.scope", "value": "s.value", "by": "s.created_by"}
SLICE = 2_000
"""Entries that one read of the whole list takes."""


@dataclass(frozen=True, slots=True)
class SuppressionQuery:
    """Which entries, in the language `storage.filter_languages.SUPPRESSIONS`; times count from `now` (us)."""

    filter: Filter = field(default_factory=Filter)
    now: int = 0


def page(
    reader: Reader, query: SuppressionQuery, *, before: int | None = None, after: int | None = None, limit: int = 200
) -> tuple[list[Row], bool]:
    """Up to `limit` entries, the newest first: those below the id `before`, or with `after` those just above one; and
    whether there are more that way. Each has the name of the `campaign` that it came from."""
    bound = Where("1 = 1")
    if after is not None:
        bound = Where("s.id > ?", (after,))
    elif before is not None:
        bound = Where("s.id < ?", (before,))
    condition = both(bound, _where(query))
    order = "ASC" if after is not None else "DESC"
    rows = reader.rows(f"{_ENTRY} WHERE {condition.sql} ORDER BY s.id {order} LIMIT ?", (*condition.values, limit + 1))
    more, rows = len(rows) > limit, rows[:limit]
    return (rows[::-1] if after is not None else rows), more


def count(reader: Reader, query: SuppressionQuery) -> Count:
    """How many match, counted to `COUNT_LIMIT`."""
    return counted(reader, "suppressions s", _where(query))


def every(reader: Reader, query: SuppressionQuery) -> Iterator[Row]:
    """All that match, the newest first, in short reads."""
    return in_pages(lambda before: page(reader, query, before=before, limit=SLICE))


def standing(reader: Reader, address_key: str, profile: str, list_name: str | None, now: int) -> list[Row]:
    """What stands against one person now: everywhere and on the list `list_name` (None: on any list). The entry that
    names the person itself comes before that of the domain, one for everything before one for a list."""
    names = json.dumps([list(name) for name in values_of(address_key, profile)])
    scope = Where("1 = 1") if list_name is None else Where("s.scope IN ('', ?)", (list_name,))
    return reader.rows(
        f"{_ENTRY} WHERE (s.kind, s.value) IN {_NAMES} AND {_STANDS} AND {scope.sql} "
        "ORDER BY s.kind = 'domain', s.scope, s.id",
        (names, now, *scope.values),
    )


def refused(reader: Reader, campaign_id: int, people: Sequence[tuple[int, str, str]], now: int) -> dict[int, Row]:
    """Who of these people may not enter a campaign, by the number that they come with: (number, address key, profile)
    each. The answer is the entry that says so."""
    if reader.one("SELECT 1 AS n FROM suppressions LIMIT 1") is None:
        return {}
    names = {name for _, key, profile in people for name in values_of(key, profile)}
    hits: dict[tuple[str, str], Row] = {}
    for row in reader.rows(
        f"{_ENTRY} WHERE (s.kind, s.value) IN {_NAMES} AND {_STANDS} AND s.scope IN ('', ?) ORDER BY s.scope DESC",
        (json.dumps([list(name) for name in names]), now, list_of(reader, campaign_id)),
    ):
        hits[row["kind"], row["value"]] = row
    found = {}
    for number, key, profile in people if hits else ():
        entry = next((hits[name] for name in values_of(key, profile) if name in hits), None)
        if entry is not None:
            found[number] = entry
    return found


def left_out(reader: Reader, campaign_id: int, now: int) -> list[Row]:
    """The people of a campaign who have no message yet and would get none: `id`, `row_number`, `address` and the
    `reason` of the entry, in the order of the file."""
    if reader.one("SELECT 1 AS n FROM suppressions LIMIT 1") is None:
        return []
    return reader.rows(
        f"SELECT r.id, r.row_number, r.address, {REASON} AS reason FROM recipients r "
        f"JOIN campaigns c ON c.id = r.campaign_id WHERE r.campaign_id = :campaign AND {reader.VISIBLE} "
        "AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.recipient_id = r.id) AND reason IS NOT NULL ORDER BY r.id",
        {"now": now, "campaign": campaign_id},
    )


def list_of(reader: Reader, campaign_id: int) -> str:
    """The list that a campaign belongs to: its own name unless it was given another. "" for one that is gone."""
    row = reader.one(f"SELECT {LIST} AS list FROM campaigns c WHERE c.id = ?", (campaign_id,))
    return str(row["list"]) if row else ""


def concerned(reader: Reader, address_key: str, domain: str, profile: str, limit: int = 200) -> list[Row]:
    """The campaigns that hold this person, or somebody of a `domain` ("" for what is not asked for): `campaign`,
    `state`, `list`, how many `people`, how many messages of theirs are `open`."""
    whom, values = ("r.address_key = ?", [address_key]) if address_key else ("r.profile = ?", [profile])
    if domain:
        whom, values = "r.address_key LIKE ? ESCAPE '\\'", [f"%@{domain.replace('_', chr(92) + '_')}"]
    return reader.rows(
        f"SELECT c.name AS campaign, c.state, {LIST} AS list, count(DISTINCT r.id) AS people, "
        "count(j.id) AS open, max(r.stopped) AS stopped FROM recipients r JOIN campaigns c ON c.id = r.campaign_id "
        "LEFT JOIN jobs j ON j.recipient_id = r.id AND j.state IN ('pending', 'held', 'processing') "
        f"WHERE {whom} AND {reader.VISIBLE} GROUP BY c.id ORDER BY c.id DESC LIMIT ?",
        (*values, limit),
    )


def _where(query: SuppressionQuery) -> Where:
    return both(*(_term(term, query.now) for term in query.filter.terms))


def _term(term: Term | Not, now: int) -> Where:
    match term:
        case Not(inside):
            return negated(_term(inside, now))
        case States(words):
            return either([_state(word, now) for word in words])
        case Match("campaign", patterns):
            return in_campaigns("s.campaign_id", patterns)
        case Match(name, patterns):
            return like(_COLUMNS[name], patterns)
        case Time(_, more, duration):
            return Where(f"s.created_at {'<' if more else '>'} ?", (now - duration,))
        case Word(text):
            patterns = (f"*{literal(text)}*",)
            return either([like("s.value", patterns), like("s.note", patterns)])
        case _:
            raise AssertionError(f"{term} is no term of suppressions")


def _state(word: str, now: int) -> Where:
    if word == "expired":
        return Where("(s.expires_at IS NOT NULL AND s.expires_at <= ?)", (now,))
    if word == "expiring":
        return Where("(s.expires_at IS NOT NULL AND s.expires_at > ?)", (now,))
    return Where(_STANDS, (now,))


def json_of(row: Any) -> Row:
    """An entry for JSON and exports: its times still in microseconds."""
    kept = ("id", "kind", "value", "reason", "list", "note", "source", "campaign", "job_id", "created_by", "created_at")
    return {**{name: row[name] for name in kept if name in row}, "list": row["scope"], "expires_at": row["expires_at"]}


def ids_of(reader: Reader, entries: Sequence[Entry]) -> list[int]:
    """The ids under which these stand on the list."""
    names = json.dumps([[one.kind, one.value, one.scope] for one in entries])
    rows = reader.rows(
        "SELECT id FROM suppressions WHERE (kind, value, scope) IN (SELECT json_extract(value, '$[0]'), "
        "json_extract(value, '$[1]'), json_extract(value, '$[2]') FROM json_each(?)) ORDER BY id",
        (names,),
    )
    return [row["id"] for row in rows]


def by_ids(reader: Reader, ids: Sequence[int]) -> list[Row]:
    """The entries with these ids, as far as they are still there."""
    return reader.rows(
        f"{_ENTRY} WHERE s.id IN (SELECT value FROM json_each(?)) ORDER BY s.id", (json.dumps(list(ids)),)
    )


def reader_of(reader: Reader, recipient_id: int) -> Row | None:
    """Who holds a token: `address_key`, `profile`, and of their campaign `campaign`, `settings`, its `list` and
    `account`."""
    row = reader.one(
        f"SELECT r.id, r.address, r.address_key, r.profile, c.name AS campaign, c.settings, {LIST} AS list, "
        "q.name AS account FROM recipients r JOIN campaigns c ON c.id = r.campaign_id "
        "JOIN queues q ON q.id = c.queue_id WHERE r.id = ?",
        (recipient_id,),
    )
    if row is not None:
        row["settings"] = json.loads(row["settings"])
    return row


def naming(reader: Reader, kind: str, value: str, list_name: str | None = None) -> list[Row]:
    """Every entry for exactly this value, expired ones too; with `list_name` only the one on that list ("": that for
    everything)."""
    scope = Where("1 = 1") if list_name is None else Where("s.scope = ?", (list_name,))
    return reader.rows(
        f"{_ENTRY} WHERE s.kind = ? AND s.value = ? AND {scope.sql} ORDER BY s.id", (kind, value, *scope.values)
    )


def refused_by_import(
    reader: Reader, import_id: int, people: Sequence[tuple[int, str, str]], now: int
) -> dict[int, Row]:
    """As `refused`, of an import that is under way."""
    row = reader.one("SELECT campaign_id FROM imports WHERE id = ?", (import_id,))
    return refused(reader, row["campaign_id"], people, now) if row else {}


def why(entry: Row) -> str:
    """An entry as the reason for which a row is rejected: "suppressed: unsubscribed since 2026-11-22"."""
    since = datetime.fromtimestamp(entry["created_at"] / SECOND, UTC).strftime("%Y-%m-%d")
    whom = f", @{entry['value']}" if entry["kind"] == "domain" else ""
    on = f" on list {entry['scope']}" if entry["scope"] else ""
    return f"suppressed: {entry['reason']} since {since}{on}{whom}"
