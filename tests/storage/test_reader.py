"""The read-only view: pages, sums, and that it neither disturbs nor is disturbed by the Writer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from storage.errors import NotFoundError, StoreError
from storage.events import Event
from storage.files import backup, read_only_uri
from storage.model import HOUR, MINUTE, JobState
from storage.nouns import RecipientRow
from storage.people_page import beside, by_key
from storage.reader import Reader
from tests.support.stores import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = await Desk.open("sqlite", tmp_path / "paceline.db")
    yield made
    await made.close()


async def test_a_reader_cannot_write(desk: Desk) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        desk.look.rows("DELETE FROM events")


async def test_a_reader_opens_while_the_writer_writes_and_sees_what_was_committed(desk: Desk) -> None:
    with Reader(desk.path) as reader:
        assert reader.counts()["pending"] == 0
        await desk.campaign(2)
        assert reader.counts()["pending"] == 2


async def test_a_commit_of_the_writer_changes_the_data_version(desk: Desk) -> None:
    before = desk.look.data_version()
    assert desk.look.data_version() == before
    await desk.store.add_event(Event("x", "x"))
    assert desk.look.data_version() != before


async def test_what_is_read_within_a_moment_is_of_one_moment(desk: Desk) -> None:
    await desk.campaign(2)
    with Reader(desk.path) as reader:
        with reader.moment():
            assert reader.counts()["pending"] == 2
            await desk.campaign(3, name="more")
            assert reader.counts()["pending"] == 2
            with pytest.raises(StoreError):
                reader.rows("SELECT nothing FROM nowhere")
            assert len(reader.campaigns()) == 1
        assert reader.counts()["pending"] == 5


async def test_a_store_without_an_engine_can_be_read(tmp_path: Path) -> None:
    desk = await Desk.open("sqlite", tmp_path / "paceline.db")
    await desk.campaign(2)
    await desk.close()
    with Reader(desk.path) as reader:
        assert reader.counts()["pending"] == 2
        assert reader.engine()["state"] == "stopped"


async def test_people_are_read_in_pages_with_the_state_of_their_message(desk: Desk) -> None:
    batch = await desk.campaign(5)
    await desk.send(await desk.claim_one())
    await desk.people(batch.id, ["late"])
    first = desk.look.recipients(batch.id, limit=4)
    rest = desk.look.recipients(batch.id, after=first[-1]["id"], limit=4)
    assert [row["address"].partition("@")[0] for row in first + rest] == [*(f"spring-{n}" for n in range(5)), "late"]
    assert [row["state"] for row in first + rest] == ["completed", *["pending"] * 4, "draft"]
    assert [row["id"] for row in desk.look.all_recipients(batch.id)] == [row["id"] for row in first + rest]
    assert first[0]["fields"] == {"n": 1}


async def test_a_person_is_found_by_address_and_by_place_but_not_in_an_unfinished_import(desk: Desk) -> None:
    batch = await desk.campaign(3)
    loading = await desk.store.begin_import(batch.id, "more.csv", "", "ada")
    await desk.store.add_recipients(loading, [RecipientRow(1, "late@example.org", "late@example.org", {})])
    second = by_key(desk.look, batch.id, "spring-1@example.org")
    assert beside(desk.look, batch.id, 0, 0, key="spring-1@example.org") == (second, 2)
    assert beside(desk.look, batch.id, second["id"], -1) == (desk.look.recipients(batch.id)[0], 1)
    for key in ("late@example.org", "nobody@example.org"):
        with pytest.raises(NotFoundError, match="is not in this campaign"):
            by_key(desk.look, batch.id, key)


async def test_jobs_are_read_in_pages_narrowed_by_what_is_asked(desk: Desk) -> None:
    batch = await desk.campaign(3)
    await desk.send(await desk.claim_one(), JobState.FAILED, error_key="no such user")
    ids = [row["id"] for row in desk.look.jobs(campaign_id=batch.id, limit=2)]
    assert ids == batch.jobs[:2]
    assert [row["id"] for row in desk.look.jobs(after=ids[-1])] == batch.jobs[2:]
    assert [row["id"] for row in desk.look.jobs(states=("failed",))] == batch.jobs[:1]
    assert [row["id"] for row in desk.look.jobs(error_key="no such user")] == batch.jobs[:1]
    assert desk.look.jobs(batch_id=batch.batch_id + 1) == []


async def test_the_results_of_a_batch_are_read_in_pages(desk: Desk) -> None:
    batch = await desk.campaign(3)
    page = desk.look.batch_results(batch.batch_id, limit=2)
    rest = desk.look.batch_results(batch.batch_id, after=page[-1]["id"], limit=2)
    assert [row["id"] for row in page + rest] == batch.jobs


async def test_sums_are_told_per_scope_with_every_state_named(desk: Desk) -> None:
    one = await desk.campaign(2, name="one")
    await desk.campaign(3, name="two")
    assert desk.look.counts()["pending"] == 5
    assert desk.look.counts("campaign", one.id)["pending"] == 2
    assert desk.look.counts("batch", one.batch_id)["pending"] == 2
    assert desk.look.counts("queue", desk.queue.id)["pending"] == 5
    assert desk.look.campaign_counts()[one.id] == desk.look.counts("campaign", one.id)
    assert desk.look.counts()["bounced"] == 0


async def test_a_campaign_is_shown_with_all_that_belongs_to_it(desk: Desk) -> None:
    now = desk.clock()
    await desk.campaign(2, dues=[now + MINUTE, now + HOUR])
    row = desk.campaign_row()
    assert (row["total"], row["recipients"], row["account"]) == (2, 2, "mail")
    assert row["due"] == {"first": now + MINUTE, "last": now + HOUR}
    assert len(row["steps"]) == len(row["imports"]) == len(row["executions"]) == 1


async def test_what_is_not_there_is_named(desk: Desk) -> None:
    for ask in (lambda: desk.look.campaign("x"), lambda: desk.look.job(9), lambda: desk.look.batch(9)):
        with pytest.raises(NotFoundError):
            ask()


async def test_events_are_the_newest_after_an_id_oldest_first(desk: Desk) -> None:
    for n in range(4):
        await desk.store.add_event(Event("x", f"n{n}"))
    newest = desk.look.events(limit=2)
    assert [event["text"] for event in newest] == ["n2", "n3"]
    assert [event["text"] for event in desk.look.events(after=newest[0]["id"])] == ["n3"]


async def test_what_a_rolling_cap_has_used_is_told(desk: Desk) -> None:
    await desk.campaign(2)
    await desk.intent(await desk.claim_one())
    desk.clock.step(HOUR)
    await desk.intent(await desk.claim_one())
    assert desk.look.used(desk.queue.id, desk.clock() - HOUR) == 1
    assert desk.look.used(desk.queue.id, desk.clock() - HOUR - 1) == 2


async def test_a_sound_store_passes_its_check(desk: Desk) -> None:
    await desk.campaign(2)
    assert desk.look.check() == []


async def test_a_counter_that_holds_failures_under_another_reason_is_found(desk: Desk) -> None:
    batch = await desk.settled_campaign(JobState.FAILED)
    reason = desk.look.job(batch.jobs[0])["error_key"]
    with closing(sqlite3.connect(desk.path)) as by_hand:
        by_hand.execute("UPDATE counters SET error_key = 'another' WHERE state = 'failed'")
        by_hand.commit()
    drift = desk.look.counter_drift()
    with closing(sqlite3.connect(desk.path)) as by_hand:
        by_hand.execute("UPDATE counters SET error_key = ? WHERE state = 'failed'", (reason,))
        by_hand.commit()
    place = "counter of campaign 1, batch 1, queue 1: failed of"
    assert drift == [f"{place} 'another' says 1, there are 0 jobs", f"{place} {reason!r} says 0, there are 1 jobs"]


async def test_counters_that_were_changed_by_hand_are_found(tmp_path: Path) -> None:
    desk = await Desk.open("sqlite", tmp_path / "paceline.db")
    await desk.campaign(2)
    await desk.close()
    with closing(sqlite3.connect(desk.path)) as by_hand:
        by_hand.execute("UPDATE counters SET n = n + 1")
        by_hand.commit()
    with Reader(desk.path) as reader:
        assert reader.counter_drift() == ["counter of campaign 1, batch 1, queue 1: pending says 3, there are 2 jobs"]
    store = await desk.opener.open(desk.path, desk.clock)
    assert await store.recount() == [(1, 1, 1, "pending", "", 3, 2)]
    await store.close()


# backups


async def test_a_backup_is_a_whole_store_of_its_own(desk: Desk, tmp_path: Path) -> None:
    await desk.campaign(3)
    desk.look.backup(tmp_path / "backup.db")
    with Reader(tmp_path / "backup.db") as copy:
        assert copy.check() == []
        assert copy.counts()["pending"] == 3


async def test_a_backup_beside_a_writing_engine_is_one_moment_of_the_store(desk: Desk, tmp_path: Path) -> None:
    await desk.campaign(200, concurrency=1_000)
    target = tmp_path / "backup.db"
    copying = asyncio.create_task(asyncio.to_thread(desk.look.backup, target))
    for _ in range(20):
        for job in (await desk.claim(10)).jobs:
            await desk.send(job)
    await copying
    with Reader(target) as copy:
        assert copy.check() == []
        assert copy.counter_drift() == []


async def test_a_backup_ends_although_somebody_writes_at_each_of_its_steps(desk: Desk, tmp_path: Path) -> None:
    for n in range(40):
        await desk.store.add_event(Event("large", f"{n}" + "x" * 1_000_000))
    steps = 0

    def write(*_: int) -> None:
        nonlocal steps
        steps += 1
        assert steps < 20, "it begins anew every time"
        with closing(sqlite3.connect(desk.path)) as writer:
            writer.execute("UPDATE settings SET value = value")
            writer.execute("INSERT INTO settings VALUES (?, '')", (f"step {steps}",))
            writer.commit()

    class Source(sqlite3.Connection):
        def backup(self, target: sqlite3.Connection, **more: Any) -> None:
            super().backup(target, **more, progress=write)

    with closing(sqlite3.connect(read_only_uri(desk.path), uri=True, factory=Source)) as source:
        backup(source, tmp_path / "backup.db")
    with Reader(tmp_path / "backup.db") as copy:
        assert copy.check() == []
