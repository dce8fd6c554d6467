"""What a forecast is made from: a queue as it stands, the campaigns that share it, their open jobs, and what its
attempts came to. Long lists are read in pages, so that no read is long."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from storage.model import MINUTE, OutcomeClass
from storage.queue_facts import LOOKED_THROUGH, TIMED
from storage.reader import Reader

Row = dict[str, Any]

PAGE = 5_000
MOST_GROUPED = 100_000
"""Jobs whose people's fields are counted by what they hold: some tenths of a second."""
_QUEUE = (
    "SELECT id, name, channel, state, until_at, last_start, spaced_start, throttle, warm_days, warm_on, limits, tuning "
    "FROM queues WHERE id = ?"
)
_SHARING = (
    "SELECT c.id, c.name, c.state, c.spacing, c.hours, l.turn, c.priority, c.weight, c.concurrency, l.last_start, "
    "c.started_at, c.replanning, c.seed, c.pacing, c.settings, l.queue_id "
    "FROM lanes l JOIN campaigns c ON c.id = l.campaign_id "
    "WHERE l.queue_id = ? AND (c.state = 'active' OR c.id = ?) ORDER BY c.id <> ?, c.id"
)
_VERSIONS = (
    "SELECT c.id, c.version, c.state FROM lanes l JOIN campaigns c ON c.id = l.campaign_id "
    "WHERE l.queue_id = ? ORDER BY c.id"
)
_JOB = "SELECT j.id, j.due_at, j.gap, j.tries, j.budget_at, j.reason, j.error_key, j.recipient_id, j.step_id{person} "
_WAITING = (
    f"{_JOB}FROM jobs j INDEXED BY jobs_waiting{{join}} WHERE j.campaign_id = ? AND j.state = 'pending' "
    "AND j.queue_id = ? AND (j.due_at, j.id) > (?, ?) ORDER BY j.due_at, j.id LIMIT ?"
)
_FLYING = (
    f"{_JOB}FROM jobs j INDEXED BY jobs_lease{{join}} WHERE j.campaign_id = ? AND j.state = 'processing' "
    "AND j.queue_id = ? ORDER BY j.id"
)
_FIELDS = (
    "SELECT j.queue_id, j.step_id, r.fields FROM json_each(?) given CROSS JOIN jobs j ON j.id = given.value "
    "JOIN recipients r ON r.id = j.recipient_id WHERE j.campaign_id = ? ORDER BY given.key"
)
_STEPS = "SELECT id, position, channel, wait, conditions, pacing FROM steps WHERE campaign_id = ? ORDER BY position"
_QUEUES_OF = (
    "SELECT q.id, q.name, q.channel FROM lanes l JOIN queues q ON q.id = l.queue_id WHERE l.campaign_id = ? "
    "ORDER BY l.position, q.id"
)
_ACTIVE_LANES = (
    "SELECT l.campaign_id, l.queue_id FROM campaigns c INDEXED BY campaigns_active CROSS JOIN lanes l "
    "ON l.campaign_id = c.id WHERE c.state = 'active'"
)
_JOIN = " LEFT JOIN recipients r ON r.id = j.recipient_id"
_STARTS = "SELECT counted_at FROM attempts WHERE queue_id = ? AND counted_at > ? ORDER BY counted_at DESC LIMIT ?"
_ATTEMPTS = (
    "SELECT outcome, duration, counted_at IS NULL AS unspent FROM (SELECT * FROM attempts ORDER BY id DESC LIMIT ?) "
    "WHERE queue_id = ? AND outcome IS NOT NULL ORDER BY id DESC LIMIT ?"
)
_ENDS = (OutcomeClass.ACCEPTED, OutcomeClass.TRANSIENT, OutcomeClass.PERMANENT, OutcomeClass.CONTENT)


