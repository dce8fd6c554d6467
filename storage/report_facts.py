"""What the report of a campaign is made from: sums over its messages and people, read in short slices; no long list
leaves the store. Times in microseconds UTC."""

from __future__ import annotations

from collections.abc import Iterator

from storage.model import MINUTE
from storage.reader import Reader, Row

SLICE = 5_000
"""Messages that one read sums up: 40 ms, so that neither a screen nor the WAL waits long."""
BUCKET = 15 * MINUTE
"""The clocks of all zones stand a multiple of this apart, so hours and days of any of them are made of such parts."""
ON_TIME = MINUTE
"""What was accepted no later than this after its due time was on time."""

_ACCEPTED = "j.state IN ('completed', 'bounced')"
# A person whom an earlier step reached is not counted again.
_FIRST = (
    f"{_ACCEPTED} AND NOT EXISTS (SELECT 1 FROM jobs e WHERE e.recipient_id = j.recipient_id AND e.id < j.id "
    "AND e.state IN ('completed', 'bounced'))"
)
_DOMAIN = (
    "CASE WHEN instr(r.address_key, '@') > 0 THEN substr(r.address_key, instr(r.address_key, '@') + 1) ELSE '' END"
)
_MESSAGES = (
    "SELECT j.step_id, j.queue_id, j.state, count(*) AS n, "
    "SUM(j.attempts > 0) AS tried, SUM(j.attempts) AS attempts, MAX(j.id) AS last_id, "
    f"SUM(CASE WHEN {{reached}} THEN 1 ELSE 0 END) AS reached, "
    f"MIN(CASE WHEN {_ACCEPTED} THEN j.sent_at END) AS first_sent, "
    f"MAX(CASE WHEN {_ACCEPTED} THEN j.sent_at END) AS last_sent, "
    "MIN(j.due_at) AS first_due, MAX(j.due_at) AS last_due, "
    f"SUM(CASE WHEN {_ACCEPTED} AND j.sent_at - j.due_at <= {ON_TIME} THEN 1 ELSE 0 END) AS on_time, "
    f"SUM(CASE WHEN {_ACCEPTED} THEN MAX(0, j.sent_at - j.due_at) ELSE 0 END) AS late, "
    f"MAX(CASE WHEN {_ACCEPTED} THEN j.sent_at - j.due_at END) AS latest "
    "FROM (SELECT * FROM jobs INDEXED BY jobs_campaign WHERE campaign_id = ? AND id > ? ORDER BY id LIMIT ?) j "
    "GROUP BY 1, 2, 3"
)
# By itself: a group for each domain is many rows, and must not carry all the sums.
_DOMAINS = (
    f"SELECT {_DOMAIN} AS domain, j.state, count(*) AS n, MAX(j.id) AS last_id FROM (SELECT id, recipient_id, state "
    "FROM jobs INDEXED BY jobs_campaign WHERE campaign_id = ? AND id > ? ORDER BY id LIMIT ?) j "
    "LEFT JOIN recipients r ON r.id = j.recipient_id GROUP BY 1, 2"
)


def messages(reader: Reader, campaign_id: int, *, steps: int, most: int | None = None) -> Iterator[list[Row]]:
    """Sums of a campaign's messages, a slice of them at a time, the oldest first, of `most` at most.

    Each row: `step_id, queue_id, state`, and of the messages that have them `n, tried` (attempted at all), `attempts,
    reached` (people to whom a first message was accepted), `first_sent, last_sent, first_due, last_due, on_time`
    (accepted within a minute of being due), `late` and `latest` (us). `steps`: how many the campaign has; with one
    nobody can be reached twice.
    """
    return _sliced(reader, _MESSAGES.format(reached=_ACCEPTED if steps <= 1 else _FIRST), campaign_id, most)


def domains(reader: Reader, campaign_id: int, *, most: int | None = None) -> Iterator[list[Row]]:
    """The same messages by the domain of their recipient ("" without one): `{domain, state, n}`."""
    return _sliced(reader, _DOMAINS, campaign_id, most)


def _sliced(reader: Reader, sql: str, campaign_id: int, most: int | None) -> Iterator[list[Row]]:
    after, left = 0, most
    while left is None or left > 0:
        rows = reader.rows(sql, (campaign_id, after, SLICE if left is None else min(SLICE, left)))
        if not rows:
            return
        yield rows
        after = max(row["last_id"] for row in rows)
        left = None if left is None else left - sum(row["n"] for row in rows)


def stopped(reader: Reader, campaign_id: int) -> dict[str, int]:
    """How many people something stopped: replied, bounced, unsubscribed, suppressed."""
    rows = reader.rows(
        f"SELECT r.stopped, count(*) AS n FROM recipients r WHERE r.campaign_id = ? AND r.stopped <> '' "
        f"AND {reader.VISIBLE} GROUP BY r.stopped",
        (campaign_id,),
    )
    return {row["stopped"]: row["n"] for row in rows}


def outcomes(reader: Reader, campaign_id: int, since: int) -> list[Row]:
    """Attempts that ended since a time, by a quarter of an hour and outcome: `{at, outcome, n, duration}` in order."""
    return reader.rows(
        f"SELECT minute * {MINUTE} / {BUCKET} * {BUCKET} AS at, outcome, SUM(n) AS n, SUM(duration) AS duration "
        "FROM outcome_minutes WHERE minute >= ? AND campaign_id = ? GROUP BY 1, 2 ORDER BY 1, 2",
        (since // MINUTE, campaign_id),
    )


def uncertain(reader: Reader, campaign_id: int, limit: int) -> list[Row]:
    """The first messages that may have left: `{id, address, error, updated_at}`."""
    return reader.rows(
        "SELECT j.id, r.address, j.last_error AS error, j.updated_at FROM jobs j INDEXED BY jobs_stopped "
        "LEFT JOIN recipients r ON r.id = j.recipient_id WHERE j.campaign_id = ? AND j.state = 'uncertain' "
        "AND j.state IN ('failed', 'held', 'uncertain') ORDER BY j.id LIMIT ?",
        (campaign_id, limit),
    )
