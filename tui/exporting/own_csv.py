"""A CSV file with three more columns: every other byte as it was, whatever its quotes, line ends and encoding."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.intake.records import TableError
from engine.intake.tables import Table
from engine.sheets import csv_rows
from tui.exporting.own_columns import COLUMNS, Beside, Said, places

_MARKED = {
    "utf-8-sig": ((codecs.BOM_UTF8, "utf-8"),),
    "utf-16": ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")),
    "utf-32": ((codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be")),
}
"""The codec behind a mark; writing with the codec that was read with would add a mark of this machine's order."""


def write(table: Table, target: Path, said: Iterable[tuple[int, Said | None]], digest: str) -> int:
    """Copy the table to `target`; returns how many rows could not take the columns, being wider than the header.

    What is written without the new cells is compared with the source's SHA-256. Raises TableError where they differ:
    an encoding that says one thing in two ways cannot be kept byte for byte.
    """
    mark, codec = _codec(table)
    beside, wider = Beside(said), 0
    hashed = hashlib.sha256(mark)
    width = len(table.columns)
    own_places = places(table.columns)
    with target.open("wb") as file:
        file.write(mark)
        for number, raw, cells in _records(table, len(mark), codec):
            hashed.update(raw.encode(codec))
            own = COLUMNS if number == table.header else beside.of(number)
            if own is not None and cells is not None:
                placed = dict(zip(own_places, own, strict=True))
                line = _with(raw, len(cells), placed, width, table.delimiter)
                wider += line is None
                raw = line or raw
            file.write(raw.encode(codec, "replace"))
    if hashed.hexdigest() != digest:
        problem = f"it cannot be kept byte for byte in {table.encoding}, or was changed meanwhile."
        raise TableError(table.path, problem, hint="Save it as CSV UTF-8, or write a table with --to.")
    return wider


def _codec(table: Table) -> tuple[bytes, str]:
    with table.path.open("rb") as file:
        head = file.read(4)
    for mark, codec in _MARKED.get(table.encoding, ()):
        if head.startswith(mark):
            return mark, codec
    return b"", table.encoding


def _records(table: Table, skipped: int, codec: str) -> Iterator[tuple[int, str, list[str] | None]]:
    """Every record with the number of its first line, as it stands in the file, and its cells (None: broken)."""
    with table.path.open("rb") as binary:
        binary.seek(skipped)
        lines: list[str] = []

        def kept() -> Iterator[str]:
            for line in io.TextIOWrapper(binary, codec, newline=""):
                lines.append(line)
                yield line

        reader = csv.reader(kept(), delimiter=table.delimiter, strict=True)
        while True:
            number = reader.line_num + 1
            cells: list[str] | None
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                cells = None
            yield number, "".join(lines), cells
            lines.clear()


def _with(raw: str, cells: int, own: dict[int, str], width: int, delimiter: str) -> str | None:
    """A record with our cells in their places; None where others stand there already."""
    body = raw.rstrip("\r\n")
    fields = _fields(body, delimiter)
    if len(fields) != cells or any(fields[place].strip() for place in own if width <= place < cells):
        return None
    fields += [""] * (max(own) + 1 - cells)
    for place, text in own.items():
        fields[place] = _quoted(text, delimiter)
    return delimiter.join(fields) + raw[len(body) :]


def _fields(body: str, delimiter: str) -> list[str]:
    """A record parted at its delimiters, each part as written. A quote opens a cell only at its beginning."""
    one = re.compile(rf'"(?:[^"]|"")*"|[^{re.escape(delimiter)}]*')
    found, place = [], 0
    while True:
        match = one.match(body, place)
        if match is None:
            return []
        found.append(match[0])
        place = match.end()
        if place >= len(body):
            return found
        if body[place] != delimiter:
            return []
        place += 1


def _quoted(text: str, delimiter: str) -> str:
    if not text:
        return ""
    file = io.StringIO(newline="")
    csv_rows(file, delimiter=delimiter, lineterminator="")([text])
    return file.getvalue()
