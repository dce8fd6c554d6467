"""The one Writer of the embedded store: group commit, refusals, order, the epoch that fences a stale engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from storage.dispatch_nouns import ClaimRequest, Intent
from storage.errors import RefusedError, StaleEpochError, StoreError
from storage.events import Event
from storage.lock import lock_path
from storage.model import JobState
from storage.reader import Reader
from storage.sqlite import SqliteStore
from storage.tx import Tx
from tests.support.stores import Desk, HandClock, kill_sqlite, open_sqlite, said


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = await open_sqlite(tmp_path / "paceline.db", HandClock(), create=True)
    yield made
    if not made.writer._closed:
        await made.close()


def note(key: str, value: str) -> object:
    def run(tx: Tx) -> str:
        tx.execute("INSERT INTO settings (key, value) VALUES (?, ?)", (key, value))
        return value

    return run


def setting(store: SqliteStore, key: str) -> str | None:
    with Reader(store.path) as reader:
        row = reader.one("SELECT value FROM settings WHERE key = ?", (key,))
    return None if row is None else str(row["value"])


async def test_requests_that_wait_together_share_one_commit(store: SqliteStore) -> None:
    before = store.writer.commits
    answers = await asyncio.gather(*(store.writer.submit(note(f"k{n}", str(n))) for n in range(50)))  # type: ignore[arg-type]
    assert answers == [str(n) for n in range(50)]
    assert store.writer.commits == before + 1


async def test_a_future_is_done_only_after_its_commit(store: SqliteStore) -> None:
    await store.writer.submit(note("k", "v"))  # type: ignore[arg-type]
    assert setting(store, "k") == "v"


async def test_a_refusal_rolls_back_only_itself(store: SqliteStore) -> None:
    def refused(tx: Tx) -> None:
        tx.execute("INSERT INTO settings (key, value) VALUES ('bad', '1')")
        tx.count(1, None, 1, "pending", "", 5)
        raise RefusedError("no")

    before = store.writer.commits
    answers = await asyncio.gather(
        store.writer.submit(note("one", "1")),  # type: ignore[arg-type]
        store.writer.submit(refused),
        store.writer.submit(note("two", "2")),  # type: ignore[arg-type]
        return_exceptions=True,
    )
    assert isinstance(answers[1], RefusedError)
    assert (setting(store, "one"), setting(store, "bad"), setting(store, "two")) == ("1", None, "2")
    assert await store.recount() == []
    assert store.writer.commits == before + 1 + 1


async def test_requests_keep_their_order(store: SqliteStore) -> None:
    seen: list[int] = []
    await asyncio.gather(*(store.writer.submit(lambda tx, n=n: seen.append(n)) for n in range(1_200)))  # type: ignore[misc]
    assert seen == list(range(1_200))


async def test_a_later_request_sees_what_an_earlier_one_of_its_commit_wrote(store: SqliteStore) -> None:
    read = "SELECT value FROM settings WHERE key = 'k'"
    _, seen = await asyncio.gather(
        store.writer.submit(note("k", "v")),  # type: ignore[arg-type]
        store.writer.submit(lambda tx: tx.one(read)["value"]),
    )
    assert seen == "v"


async def test_counters_of_one_commit_are_merged(store: SqliteStore) -> None:
    def change(n: int) -> object:
        return lambda tx: tx.count(1, None, 1, "pending", "", n)

    await asyncio.gather(*(store.writer.submit(change(n)) for n in (3, -1, 2, -4)))  # type: ignore[arg-type]
    with Reader(store.path) as reader:
        assert reader.rows("SELECT n FROM counters WHERE n <> 0") == []
    await asyncio.gather(*(store.writer.submit(change(n)) for n in (3, -1)))  # type: ignore[arg-type]
    with Reader(store.path) as reader:
        assert reader.rows("SELECT n FROM counters") == [{"n": 2}]


async def test_a_request_sees_the_counters_of_those_before_it(tmp_path: Path) -> None:
    desk = await Desk.open("sqlite", tmp_path / "paceline.db")
    await desk.campaign(1)
    job = await desk.claim_one()
    attempt_id = await desk.intent(job)
    finished = await desk.end(job, attempt_id, JobState.COMPLETED)
    assert finished and (await desk.store.settle()).completed == ("spring",)
    await desk.close()


async def test_a_late_request_that_cannot_be_made_fails_alone(store: SqliteStore) -> None:
    def broken() -> ClaimRequest:
        raise RuntimeError("a mistake of the asker")

    asked = asyncio.ensure_future(store.claim(broken))
    await store.heartbeat("running")
    with pytest.raises(RuntimeError, match="a mistake of the asker"):
        await asked


async def test_an_idle_writer_says_so(store: SqliteStore) -> None:
    await store.add_event(said())
    await asyncio.sleep(0)
    assert store.idle
    waiting = asyncio.ensure_future(store.add_event(said()))
    await asyncio.sleep(0)
    assert not store.idle
    await waiting


async def test_a_cancelled_caller_does_not_stop_the_writer(store: SqliteStore) -> None:
    leaving = asyncio.ensure_future(store.add_event(said()))
    await asyncio.sleep(0)
    leaving.cancel()
    await store.add_event(said())


async def test_what_waits_at_a_close_is_written(store: SqliteStore) -> None:
    waiting = [asyncio.ensure_future(store.add_event(Event("late", f"n{n}"))) for n in range(5)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*waiting)
    with Reader(store.path) as reader:
        assert [event["text"] for event in reader.events()] == [f"n{n}" for n in range(5)]


async def test_a_closed_store_takes_no_more(store: SqliteStore) -> None:
    await store.close()
    with pytest.raises(StoreError, match="closing"):
        await store.add_event(said())


# the epoch


async def overtaken(store: SqliteStore) -> SqliteStore:
    """A second engine, possible only because somebody deleted the lock file."""
    lock_path(store.path).unlink()
    return await open_sqlite(store.path, HandClock())


async def test_a_stale_engine_writes_nothing(store: SqliteStore) -> None:
    newer = await overtaken(store)
    assert newer.epoch > store.epoch
    for _ in range(2):
        with pytest.raises(StaleEpochError, match="taken over"):
            await store.add_event(Event("stale", "must not be written"))
    with Reader(store.path) as reader:
        assert reader.events() == []
    await newer.add_event(Event("new", "goes on"))
    await newer.close()


async def test_a_stale_completion_after_a_takeover_changes_nothing(tmp_path: Path) -> None:
    desk = await Desk.open("sqlite", tmp_path / "paceline.db")
    await desk.campaign(1)
    job = await desk.claim_one()
    attempt_id = await desk.intent(job)
    old = desk.store
    assert isinstance(old, SqliteStore)
    desk.store = await overtaken(old)
    with pytest.raises(StaleEpochError):
        await desk.end_on(old, job, attempt_id, JobState.COMPLETED)
    await desk.store.rescue(everything=True)
    assert desk.state(job.id) == "uncertain"
    await kill_sqlite(old)
    await desk.close()


async def test_a_stale_engine_closes_quietly_and_does_not_mark_the_newer_one(store: SqliteStore) -> None:
    newer = await overtaken(store)
    await store.close()
    with Reader(newer.path) as reader:
        assert reader.engine()["state"] == "running"
    await newer.close()


async def test_a_deleted_lock_file_is_noticed(store: SqliteStore) -> None:
    assert store.lock.still_ours()
    newer = await overtaken(store)
    assert not store.lock.still_ours()
    assert newer.lock.still_ours()
    await newer.close()


async def test_every_opening_begins_a_new_epoch(store: SqliteStore) -> None:
    first = store.epoch
    await store.close()
    again = await open_sqlite(store.path, HandClock())
    assert again.epoch > first
    await again.close()


# what the database refuses of a group


async def test_a_claim_that_breaks_takes_no_outcome_of_its_commit_with_it(tmp_path: Path) -> None:
    desk = await Desk.open("sqlite", tmp_path / "paceline.db")
    await desk.campaign(2)
    job, other = (await desk.claim()).jobs
    attempt_id = await desk.intent(job)
    finished, broken, begun = await asyncio.gather(
        desk.end(job, attempt_id, JobState.COMPLETED),
        desk.claim(queue_id=999),
        desk.ask(other),
        return_exceptions=True,
    )
    assert finished is True
    assert isinstance(broken, Exception)
    assert isinstance(begun, Intent) and begun.attempt_id is not None
    assert desk.state(job.id) == "completed"
    assert await desk.store.recount() == []
    await desk.close()


async def test_the_first_start_of_a_batch_is_noted_also_when_its_commit_had_to_be_run_again(tmp_path: Path) -> None:
    desk = await Desk.open("sqlite", tmp_path / "paceline.db")
    await desk.campaign(2)
    job, other = (await desk.claim()).jobs
    begun, refused = await asyncio.gather(desk.ask(job), desk.ask(other, server="\ud800"), return_exceptions=True)
    assert isinstance(begun, Intent) and begun.attempt_id is not None
    assert isinstance(refused, Exception)
    assert desk.look.one("SELECT started_at FROM batches") == {"started_at": desk.clock()}
    await desk.close()


async def test_nothing_is_claimed_for_an_asker_who_left(tmp_path: Path) -> None:
    desk = await Desk.open("sqlite", tmp_path / "paceline.db")
    batch = await desk.campaign(1)
    leaving = asyncio.ensure_future(desk.claim())
    await asyncio.sleep(0)
    leaving.cancel()
    await desk.store.add_event(said())
    assert desk.state(batch.jobs[0]) == "pending"
    await desk.close()


async def test_outcomes_of_one_commit_are_recorded_together_and_a_lost_lease_among_them_alone_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`scope` says that nothing needs to be read first; the rows that hold are then told from those that do not."""
    await desk.campaign(6)
    jobs = list((await desk.claim(6)).jobs)
    intents = [await desk.intent(job) for job in jobs]
    changed: list[int] = []
    update_many = Tx.update_many
    monkeypatch.setattr(Tx, "update_many", lambda self, *args: changed.append(update_many(self, *args)) or changed[-1])

    def end(at: int, lease: int = 0) -> object:
        job = jobs[at]
        scope = (job.queue_id, job.campaign_id, job.batch_id)
        held = replace(job, lease=job.lease - lease)
        return desk.end(held, intents[at], JobState.COMPLETED, scope=scope)

    assert await asyncio.gather(end(0), end(1), end(2)) == [True, True, True]  # type: ignore[call-overload]
    assert changed == [3, 3], "one statement for the jobs, one for their attempts"
    answers = await asyncio.gather(end(3), end(4, lease=1), end(5))  # type: ignore[call-overload]
    assert answers == [True, False, True]
    assert [desk.state(job.id) for job in jobs] == ["completed"] * 4 + ["processing", "completed"]
    assert await desk.store.recount() == []
