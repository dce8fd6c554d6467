"""The file of the embedded store: who may open it, what is refused, what is never made in its place."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from storage import migrate
from storage.errors import LockHeldError, PacelineError, StoreError
from storage.lock import lock_path, read_holder
from storage.place import file_system
from storage.reader import Reader
from storage.sqlite import SqliteStore
from tests.support.stores import Desk, HandClock, open_sqlite


@pytest.fixture(autouse=True)
def copied_stores() -> None:
    """Here the migrations themselves are judged: no store is a copy."""


@pytest.fixture
async def used(tmp_path: Path) -> AsyncIterator[Path]:
    """A store with people and jobs in it, closed."""
    desk = await Desk.open("sqlite", tmp_path / "paceline.db")
    await desk.campaign(200)
    await desk.close()
    return desk.path


async def refusal(path: Path, **more: bool) -> PacelineError:
    with pytest.raises(StoreError) as refused:
        await open_sqlite(path, HandClock(), **more)
    return refused.value


def data_files(folder: Path) -> dict[str, bytes]:
    """What holds data: everything but the lock, which an attempt to open may leave behind, empty."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.endswith(".lock")}


def names_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def modes_in(folder: Path) -> dict[str, int]:
    return {p.name: stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()}


# one holder


async def test_a_second_engine_is_told_who_holds_the_store(tmp_path: Path) -> None:
    desk = await Desk.open("sqlite", tmp_path / "paceline.db")
    with pytest.raises(LockHeldError, match=rf"pid {os.getpid()} on {socket.gethostname()}") as held:
        await open_sqlite(desk.path, HandClock())
    assert "paceline.db" in held.value.message and held.value.hint
    holder = read_holder(desk.path)
    assert holder is not None and (holder.pid, holder.role) == (os.getpid(), "engine")
    await desk.close()


async def test_a_refused_second_engine_leaves_the_first_one_whole(tmp_path: Path) -> None:
    desk = await Desk.open("sqlite", tmp_path / "paceline.db")
    with pytest.raises(LockHeldError):
        await open_sqlite(desk.path, HandClock())
    assert read_holder(desk.path) is not None
    await desk.campaign(1)
    await desk.close()


async def test_a_closed_store_is_held_by_nobody(used: Path) -> None:
    assert read_holder(used) is None


async def test_a_killed_engine_s_lock_is_free_at_once(tmp_path: Path) -> None:
    desk = await Desk.open("sqlite", tmp_path / "paceline.db")
    await desk.kill()
    await desk.close()


async def test_a_lock_file_of_nonsense_is_still_a_lock(used: Path) -> None:
    with lock_path(used).open("r+") as file:
        file.write("\x00nonsense")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(LockHeldError):
            await open_sqlite(used, HandClock())


async def test_every_file_beside_the_store_is_its_owner_s_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        desk = await Desk.open("sqlite", tmp_path / "paceline.db")
        await desk.campaign(1)
        desk.look.backup(tmp_path / "backup.db")
        modes = modes_in(tmp_path)
    finally:
        os.umask(before)
    assert {"paceline.db", "paceline.db-wal", "paceline.db-shm", "paceline.db.lock", "backup.db"} <= modes.keys()
    assert set(modes.values()) == {0o600}
    await desk.close()


# what is not a store


async def test_a_missing_store_is_named_and_none_is_made(tmp_path: Path) -> None:
    path = tmp_path / "gone.db"
    error = await refusal(path)
    assert str(path) in error.message and "db restore" in error.hint
    assert names_in(tmp_path) == []


async def test_a_store_in_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    error = await refusal(tmp_path / "nowhere" / "paceline.db", create=True)
    assert "nowhere" in error.message and "mkdir" in error.hint
    assert names_in(tmp_path) == []


async def test_a_folder_is_not_a_store(tmp_path: Path) -> None:
    assert str(tmp_path) in (await refusal(tmp_path)).message


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def zeroed(path: Path) -> None:
    path.write_bytes(b"\0" * path.stat().st_size)


def garbage(path: Path) -> None:
    path.write_bytes(b"From ada Mon Jan 1\n" * 2_000)


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_inside_the_first_page(path: Path) -> None:
    os.truncate(path, 1_000)


def header_overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xff" * 200)


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE notes (text TEXT)")
        other.commit()


