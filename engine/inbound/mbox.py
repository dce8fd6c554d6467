"""Mails out of an mbox file: mboxo and mboxrd (RFC 4155 appendix A), read in one pass within fixed memory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from engine.inbound.model import MAX_BYTES, Raw
from storage.model import SECOND

_FROM = re.compile(rb"From (?:\S+|.{1,200}?\S) +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)?,? ?.{0,40}\d{1,2}:\d\d.{0,40}\r?\n?$")
_ESCAPED = re.compile(rb">+From ")
_DATE = re.compile(r"([A-Z][a-z]{2}) +(\d{1,2}) +(\d\d):(\d\d)(?::(\d\d))?\b.*?\b(\d{4})\b")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def is_mbox(path: Path) -> bool:
    """Whether a file begins as an mbox does."""
    with path.open("rb") as file:
        return _FROM.match(file.readline(1_000)) is not None


def read_mbox(path: Path) -> Iterator[Raw]:
    """Each mail of the file, in its order. A line `>From ` of the text loses one `>` (mboxrd). Of a mail that is
    larger than `MAX_BYTES` only so much is kept. Raises OSError."""
    with path.open("rb") as file:
        written = int(os.fstat(file.fileno()).st_mtime) * SECOND
        yield from _split(file, written, path.name)


def _split(file: BinaryIO, written: int, name: str) -> Iterator[Raw]:
    lines: list[bytes] = []
    size = number = 0
    arrived = written
    blank = True
    while line := file.readline(MAX_BYTES):
        if blank and _FROM.match(line):
            if number:
                yield Raw(b"".join(lines), arrived, f"{name} no. {number}")
            lines, size, number = [], 0, number + 1
            arrived = _when(line) or written
            blank = False
            continue
        if not number:
            # Text in front of the first mail: not an mbox, or its head was cut off.
            number = 1
        blank = line in (b"\n", b"\r\n")
        if _ESCAPED.match(line):
            line = line[1:]
        if size < MAX_BYTES:
            lines.append(line)
            size += len(line)
    if number:
        yield Raw(b"".join(lines), arrived, f"{name} no. {number}")


def _when(line: bytes) -> int | None:
    """The arrival that a From line names, taken as UTC (RFC 4155); None for one that names none."""
    found = _DATE.search(line.decode("latin-1"))
    if found is None or found[1] not in _MONTHS:
        return None
    month = _MONTHS.index(found[1]) + 1
    try:
        at = datetime(int(found[6]), month, int(found[2]), int(found[3]), int(found[4]), int(found[5] or 0), tzinfo=UTC)
    except ValueError:
        return None
    return int(at.timestamp()) * SECOND
