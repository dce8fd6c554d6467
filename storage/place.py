"""Where a store may live: checks of the path and its file system before anything is opened."""

from __future__ import annotations

import os
import re
from pathlib import Path

from storage.errors import StoreError

NETWORK = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ceph",
        "glusterfs",
        "lustre",
        "ncpfs",
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse.ceph",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.davfs",
        "davfs",
    ]
)
"""File systems on which SQLite's locks and shared memory do not hold between machines (sqlite.org, "WAL")."""

BALLAST_BYTES = 2 << 20


def check_place(path: Path, *, create: bool) -> None:
    """Refuse a store that is missing or emptied before anything can create a new one in its place."""
    if not path.exists():
        if create:
            if not path.parent.is_dir():
                raise StoreError(f"the folder {path.parent} does not exist", hint=f"mkdir -p {path.parent}")
            return
        raise StoreError(
            f"there is no store at {path}",
            hint="`paceline init` makes one; if there was one, restore a backup: "
            f"paceline --db {path} db restore BACKUP",
        )
    if not path.is_file():
        raise StoreError(f"the store {path} is not a regular file", hint="give the path of a database with --db")
    if path.stat().st_size == 0 and not create:
        raise StoreError(
            f"the store {path} is empty: its data is gone",
            hint=f"restore a backup: paceline --db {path} db restore BACKUP",
        )


def check_writable(path: Path) -> None:
    """Refuse a place where an engine could not write safely: read-only, or a network file system."""
    kind = file_system(path)
    if kind in NETWORK:
        raise StoreError(
            f"the store {path} is on a network file system ({kind}), where locks do not hold",
            hint="keep the database on a local disk: --db or PACELINE_DB",
        )
    if path.exists() and not os.access(path, os.W_OK):
        raise StoreError(f"the store {path} is read-only", hint=f"check its owner and mode: ls -l {path}")
    if not os.access(path.parent, os.W_OK):
        raise StoreError(
            f"the folder {path.parent} is read-only: no journal can be kept beside the store",
            hint=f"check its owner and mode: ls -ld {path.parent}",
        )


def file_system(path: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> str:
    """The type of the file system that holds `path` ("" when the system does not tell); proc(5), mountinfo."""
    try:
        lines = mountinfo.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    place = str(path.absolute().parent.resolve())
    best, kind = "", ""
    for line in lines:
        before, _, after = line.partition(" - ")
        parts = before.split()
        if len(parts) < 5 or not after:
            continue
        mount = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), parts[4])
        inside = place == mount or place.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, after.split()[0]
    return kind


class Ballast:
    """A file beside the store that is given up when the disk is full, so that results of what already left can
    still be recorded. While it is spent nothing new may begin."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".ballast")
        self.spent = False

    def fill(self) -> bool:
        """Take the room (back); false when there is none."""
        try:
            if not self.path.exists() or self.path.stat().st_size < BALLAST_BYTES:
                descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(b"\0" * BALLAST_BYTES)
                    file.flush()
                    os.fsync(file.fileno())
        except OSError:
            self.path.unlink(missing_ok=True)
            self.spent = True
            return False
        self.spent = False
        return True

    def spend(self) -> bool:
        """Give the room up; false when it was gone already."""
        if self.spent:
            return False
        self.spent = True
        had = self.path.exists()
        self.path.unlink(missing_ok=True)
        return had