def queue(reader: Reader, queue_id: int) -> Row:
    """One queue, its limits and tuning as objects."""
    row = reader.rows(_QUEUE, (queue_id,))[0]
    row["limits"], row["tuning"] = json.loads(row["limits"]), json.loads(row["tuning"])
    return row


def sharing(reader: Reader, queue_id: int, campaign_id: int) -> list[Row]:
    """One campaign, first, and the active ones of its queue."""
    return reader.rows(_SHARING, (queue_id, campaign_id, campaign_id))


def steps(reader: Reader, campaign_id: int) -> list[Row]:
    """The steps of a campaign in order, without their texts: `id, position, channel, wait, conditions, pacing`."""
    rows = reader.rows(_STEPS, (campaign_id,))
    for row in rows:
        row["wait"], row["pacing"] = json.loads(row["wait"] or "{}"), json.loads(row["pacing"] or "{}")
        row["conditions"] = tuple(row["conditions"].split())
    return rows


def queues_of(reader: Reader, campaign_id: int) -> list[Row]:
    """The queues that a campaign uses, the first one first: `id, name, channel`."""
    return reader.rows(_QUEUES_OF, (campaign_id,))


def linked_queues(reader: Reader) -> list[frozenset[int]]:
    """The queues of the active campaigns, those together that share a campaign: what one sends, another may follow."""
    groups: dict[int, frozenset[int]] = {}
    first: dict[int, int] = {}
    for row in reader.rows(_ACTIVE_LANES):
        queue_id, other = row["queue_id"], first.setdefault(row["campaign_id"], row["queue_id"])
        both = groups.get(queue_id, frozenset({queue_id})) | groups.get(other, frozenset({other}))
        groups.update(dict.fromkeys(both, both))
    return list(dict.fromkeys(groups.values()))


def waiting(reader: Reader, campaign_id: int, queue_id: int, *, people: bool) -> Iterator[Row]:
    """The pending jobs that a campaign has in a queue, in the order of their plan: `id, due_at, gap, tries, budget_at,
    reason, error_key, recipient_id, step_id`; with `people` also `address` and `fields` (JSON text)."""
    sql = _with_people(_WAITING, people)
    after = (-1, 0)
    while rows := reader.rows(sql, (campaign_id, queue_id, *after, PAGE)):
        yield from rows
        after = (rows[-1]["due_at"], rows[-1]["id"])


def fields_of(reader: Reader, campaign_id: int, ids: Sequence[int]) -> Iterator[Row]:
    """Those of these jobs that are messages of a campaign, in the order of `ids`: `queue_id, step_id, fields` (JSON
    text)."""
    for begin in range(0, len(ids), PAGE):
        yield from reader.rows(_FIELDS, (json.dumps(list(ids[begin : begin + PAGE])), campaign_id))


def waiting_count(reader: Reader, campaign_id: int, queue_id: int) -> int:
    """How many pending jobs a campaign has in a queue."""
    row = reader.one(
        "SELECT SUM(n) AS n FROM counters WHERE campaign_id = ? AND queue_id = ? AND state = 'pending'",
        (campaign_id, queue_id),
    )
    return int(row["n"] or 0) if row else 0


def waiting_by_fields(reader: Reader, campaign_id: int, queue_id: int, names: Sequence[str]) -> list[tuple[str, int]]:
    """The pending jobs that a campaign has in a queue by what these fields of their people hold (JSON text), with how
    many of each; the first `MOST_GROUPED`, so that no read is long."""
    if not names:
        n = waiting_count(reader, campaign_id, queue_id)
        return [("{}", n)] if n else []
    from storage.recipients import fields_of_jobs  # brings the Writer along, as in `unplanned`

    column, people, wanted = fields_of_jobs(names)
    rows = reader.rows(
        f"SELECT {column} AS fields, count(*) AS n FROM (SELECT recipient_id FROM jobs INDEXED BY jobs_waiting "
        f"WHERE campaign_id = ? AND state = 'pending' AND queue_id = ? LIMIT {MOST_GROUPED}) j {people} GROUP BY 1",
        (*wanted, campaign_id, queue_id),
    )
    return [(row["fields"] or "{}", row["n"]) for row in rows]


