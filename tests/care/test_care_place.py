"""Where a store may live, and what happens when the place runs out of room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.errors import StoreError
from storage.model import JobState
from storage.place import BALLAST_BYTES, Ballast, check_writable, file_system
from tests.support import disks
from tests.support.stores import Desk

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /srv/share rw - nfs4 server:/share rw
31 22 0:41 / /srv/share/local rw - ext4 /dev/sdb1 rw
32 22 0:42 / /srv/with\\040blank rw - cifs //server/x rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTS)
    return path


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/var/lib/paceline.db", "ext4"),
        ("/srv/share/paceline.db", "nfs4"),
        ("/srv/share/local/paceline.db", "ext4"),
        ("/srv/shared/paceline.db", "ext4"),
        ("/srv/with blank/paceline.db", "cifs"),
    ],
)
def test_the_deepest_mount_tells_the_file_system(mounts: Path, place: str, kind: str) -> None:
    assert file_system(Path(place), mounts) == kind


def test_a_network_file_system_is_refused_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.place.file_system", lambda path: "nfs4")
    with pytest.raises(StoreError, match="network file system \\(nfs4\\)"):
        check_writable(tmp_path / "paceline.db")


def test_ballast_takes_its_room_gives_it_up_once_and_takes_it_back(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "paceline.db")
    assert ballast.fill()
    assert ballast.path.stat().st_size == BALLAST_BYTES
    assert ballast.path.stat().st_mode & 0o777 == 0o600
    assert ballast.spend()
    assert ballast.spent
    assert not ballast.path.exists()
    assert not ballast.spend()
    assert ballast.fill()
    assert not ballast.spent


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB of this test's own."""
    if hindrance := disks.why_not():
        pytest.skip(hindrance)
    with disks.small_disk(tmp_path / "small", megabytes=8) as folder:
        yield folder


async def test_a_full_disk_records_what_left_stops_new_work_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    desk = await Desk.open("sqlite", small_disk / "paceline.db")
    try:
        await desk.campaign(20)
        jobs = (await desk.claim(10)).jobs
        intents = [await desk.intent(job) for job in jobs]
        big = disks.fill(small_disk)
        for job, intent in zip(jobs, intents, strict=True):
            assert await desk.end(job, intent, JobState.COMPLETED)
        assert desk.counts()["completed"] == 10
        assert not (small_disk / "paceline.db.ballast").exists()
        with pytest.raises(StoreError, match="disk is full"):
            await desk.claim(1)
        assert "disk is full" in desk.store.trouble
        big.unlink()
        assert len((await desk.claim(1)).jobs) == 1
        assert desk.store.trouble == ""
        assert await desk.store.recount() == []
    finally:
        await desk.close()
