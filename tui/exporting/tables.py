"""The tables that can be exported. Another one is an entry of `TABLES`.

Every row is what `--json` says of the same thing: times as ISO 8601 UTC with microseconds, durations and gaps in
microseconds, and nothing that a person's own fields could be mistaken for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from engine.planning.pacing import Pacing
from storage import suppression_pages, table_pages
from storage.campaign_list import campaigns
from storage.failure_groups import jobs_filter, narrowing
from storage.filter_languages import CAMPAIGNS, FAILURES, JOBS, SUPPRESSIONS, Language
from storage.filter_sql import exactly
from storage.filter_terms import Filter, render
from storage.jobs_page import Query
from storage.people_page import PeopleQuery
from storage.reader import STATES, Reader
from tui.cli.facts import batch_json, by_state, job_json, recipient_json
from tui.cli.output import dated
from tui.cli.step_rows import step_rows
from tui.failure_groups import groups

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows: those that a filter lets through (in the table's language), and of one campaign (a row of
    `Reader.campaign`) where it is named. The filter's times count from `now` (us)."""

    filter: Filter
    campaign: Row | None
    now: int

    @property
    def campaign_id(self) -> int | None:
        return self.campaign["id"] if self.campaign else None

    @property
    def of_jobs(self) -> Filter:
        """The filter of jobs or failures with the campaign among its terms."""
        named = (exactly("campaign", self.campaign["name"]),) if self.campaign else ()
        return Filter((*self.filter.terms, *named))


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is written: `rows`, each a JSON object, and for CSV and XLSX the columns that they are laid out in."""

    columns: tuple[str, ...]
    rows: Iterator[Row]
    flat: Callable[[Row], Row] = dict
    """A row as its columns hold it."""


@dataclass(frozen=True, slots=True)
class Table:
    """`language`: that of its filter, None without one. `of_campaign`: whether it can be narrowed to a campaign."""

    help: str
    open: Callable[[Reader, Wanted], Sheet]
    language: Language | None = None
    of_campaign: bool = True


def _picked(columns: tuple[str, ...], rows: Iterable[Row]) -> Sheet:
    """Rows of the store as they are: of each these columns, times as ISO text."""
    return Sheet(columns, (dated({name: row[name] for name in columns}) for row in rows))


def _campaigns(reader: Reader, wanted: Wanted) -> Sheet:
    rows, _ = campaigns(reader, wanted.filter, wanted.now)
    columns = (
        "campaign", "campaign_id", "state", "pause_reason", "pause_detail", "account", "channel", "live", "priority",
        "weight", "concurrency", "pacing", "total", *STATES, "created_at", "started_at", "completed_at", "cancelled_at",
    )  # fmt: skip
    told = (
        {
            **row, **row["counts"], "campaign": row["name"], "campaign_id": row["id"],
            "pacing": Pacing.from_dict(row["pacing"]).describe(),
        }
        for row in rows
        if wanted.campaign is None or row["id"] == wanted.campaign_id
    )  # fmt: skip
    return _picked(columns, told)


STATUS = ("status", "attempts", "error", "due_at", "sent_at", "message_id", "stopped", "campaign")
"""What is said of a person beside their own fields."""


def _recipients(reader: Reader, wanted: Wanted) -> Sheet:
    campaigns = _campaigns_of(reader, wanted)
    last = table_pages.last_person(reader)

    def people() -> Iterator[tuple[str, Row]]:
        for id, name in campaigns:
            query = PeopleQuery(id, wanted.filter, wanted.now)
            yield from ((name, person) for person in table_pages.persons(reader, query, last=last))

    # Every field that anybody has, in the order in which they appear.
    fields = tuple(dict.fromkeys(field for _, person in people() for field in person["fields"]))
    taken = {name: f"paceline_{name}" if name in fields else name for name in STATUS}

    def flat(row: Row) -> Row:
        return {**row["fields"], **{column: row[name] for name, column in taken.items()}}

    return Sheet((*fields, *taken.values()), (_person(name, person) for name, person in people()), flat)


def _campaigns_of(reader: Reader, wanted: Wanted) -> list[tuple[int, str]]:
    """Id and name of the campaign that is wanted, or of all by id."""
    if wanted.campaign:
        return [(wanted.campaign["id"], wanted.campaign["name"])]
    return sorted((row["id"], row["name"]) for row in reader.campaigns())


def _person(campaign: str, person: Row) -> Row:
    said = recipient_json(person)
    return {
        "address": said.pop("address"),
        "fields": person["fields"],
        "status": said.pop("state"),
        **said,
        "stopped": person["stopped"] or None,
        "campaign": campaign,
    }


def _jobs(reader: Reader, wanted: Wanted) -> Sheet:
    columns = (
        "id", "kind", "campaign", "step", "batch_id", "queue", "address", "state", "reason", "attempts", "tries",
        "outcome", "error_key", "error", "due_at", "sent_at", "priority", "gap", "message_id", "campaign_id",
        "recipient_id", "created_at", "updated_at", "origin", "stage", "flag", "started_at", "finished_at",
    )  # fmt: skip
    # A message has none of what comes last, and still the same columns.
    none = dict.fromkeys(columns[-5:])
    rows = table_pages.jobs(reader, Query(wanted.of_jobs, now=wanted.now))
    return Sheet(columns, ({**none, **job_json(row)} for row in rows))


def _attempts(reader: Reader, wanted: Wanted) -> Sheet:
    columns = (
        "id", "job_id", "campaign", "queue", "address", "number", "outcome", "phase", "code", "enhanced", "reply",
        "error_key", "server", "intent_at", "finished_at", "duration",
    )  # fmt: skip
    return _picked(columns, table_pages.attempts(reader, wanted.of_jobs, wanted.now))


def _failures(reader: Reader, wanted: Wanted) -> Sheet:
    columns = (
        "error_key", "n", "kind", "retry", "failed", "uncertain", "held", "pending", "queues", "first_at", "last_at",
        "advice", "sample", "campaigns", "filter",
    )  # fmt: skip
    rows, _ = groups(reader, wanted.of_jobs, wanted.now)
    narrowed = narrowing(wanted.of_jobs)
    told = (
        {**row, "campaigns": row["by_campaign"], "filter": render(jobs_filter(row["error_key"], narrowed))}
        for row in rows
    )
    return _picked(columns, told)


def _batches(reader: Reader, wanted: Wanted) -> Sheet:
    columns = (
        "id", "campaign", "kind", "filename", "state", "status", "total", "processed", *STATES, "createdAt",
        "startedAt", "completedAt", "duration",
    )  # fmt: skip

    def told(row: Row) -> Row:
        said = {**batch_json(row, wanted.now), **by_state(row["counts"])}
        return {name: said[name] for name in columns}

    return Sheet(columns, map(told, table_pages.batches(reader, wanted.campaign_id)))


def _queues(reader: Reader, wanted: Wanted) -> Sheet:
    columns = (
        "queue", "channel", "state", "reason", "until_at", "cooling_step", "rate_share", "last_start_at", "limits",
        "tuning", *STATES,
    )  # fmt: skip
    told = (
        {
            **row, **row["counts"], "queue": row["name"], "rate_share": 1 / 2 ** row["throttle"],
            "last_start_at": row["last_start"] or None,
        }
        for row in reader.queues()
    )  # fmt: skip
    return _picked(columns, told)


def _events(reader: Reader, wanted: Wanted) -> Sheet:
    columns = ("id", "at", "level", "kind", "actor", "host", "via", "campaign", "queue", "job_id", "n", "text", "data")
    return _picked(columns, table_pages.events(reader, wanted.campaign_id))


def _alarms(reader: Reader, wanted: Wanted) -> Sheet:
    columns = (
        "id", "kind", "campaign", "queue", "text", "raised_at", "cleared_at", "acknowledged_at", "acknowledged_by",
    )  # fmt: skip
    return _picked(columns, table_pages.alarms(reader, wanted.campaign_id))


def _suppressions(reader: Reader, wanted: Wanted) -> Sheet:
    columns = (
        "id", "kind", "value", "reason", "list", "note", "source", "campaign", "job_id", "created_by", "created_at",
        "expires_at",
    )  # fmt: skip
    rows = suppression_pages.every(reader, suppression_pages.SuppressionQuery(wanted.filter, wanted.now))
    return _picked(columns, map(suppression_pages.json_of, rows))


def _inbox(reader: Reader, wanted: Wanted) -> Sheet:
    columns = (
        "id", "kind", "at", "read_at", "effect", "matched_by", "address", "code", "enhanced", "subject", "diagnostic",
        "campaign", "job_id", "recipient_id", "source",
    )  # fmt: skip
    return _picked(columns, table_pages.inbox(reader, wanted.campaign_id))


def _steps(reader: Reader, wanted: Wanted) -> Sheet:
    columns = (
        "campaign", "step", "channel", "begins", "wait", "conditions", "pacing", "subject", *STATES,
        "waits_for_acceptance",
    )  # fmt: skip
    told = (
        {**row, **{state: row["counts"].get(state, 0) for state in STATES}, "campaign": name}
        for _, name in _campaigns_of(reader, wanted)
        for row in step_rows(reader, reader.campaign(name))
    )
    return _picked(columns, told)


def _executions(reader: Reader, wanted: Wanted) -> Sheet:
    columns = (
        "id", "campaign", "kind", "state", "actor", "queued", "sent", "failed", "message", "started_at", "finished_at",
    )  # fmt: skip
    return _picked(columns, table_pages.executions(reader, wanted.campaign_id))


TABLES = {
    "campaigns": Table("every campaign with its counts", _campaigns, CAMPAIGNS),
    "recipients": Table("people with their own fields and what became of them", _recipients, JOBS),
    "jobs": Table("every unit of work", _jobs, JOBS),
    "attempts": Table("every try with the server's words; the filter is that of its job", _attempts, JOBS),
    "failures": Table("reasons with how many, kind and advice", _failures, FAILURES),
    "batches": Table("what one start or import made", _batches),
    "queues": Table("accounts with their limits and counts", _queues, of_campaign=False),
    "events": Table("audit and log", _events),
    "alarms": Table("what stopped or slowed down by itself", _alarms),
    "suppressions": Table("who must not be contacted", _suppressions, SUPPRESSIONS, of_campaign=False),
    "inbox": Table("what came back: bounces, complaints, replies", _inbox),
    "steps": Table("the messages of each campaign with their counts", _steps),
    "executions": Table("every start, resume and retry", _executions),
}
