"""A small file system that a test may fill to the last byte."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def why_not() -> str:
    """The sentence that says why no small disk can be made here; "" when it can."""
    with tempfile.TemporaryDirectory() as name:
        if _mount(Path(name), 1):
            return "a small disk that is filled up can only be made with the right to mount"
        subprocess.run(["umount", name], check=True)
    return ""


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """`folder` is made, and a file system of this size stands in it until the block ends."""
    folder.mkdir()
    if error := _mount(folder, megabytes):
        raise OSError(error)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Path:
    """Use up the disk to the last byte; returns the file that holds it."""
    big = folder / "big"
    with big.open("wb", buffering=0) as file:
        for size in (65_536, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return big


def _mount(folder: Path, megabytes: int) -> str:
    """Mount, or say why not."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stderr or "mount failed" if done.returncode else ""
