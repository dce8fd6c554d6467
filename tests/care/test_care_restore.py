"""`db restore`: after a restore nothing that may have left is sent again."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

import storage.restore
from storage.books import examine_books
from storage.errors import LockHeldError, StoreError
from storage.lock import OwnerLock
from storage.model import HOUR, JobState
from storage.reader import Reader
from storage.restore import restore
from tests.support.stores import OPERATOR, Desk, kill_sqlite


async def backed_up(tmp_path: Path, people: int = 4) -> tuple[Desk, Path]:
    """An active campaign with everybody due and nobody sent, and a backup of it."""
    desk = await Desk.open("sqlite", tmp_path / "paceline.db")
    await desk.campaign(people)
    backup = tmp_path / "backup.db"
    with Reader(tmp_path / "paceline.db") as reader:
        reader.backup(backup)
    return desk, backup


def damage(path: Path) -> None:
    """Overwrite everything behind the first page."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))


async def test_open_and_due_jobs_become_uncertain_when_the_old_attempts_cannot_be_read(tmp_path: Path) -> None:
    desk, backup = await backed_up(tmp_path)
    await desk.send(await desk.claim_one())
    await desk.close()
    damage(tmp_path / "paceline.db")
    desk.clock.step(HOUR)
    done = await restore(tmp_path / "paceline.db", backup, now=desk.clock, actor=OPERATOR)
    assert (done.evidence, done.sent, done.uncertain) == (False, 0, 4)
    with Reader(tmp_path / "paceline.db") as reader:
        assert reader.counts()["uncertain"] == 4
        assert reader.counter_drift() == []
    assert done.kept is not None
    assert done.kept.exists()


async def test_the_old_attempts_tell_what_was_sent_and_what_never_began(tmp_path: Path) -> None:
    desk, backup = await backed_up(tmp_path)
    await desk.send(await desk.claim_one())
    in_flight = await desk.claim_one()
    await desk.intent(in_flight)
    await kill_sqlite(desk.store)
    done = await restore(tmp_path / "paceline.db", backup, now=desk.clock, actor=OPERATOR)
    assert (done.evidence, done.sent, done.uncertain) == (True, 1, 1)
    with Reader(tmp_path / "paceline.db") as reader:
        counts = reader.counts()
        assert (counts["completed"], counts["uncertain"], counts["pending"]) == (1, 1, 2)
        assert reader.job(in_flight.id)["state"] == JobState.UNCERTAIN
        (attempt,) = reader.job(in_flight.id)["attempts_log"]
        assert (attempt["outcome"], attempt["finished_at"]) == ("uncertain", desk.clock())
        assert examine_books(reader, now=desk.clock(), owned=False) == []
        assert reader.counter_drift() == []


async def test_what_was_in_flight_at_the_backup_is_uncertain_with_its_attempt(tmp_path: Path) -> None:
    desk = await Desk.open("sqlite", tmp_path / "paceline.db")
    await desk.campaign(1)
    await desk.intent(await desk.claim_one())
    backup = tmp_path / "backup.db"
    with Reader(tmp_path / "paceline.db") as reader:
        reader.backup(backup)
    await desk.close()
    damage(tmp_path / "paceline.db")
    assert (await restore(tmp_path / "paceline.db", backup, now=desk.clock, actor=OPERATOR)).uncertain == 1
    with Reader(tmp_path / "paceline.db") as reader:
        assert [attempt["outcome"] for attempt in reader.job(1)["attempts_log"]] == ["uncertain"]
        assert examine_books(reader, now=desk.clock(), owned=False) == []


