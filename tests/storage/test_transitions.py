"""What the database itself refuses, whatever the code above it does (invariant 1, states, checks)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from storage import migrate
from storage.errors import RefusedError
from storage.model import CampaignState, JobState, StageState
from storage.transitions import CAMPAIGN, JOB, STAGE, check_campaign

PEOPLE = (
    "INSERT INTO queues (name, channel, created_at, updated_at) VALUES ('mail', 'smtp', 0, 0)",
    "INSERT INTO campaigns (name, queue_id, pacing, seed, created_at, updated_at) VALUES ('c', 1, '{}', 1, 0, 0)",
    "INSERT INTO steps (campaign_id, position, updated_at) VALUES (1, 1, 0)",
    "INSERT INTO imports (campaign_id, state, source, created_at) VALUES (1, 'loading', 'x', 0)",
    "INSERT INTO batches (campaign_id, kind, state, created_at) VALUES (1, 'start', 'ready', 0)",
    "INSERT INTO recipients (campaign_id, import_id, row_number, address, address_key, created_at) "
    "VALUES (1, 1, 1, 'a@example.org', 'a@example.org', 0)",
)
JOB_COLUMNS = (
    "INSERT INTO jobs (kind, queue_id, campaign_id, step_id, recipient_id, batch_id, state, reason, due_at, "
    "lease_until, sent_at, created_at, updated_at) VALUES ('send', 1, 1, 1, ?, 1, ?, ?, 0, ?, ?, 0, 0)"
)
ATTEMPT = (
    "INSERT INTO attempts (job_id, lease, number, queue_id, epoch, intent_at, finished_at, outcome) "
    "VALUES (?, ?, 1, 1, 1, 0, ?, ?)"
)


@pytest.fixture(autouse=True)
def copied_stores() -> None:
    """Here the migrations themselves are judged: no store is a copy."""


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        migrate.apply(connection, 0)
        for statement in PEOPLE:
            connection.execute(statement)
        yield connection


def job_in(database: sqlite3.Connection, state: str, *, recipient: int | None = 1) -> int:
    """A job that satisfies every check of its state."""
    reason = "why" if state in ("held", "skipped") else ""
    lease = 1 if state == "processing" else None
    sent = 1 if state in ("completed", "bounced") else None
    return int(database.execute(JOB_COLUMNS, (recipient, state, reason, lease, sent)).lastrowid or 0)


def to_state(database: sqlite3.Connection, job_id: int, state: str) -> None:
    database.execute(
        "UPDATE jobs SET state = ?, reason = 'why', sent_at = 1, lease_until = CASE WHEN ? = 'processing' THEN 1 END "
        "WHERE id = ?",
        (state, state, job_id),
    )


def pairs(table: dict) -> set[tuple[str, str]]:  # type: ignore[type-arg]
    return {(a.value, b.value) for a, wanted in table.items() for b in wanted}


def test_the_database_holds_the_job_transitions_of_the_code(database: sqlite3.Connection) -> None:
    assert set(database.execute("SELECT from_state, to_state FROM job_transitions")) == pairs(JOB)


def test_the_database_holds_the_campaign_transitions_of_the_code(database: sqlite3.Connection) -> None:
    assert set(database.execute("SELECT from_state, to_state FROM campaign_transitions")) == pairs(CAMPAIGN)


def test_the_database_holds_the_stage_transitions_of_the_code(database: sqlite3.Connection) -> None:
    assert set(database.execute("SELECT from_state, to_state FROM stage_transitions")) == pairs(STAGE)


def test_every_state_has_its_row_of_transitions() -> None:
    assert set(STAGE) == set(StageState)
    assert set(JOB) == set(JobState)
    assert set(CAMPAIGN) == set(CampaignState)


@pytest.mark.parametrize("before", list(JobState))
def test_the_database_takes_legal_steps_of_a_job_and_refuses_the_others(
    database: sqlite3.Connection, before: JobState
) -> None:
    for after in set(JobState) - {before}:
        job_id = job_in(database, before.value, recipient=None)
        if after in JOB[before]:
            to_state(database, job_id, after.value)
        else:
            with pytest.raises(sqlite3.IntegrityError, match="illegal job transition"):
                to_state(database, job_id, after.value)


@pytest.mark.parametrize("before", list(CampaignState))
def test_the_database_takes_legal_steps_of_a_campaign_and_refuses_the_others(
    database: sqlite3.Connection, before: CampaignState
) -> None:
    def values(state: CampaignState) -> tuple[object, ...]:
        return (
            state.value,
            "operator" if state is CampaignState.PAUSED else "",
            1 if state is CampaignState.CANCELLED else None,
        )

    for after in set(CampaignState) - {before}:
        campaign_id = database.execute(
            "INSERT INTO campaigns (name, queue_id, pacing, seed, created_at, updated_at, state, pause_reason, "
            "cancelled_at) VALUES (?, 1, '{}', 1, 0, 0, ?, ?, ?)",
            (f"to {after}", *values(before)),
        ).lastrowid
        change = "UPDATE campaigns SET state = ?, pause_reason = ?, cancelled_at = ? WHERE id = ?"
        if after in CAMPAIGN[before]:
            database.execute(change, (*values(after), campaign_id))
        else:
            with pytest.raises(sqlite3.IntegrityError, match="illegal campaign transition"):
                database.execute(change, (*values(after), campaign_id))


@pytest.mark.parametrize("state", list(JobState))
def test_one_person_and_step_have_one_job_whatever_its_state(database: sqlite3.Connection, state: JobState) -> None:
    job_in(database, state.value)
    with pytest.raises(sqlite3.IntegrityError, match=r"jobs.recipient_id, jobs.step_id"):
        job_in(database, "pending")


def test_a_job_has_at_most_one_accepted_attempt(database: sqlite3.Connection) -> None:
    job_id = job_in(database, "processing")
    database.execute(ATTEMPT, (job_id, 1, 1, "accepted"))
    database.execute(ATTEMPT, (job_id, 2, 1, "transient"))
    with pytest.raises(sqlite3.IntegrityError, match=r"attempts.job_id"):
        database.execute(ATTEMPT, (job_id, 3, 1, "accepted"))


def test_a_lease_has_at_most_one_attempt(database: sqlite3.Connection) -> None:
    job_id = job_in(database, "processing")
    database.execute(ATTEMPT, (job_id, 1, None, None))
    with pytest.raises(sqlite3.IntegrityError, match=r"attempts.job_id, attempts.lease"):
        database.execute(ATTEMPT, (job_id, 1, None, None))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET lease_until = 1",
        "UPDATE jobs SET state = 'held'",
        "UPDATE jobs SET state = 'unknown'",
        "UPDATE jobs SET ready = 4",
        "UPDATE jobs SET priority = 11",
        "UPDATE jobs SET gap = -1",
        "UPDATE jobs SET batch_id = 99",
        "UPDATE jobs SET due_at = 'soon'",
        "UPDATE campaigns SET state = 'active', pause_reason = 'operator'",
        "UPDATE campaigns SET state = 'cancelled'",
        "UPDATE campaigns SET concurrency = 0",
        "UPDATE campaigns SET live = 2",
        "UPDATE queues SET state = 'cooling'",
        "UPDATE recipients SET stopped = 'bored'",
        "UPDATE recipients SET address = ''",
        "UPDATE imports SET state = 'done', rows = 3, imported = 1",
        "DELETE FROM recipients",
        "INSERT INTO recipients (campaign_id, import_id, row_number, address, address_key, created_at) "
        "VALUES (1, 1, 2, 'A@example.org', 'a@example.org', 0)",
        "INSERT INTO attempts (job_id, lease, number, queue_id, epoch, intent_at, finished_at, outcome) "
        "VALUES (1, 1, 1, 1, 1, 0, 0, 'sent')",
        "INSERT INTO attempts (job_id, lease, number, queue_id, epoch, intent_at, outcome) "
        "VALUES (1, 1, 1, 1, 1, 0, 'accepted')",
        "INSERT INTO attempts (job_id, lease, number, queue_id, epoch, intent_at) VALUES (99, 1, 1, 1, 1, 0)",
    ],
)
def test_the_database_refuses_what_cannot_be(database: sqlite3.Connection, statement: str) -> None:
    job_in(database, "pending")
    with pytest.raises(sqlite3.IntegrityError):
        database.execute(statement)


def test_a_sent_message_has_the_time_it_was_sent(database: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        database.execute(JOB_COLUMNS, (1, "completed", "", None, None))


def test_an_illegal_step_of_a_campaign_says_what_is_possible() -> None:
    with pytest.raises(RefusedError) as refusal:
        check_campaign("spring", CampaignState.DRAFT, CampaignState.PAUSED)
    assert refusal.value.hint == "from draft it can become: active, cancelled"


def test_a_cancelled_campaign_goes_nowhere_but_by_its_undo() -> None:
    for wanted in CampaignState:
        with pytest.raises(RefusedError, match="cancelled"):
            check_campaign("spring", CampaignState.CANCELLED, wanted)
