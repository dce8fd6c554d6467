"""Files that are written for the operator: private, and whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from storage.errors import UsageError


@contextmanager
def whole_path(target: Path, *, durable: bool = True) -> Iterator[Path]:
    """An empty file beside `target` (0600) that takes its place when the block ends, and is gone when it fails.

    `durable` waits until the disk holds it. Raises UsageError where the folder cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=target.absolute().parent, prefix=f".{target.name}.")
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise UsageError(f"{target} cannot be written: {reason}", hint="name a file in a folder of yours") from None
    temporary = Path(name)
    try:
        try:
            yield temporary
            if durable:
                os.fsync(handle)
        finally:
            os.close(handle)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def whole_file(target: Path, *, encoding: str = "utf-8", durable: bool = True) -> Iterator[TextIO]:
    """`whole_path`, open for text; what the encoding does not know is written as an escape."""
    with (
        whole_path(target, durable=durable) as temporary,
        temporary.open("w", encoding=encoding, errors="backslashreplace", newline="") as file,
    ):
        yield file