async def test_what_was_not_due_before_the_restore_stays_open(tmp_path: Path) -> None:
    desk = await Desk.open("sqlite", tmp_path / "paceline.db")
    await desk.campaign(2, dues=[desk.clock(), desk.clock() + 5 * HOUR])
    backup = tmp_path / "backup.db"
    with Reader(tmp_path / "paceline.db") as reader:
        reader.backup(backup)
    await desk.close()
    damage(tmp_path / "paceline.db")
    done = await restore(tmp_path / "paceline.db", backup, now=lambda: desk.clock() + HOUR, actor=OPERATOR)
    assert done.uncertain == 1
    with Reader(tmp_path / "paceline.db") as reader:
        assert reader.counts()["pending"] == 1


async def test_a_damaged_backup_changes_nothing(tmp_path: Path) -> None:
    desk, backup = await backed_up(tmp_path)
    await desk.close()
    before = (tmp_path / "paceline.db").read_bytes()
    damage(backup)
    with pytest.raises(StoreError, match=r"backup\.db"):
        await restore(tmp_path / "paceline.db", backup, now=desk.clock, actor=OPERATOR)
    assert (tmp_path / "paceline.db").read_bytes() == before


async def test_a_running_engine_is_not_restored_under_its_feet(tmp_path: Path) -> None:
    desk, backup = await backed_up(tmp_path)
    with pytest.raises(LockHeldError, match="pid"):
        await restore(tmp_path / "paceline.db", backup, now=desk.clock, actor=OPERATOR)
    await desk.close()


async def test_from_the_check_to_the_end_of_the_swap_nobody_else_can_own_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, backup = await backed_up(tmp_path)
    await desk.close()
    database = tmp_path / "paceline.db"
    tried: list[str] = []

    def intrude_around(name: str) -> None:
        """Somebody asks for the store's lock before and after this step of the restore."""
        step = getattr(storage.restore, name)

        def wrapped(*args: Any) -> Any:
            intrude(f"before {name}")
            done = step(*args)
            intrude(f"after {name}")
            return done

        monkeypatch.setattr(storage.restore, name, wrapped)

    def intrude(moment: str) -> None:
        with pytest.raises(LockHeldError):
            OwnerLock.acquire(database, role="engine", socket_path="", now=1)
        tried.append(moment)

    steps = ("_readable_attempts", "_copy", "_in_one_file", "_set_aside", "_sync_folder")
    for name in steps:
        intrude_around(name)
    await restore(database, backup, now=desk.clock, actor=OPERATOR)
    assert tried == [f"{when} {name}" for name in steps for when in ("before", "after")]
    OwnerLock.acquire(database, role="engine", socket_path="", now=1).release()


async def test_a_lost_database_can_be_restored(tmp_path: Path) -> None:
    desk, backup = await backed_up(tmp_path)
    await desk.close()
    (tmp_path / "paceline.db").unlink()
    done = await restore(tmp_path / "paceline.db", backup, now=desk.clock, actor=OPERATOR)
    assert (done.kept, done.uncertain) == (None, 4)
    with sqlite3.connect(tmp_path / "paceline.db") as raw:
        assert raw.execute("PRAGMA quick_check").fetchone()[0] == "ok"


async def test_a_restore_that_dies_leaves_the_old_store_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, backup = await backed_up(tmp_path)
    await desk.send(await desk.claim_one())
    await desk.close()
    before = (tmp_path / "paceline.db").read_bytes()

    async def die(*_: object) -> tuple[int, int]:
        raise KeyboardInterrupt

    monkeypatch.setattr("storage.restore._mark", die)
    with pytest.raises(KeyboardInterrupt):
        await restore(tmp_path / "paceline.db", backup, now=desk.clock, actor=OPERATOR)
    assert (tmp_path / "paceline.db").read_bytes() == before
    monkeypatch.undo()
    done = await restore(tmp_path / "paceline.db", backup, now=desk.clock, actor=OPERATOR)
    assert (done.sent, done.uncertain) == (1, 0)


async def test_a_backup_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no backup at .*nowhere\.db"):
        await restore(tmp_path / "paceline.db", tmp_path / "nowhere.db", now=lambda: 1, actor=OPERATOR)
