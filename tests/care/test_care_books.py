"""What `doctor` and `db check` find in the books, and that an engine or a recount puts it right."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.recovery import recover
from storage.books import LONG, MEND_BY_RESTART, Oddity, examine_books, recount
from storage.errors import LockHeldError
from storage.model import HOUR, MINUTE, JobState
from storage.reader import Reader
from storage.sqlite import SqliteStore
from tests.support.stores import OPERATOR, Desk, kill_sqlite, said


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = await Desk.open("sqlite", tmp_path / "paceline.db")
    yield made
    await made.close()


def odd(desk: Desk, *, owned: bool = False) -> list[Oddity]:
    with Reader(desk.path) as reader:
        return examine_books(reader, now=desk.clock(), owned=owned)


def by_hand(desk: Desk, *statements: str) -> None:
    """Change the file as a database browser would."""
    with closing(sqlite3.connect(desk.path, timeout=20)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


async def restarted(desk: Desk) -> None:
    """A killed engine, and the next one's first act."""
    await desk.kill()
    await recover(desk.store, SystemClock())


async def test_books_in_order_say_nothing(desk: Desk) -> None:
    await desk.settled_campaign(JobState.UNCERTAIN, 2)
    await desk.campaign(3, name="summer")
    assert odd(desk) == odd(desk, owned=True) == []


async def test_a_start_that_was_cut_short_is_named_until_the_next_engine_took_it_back(desk: Desk) -> None:
    draft = await desk.draft()
    await desk.people(draft.id, ["a", "b"])
    await desk.load(draft)
    (found,) = odd(desk)
    assert (found.subject, found.wrong) == ("batch", False)
    assert "start of spring" in found.message and "paceline engine run" in found.remedy
    await restarted(desk)
    assert odd(desk) == []


async def test_an_import_that_was_cut_short_is_named_until_the_next_engine_took_it_back(desk: Desk) -> None:
    draft = await desk.draft()
    await desk.store.begin_import(draft.id, "people.csv", "", "ada")
    (found,) = odd(desk)
    assert found.subject == "import" and "people.csv into spring" in found.message
    await restarted(desk)
    assert odd(desk) == []


async def test_what_loads_while_somebody_owns_the_store_is_named_only_when_it_takes_too_long(desk: Desk) -> None:
    draft = await desk.draft()
    await desk.people(draft.id, ["a"])
    await desk.load(draft)
    await desk.store.begin_import(draft.id, "people.csv", "", "ada")
    assert odd(desk, owned=True) == []
    desk.clock.step(LONG)
    assert [found.subject for found in odd(desk, owned=True)] == ["import", "batch"]


async def test_a_completed_campaign_with_open_messages_is_named_until_the_books_are_settled(desk: Desk) -> None:
    await desk.campaign(2)
    by_hand(desk, f"UPDATE campaigns SET state = 'completed', completed_at = {desk.clock()}")
    (found,) = odd(desk)
    assert found.message == "spring is completed, and 2 of its messages are open"
    assert odd(desk, owned=True)[0].remedy == MEND_BY_RESTART
    await restarted(desk)
    assert odd(desk) == []
    assert desk.campaign_row()["state"] == "active"


async def test_messages_in_flight_of_a_dead_engine_are_named_until_they_are_settled(desk: Desk) -> None:
    await desk.campaign(2)
    await desk.intent(await desk.claim_one())
    (found,) = odd(desk)
    assert found.subject == "claims" and found.message.startswith("1 messages were in flight")
    assert odd(desk, owned=True) == []
    await restarted(desk)
    assert odd(desk) == []


async def test_claims_that_no_running_engine_settles_are_named(desk: Desk) -> None:
    await desk.campaign(1)
    await desk.claim_one()
    desk.clock.step(HOUR)
    (found,) = odd(desk, owned=True)
    assert found.message == "1 claims ran out and were not settled"


async def test_a_cancelled_campaign_whose_messages_nobody_skips_is_named(desk: Desk) -> None:
    batch = await desk.campaign(3)
    await desk.store.cancel_campaign(batch.id, said())
    (found,) = odd(desk)
    assert found.message == "spring is cancelled, and 3 of its messages are open"
    desk.clock.step(MINUTE)
    await desk.store.skip_cancelled(0)
    assert odd(desk) == []


async def test_a_plan_that_was_being_made_anew_is_named(desk: Desk) -> None:
    batch = await desk.campaign(1)
    await desk.store.set_replanning(batch.id, True)
    assert [found.subject for found in odd(desk)] == ["campaign"]
    assert odd(desk, owned=True) == []


async def test_a_batch_that_was_not_let_go_is_named(desk: Desk) -> None:
    draft = await desk.draft()
    await desk.people(draft.id, ["a"])
    batch = await desk.load(draft)
    by_hand(desk, "UPDATE jobs SET ready = 2")
    await desk.store.finish_batch(batch.batch_id)
    assert [found.message for found in odd(desk)] == [f"batch {batch.batch_id} of spring was not let go to its end"]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DROP INDEX jobs_claim", "the index jobs_claim is missing"),
        ("DROP TRIGGER jobs_transition", "the trigger jobs_transition is missing"),
        ("DROP INDEX attempts_accepted", "the index attempts_accepted is missing"),
        ("ALTER TABLE queues ADD COLUMN mine TEXT", "the table queues is not as this program made it"),
    ],
)
async def test_a_schema_that_was_changed_by_hand_is_a_problem(desk: Desk, statement: str, words: str) -> None:
    by_hand(desk, statement)
    (found,) = odd(desk)
    assert (found.message, found.wrong) == (words, True)
    assert "db restore" in found.remedy


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE attempts SET outcome = NULL, finished_at = NULL", "an attempt of it has no outcome"),
        ("UPDATE attempts SET outcome = 'accepted'", "was accepted by the server and stands as failed"),
    ],
)
async def test_an_attempt_that_says_otherwise_than_its_job_is_a_problem(desk: Desk, statement: str, words: str) -> None:
    batch = await desk.settled_campaign(JobState.FAILED)
    by_hand(desk, statement)
    (found,) = odd(desk)
    assert found.wrong and words in found.message
    assert f"paceline job show {batch.jobs[0]}" in found.remedy


async def test_a_recount_puts_the_counters_right_and_says_how_many_were_wrong(desk: Desk) -> None:
    await desk.settled_campaign(JobState.COMPLETED, 3)
    by_hand(
        desk,
        "UPDATE counters SET n = n + 5 WHERE state = 'completed'",
        "INSERT INTO counters VALUES (1, 1, 1, 'held', 'x', 2)",
    )
    with pytest.raises(LockHeldError):
        await recount(desk.path, now=desk.clock, actor=OPERATOR)
    await kill_sqlite(desk.store)
    assert await recount(desk.path, now=desk.clock, actor=OPERATOR) == 2
    assert await recount(desk.path, now=desk.clock, actor=OPERATOR) == 0
    desk.store = await SqliteStore.open(desk.path, role="engine", now=desk.clock)
    assert desk.counts() == {"completed": 3}
    assert await desk.store.recount() == []
