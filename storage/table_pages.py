"""Whole tables by id, read in short slices: memory stays what it is however many rows there are, and the WAL never
waits long for a reader. A row that is added meanwhile does not belong to the table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from storage.alarm_facts import ALARM
from storage.event_pages import EVENT
from storage.filter_sql import ALL, Where, both, where
from storage.filter_terms import Filter
from storage.inbox_facts import LINE
from storage.jobs_page import Place, Query, Sort, highest, page, place_of
from storage.people_page import PeopleQuery, people
from storage.reader import Reader, Row

SLICE = 2_000
"""Ids that one read looks through; a list of jobs or people is read as many rows at a time."""

_ATTEMPT = (
    "SELECT a.id, a.job_id, c.name AS campaign, q.name AS queue, r.address, a.number, a.outcome, a.phase, a.code, "
    "a.enhanced, a.reply, a.error_key, a.server, a.intent_at, a.finished_at, a.duration FROM attempts a "
    "JOIN jobs j ON j.id = a.job_id JOIN queues q ON q.id = a.queue_id "
    "LEFT JOIN campaigns c ON c.id = j.campaign_id LEFT JOIN recipients r ON r.id = j.recipient_id"
)
_BATCH = "SELECT b.*, c.name AS campaign FROM batches b LEFT JOIN campaigns c ON c.id = b.campaign_id"
_EXECUTION = "SELECT e.*, c.name AS campaign FROM executions e LEFT JOIN campaigns c ON c.id = e.campaign_id"
_ENDS = {
    table: f"SELECT COALESCE(min(id), 0) AS first, COALESCE(max(id), -1) AS last FROM {table}"
    for table in ("attempts", "alarms", "batches", "events", "executions", "inbox")
}


def by_id(reader: Reader, table: str, select: str, key: str, condition: Where = ALL) -> Iterator[Row]:
    """The rows of `select` over a table whose column `key` is its id, in the order of the ids."""
    ends = reader.rows(_ENDS[table])[0]
    for begin in range(ends["first"], ends["last"] + 1, SLICE):
        end = min(begin + SLICE - 1, ends["last"])
        bounded = both(Where(f"{key} BETWEEN ? AND ?", (begin, end)), condition)
        yield from reader.rows(f"{select} WHERE {bounded.sql} ORDER BY {key}", bounded.values)


def jobs(reader: Reader, query: Query) -> Iterator[Row]:
    """Every job that a query lets through, by id."""
    fixed = replace(query, sort=Sort.ID, descending=False, top=highest(reader))
    after: Place | None = None
    while found := page(reader, fixed, after=after, limit=SLICE).rows:
        yield from found
        after = place_of(found[-1], Sort.ID)


def attempts(reader: Reader, filter: Filter, now: int) -> Iterator[Row]:
    """Every attempt of the jobs that a filter in the language of jobs lets through, oldest first."""
    return by_id(reader, "attempts", _ATTEMPT, "a.id", where(filter, now))


def last_person(reader: Reader) -> int:
    """The highest id of a person, 0 without one."""
    return int(reader.rows("SELECT COALESCE(max(id), 0) AS id FROM recipients")[0]["id"])


def persons(reader: Reader, query: PeopleQuery, *, last: int) -> Iterator[Row]:
    """Every person of a campaign whom a filter lets through, up to an id, in the order of the file."""
    after, more = 0, True
    while more:
        found, more = people(reader, query, after=after, limit=SLICE)
        for person in found:
            if person["id"] > last:
                return
            yield person
        after = found[-1]["id"] if found else after


def batches(reader: Reader, campaign_id: int | None = None) -> Iterator[Row]:
    """Every batch with its `counts`, oldest first."""
    for row in by_id(reader, "batches", _BATCH, "b.id", _of("b.campaign_id", campaign_id)):
        yield {**row, "counts": reader.counts("batch", row["id"])}


def events(reader: Reader, campaign_id: int | None = None) -> Iterator[Row]:
    """Every event with `data` read, oldest first."""
    for row in by_id(reader, "events", EVENT, "e.id", _of("e.campaign_id", campaign_id)):
        yield {**row, "data": json.loads(row["data"])}


def alarms(reader: Reader, campaign_id: int | None = None) -> Iterator[Row]:
    """Every alarm, also those that are over, oldest first."""
    return by_id(reader, "alarms", ALARM, "a.id", _of("a.campaign_id", campaign_id))


def executions(reader: Reader, campaign_id: int | None = None) -> Iterator[Row]:
    """Every start, resume and retry, oldest first."""
    return by_id(reader, "executions", _EXECUTION, "e.id", _of("e.campaign_id", campaign_id))


def inbox(reader: Reader, campaign_id: int | None = None) -> Iterator[Row]:
    """Everything that came back, in the order in which it was read."""
    return by_id(reader, "inbox", LINE, "i.id", _of("i.campaign_id", campaign_id))


def _of(column: str, campaign_id: int | None) -> Where:
    return ALL if campaign_id is None else Where(f"{column} = ?", (campaign_id,))