def without_tables(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA application_id = {migrate.APPLICATION_ID}")
        other.execute("PRAGMA user_version = 1")
        other.commit()


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA user_version = 999")
        store.commit()


DAMAGES = [
    emptied,
    zeroed,
    garbage,
    truncated,
    cut_inside_the_first_page,
    header_overwritten,
    foreign,
    without_tables,
    newer,
]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_file_that_is_no_store_is_named_and_stays_as_it_is(used: Path, damage: Callable[[Path], None]) -> None:
    damage(used)
    before = data_files(used.parent)
    error = await refusal(used)
    assert str(used) in error.message
    assert error.hint
    assert data_files(used.parent) == before
    assert read_holder(used) is None


@pytest.mark.parametrize("damage", [garbage, truncated, foreign, newer])
async def test_not_even_init_overwrites_a_file_that_is_no_store(used: Path, damage: Callable[[Path], None]) -> None:
    damage(used)
    before = data_files(used.parent)
    await refusal(used, create=True)
    assert data_files(used.parent) == before


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_reader_refuses_what_an_engine_refuses(used: Path, damage: Callable[[Path], None]) -> None:
    damage(used)
    with pytest.raises(StoreError) as refused:
        Reader(used)
    assert str(used) in refused.value.message and refused.value.hint


async def test_a_newer_store_says_both_versions(used: Path) -> None:
    newer(used)
    assert f"schema 999, this program knows {migrate.migrations()[-1].number}" in (await refusal(used)).message


async def test_a_store_that_waits_for_a_migration_says_so_to_who_only_reads(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = later("CREATE TABLE later (n INTEGER);\n")
    monkeypatch.setattr(migrate, "migrations", lambda: steps)
    with Reader(used) as reader, pytest.raises(StoreError) as refused:
        reader.rows("SELECT n FROM later")
    assert f"schema {steps[-2].number}, this program reads {steps[-1].number}" in refused.value.message
    assert "db recount" in refused.value.hint
    await (await open_sqlite(used, HandClock())).close()
    with Reader(used) as reader:
        assert reader.rows("SELECT n FROM later") == []


async def test_init_on_a_store_keeps_what_is_in_it(used: Path) -> None:
    store = await open_sqlite(used, HandClock(), create=True)
    with Reader(used) as reader:
        assert reader.counts()["pending"] == 200
    await store.close()


_TRY = """
import asyncio, sys
from pathlib import Path
from storage.errors import StoreError
from storage.sqlite import SqliteStore
try:
    asyncio.run(SqliteStore.open(Path(sys.argv[1]), role="engine", now=lambda: 1))
except StoreError as error:
    print(error.message)
"""


@pytest.mark.parametrize(("file_mode", "folder_mode"), [(0o400, 0o700), (0o600, 0o500)])
def test_a_store_that_cannot_be_written_is_refused(used: Path, file_mode: int, folder_mode: int) -> None:
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root writes everything")
    used.chmod(file_mode)
    used.parent.chmod(folder_mode)
    try:
        # Root may write whatever the mode says, unless it has given that capability up.
        drop = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []
        ran = subprocess.run(
            [*drop, sys.executable, "-c", _TRY, str(used)],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        used.parent.chmod(0o700)
    assert "read-only" in ran.stdout, ran.stderr
    assert str(used.parent) in ran.stdout


def test_the_file_system_of_a_path_is_the_deepest_mount_that_holds_it(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 0:1 / / rw - ext4 /dev/a rw\n"
        f"23 22 0:2 / {tmp_path} rw,relatime shared:1 - nfs4 server:/x rw\n"
        "24 22 0:3 / /elsewhere rw - tmpfs none rw\n"
    )
    assert file_system(tmp_path / "paceline.db", mounts) == "nfs4"
    assert file_system(Path("/var/paceline.db"), mounts) == "ext4"


# migrations


async def test_the_ledger_names_every_migration_with_its_hash(used: Path) -> None:
    with closing(sqlite3.connect(used)) as store:
        ledger = store.execute("SELECT number, name, sha256 FROM schema_migrations ORDER BY number").fetchall()
    assert ledger == [(m.number, m.name, m.digest) for m in migrate.migrations()]


def later(sql: str) -> list[migrate.Migration]:
    last = migrate.migrations()[-1]
    return [*migrate.migrations(), migrate.Migration(last.number + 1, f"{last.number + 1:04d}_later.sql", sql)]


async def test_a_later_migration_is_applied_once_with_a_backup_before_it(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "CREATE TABLE later (n INTEGER);\nCREATE TRIGGER t AFTER INSERT ON later BEGIN\n"
        " DELETE FROM later;\n SELECT 1;\nEND;\n"
    )
    steps = later(script)
    monkeypatch.setattr(migrate, "migrations", lambda: steps)
    kept = used.with_name(f"{used.name}.before-{steps[-1].number:04d}")
    await (await open_sqlite(used, HandClock())).close()
    with closing(sqlite3.connect(kept)) as backup, closing(sqlite3.connect(used)) as store:
        assert backup.execute("SELECT count(*) FROM jobs").fetchone() == (200,)
        assert backup.execute("PRAGMA user_version").fetchone() == (steps[-2].number,)
        assert store.execute("SELECT count(*) FROM jobs").fetchone() == (200,)
        assert store.execute("SELECT count(*) FROM later").fetchone() == (0,)
        assert store.execute("PRAGMA user_version").fetchone() == (steps[-1].number,)
    kept.unlink()
    await (await open_sqlite(used, HandClock())).close()
    assert not kept.exists()


async def test_a_migration_that_fails_leaves_the_store_at_its_version(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        steps = later("CREATE TABLE later (n INTEGER);\nINSERT INTO nowhere VALUES (1);\n")
        patched.setattr(migrate, "migrations", lambda: steps)
        assert str(used) in (await refusal(used)).message
    store = await open_sqlite(used, HandClock())
    assert await store.recount() == []
    with Reader(used) as reader:
        assert reader.one("SELECT 1 FROM sqlite_master WHERE name = 'later'") is None
    await store.close()


def test_migrations_are_numbered_from_one_without_gaps() -> None:
    assert [m.number for m in migrate.migrations()] == list(range(1, len(migrate.migrations()) + 1))


async def test_a_fresh_store_makes_no_backup(tmp_path: Path) -> None:
    store: SqliteStore = await open_sqlite(tmp_path / "paceline.db", HandClock(), create=True)
    assert not any("before" in name for name in names_in(tmp_path))
    await store.close()