def flying(reader: Reader, campaign_id: int, queue_id: int, *, people: bool) -> list[Row]:
    """The messages of a campaign that are on their way through a queue at this moment, as `waiting` has them."""
    return reader.rows(_with_people(_FLYING, people), (campaign_id, queue_id))


def _with_people(sql: str, people: bool) -> str:
    return sql.format(person=", r.address, r.fields" if people else "", join=_JOIN if people else "")


def unplanned(reader: Reader, campaign_id: int, step_id: int) -> Iterator[Row]:
    """People of a campaign who have no message yet: `id, address, fields` (JSON text)."""
    from storage.recipients import UNPLANNED  # brings the Writer along, which the first frame of a screen does not need

    after = 0
    while rows := reader.rows(UNPLANNED, (campaign_id, after, step_id, PAGE)):
        yield from rows
        after = rows[-1]["id"]


def next_batch(reader: Reader) -> int:
    """The id that the next batch gets, as long as no other one is made before."""
    row = reader.one("SELECT COALESCE(MAX(id), 0) + 1 AS id FROM batches")
    return int(row["id"]) if row else 1


def held(reader: Reader, campaign_id: int) -> dict[str, int]:
    """The messages of a campaign that wait for a person, by reason."""
    rows = reader.rows(
        "SELECT error_key, SUM(n) AS n FROM counters WHERE campaign_id = ? AND state = 'held' "
        "GROUP BY error_key HAVING SUM(n) > 0 ORDER BY n DESC",
        (campaign_id,),
    )
    return {row["error_key"].removeprefix("held: ") or "for approval": row["n"] for row in rows}


def stopped(reader: Reader, campaign_id: int) -> dict[str, int]:
    """People of a campaign who are not written to any more and have no message, by reason."""
    rows = reader.rows(
        "SELECT stopped, count(*) AS n FROM recipients r INDEXED BY recipients_campaign WHERE r.campaign_id = ? "
        "AND r.stopped <> '' AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.recipient_id = r.id) GROUP BY stopped",
        (campaign_id,),
    )
    return {row["stopped"]: row["n"] for row in rows}


def starts(reader: Reader, queue_id: int, since: int, most: int) -> list[int]:
    """When a queue's counted starts since a time (us) began, in order; the newest `most` of them."""
    rows = reader.rows(_STARTS, (queue_id, since, most))
    return [row["counted_at"] for row in reversed(rows)]


def domain_starts(reader: Reader, queue_id: int) -> dict[str, tuple[int, int]]:
    """By domain: the last start and the last place given behind it (us)."""
    rows = reader.rows("SELECT domain, last_start, reserved FROM domain_starts WHERE queue_id = ?", (queue_id,))
    return {row["domain"]: (row["last_start"], row["reserved"]) for row in rows}


def last_attempts(reader: Reader, queue_id: int) -> list[Row]:
    """How the newest 1,000 attempts of a queue that say something about the next ones ended, out of the newest 5,000 of
    all queues: `outcome, duration` (us)`, unspent` (1: no content was handed over, so caps do not count it)."""
    rows = reader.rows(_ATTEMPTS, (LOOKED_THROUGH, queue_id, TIMED))
    return [row for row in rows if row["outcome"] in _ENDS]


def changes(reader: Reader, queue_id: int, now: int) -> tuple[Any, ...]:
    """What a forecast of this queue depends on, to tell whether one still holds: its campaigns' versions, its limits
    and the minute of `now` (us)."""
    rows = reader.rows(_VERSIONS, (queue_id,))
    own = reader.one("SELECT version, state, throttle, limits FROM queues WHERE id = ?", (queue_id,)) or {}
    return (now // MINUTE, tuple(own.values()), *(tuple(row.values()) for row in rows))
