"""The one writer of rows: CSV, JSONL or XLSX, row by row in constant memory, private, and whole or not at all.

Cells are text to a spreadsheet: what begins like a formula gets an apostrophe in CSV, and in XLSX stands in a cell of
the type text. Control characters become `?` (`engine.sheets`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

from engine.sheets import csv_rows
from engine.whole_files import whole_file, whole_path
from storage.errors import RefusedError, UsageError

Row = dict[str, Any]
Put = Callable[[Row], None]

STDOUT = Path("-")
TOLD_EVERY = 10_000
"""Rows between two words about how far it is."""


class Format(StrEnum):
    """What can be written, by the ending of the file's name."""

    CSV = "csv"
    JSONL = "jsonl"
    XLSX = "xlsx"


KINDS = ", ".join(f".{format}" for format in Format)


def format_of(target: Path, wanted: str | None = None) -> Format:
    """The format that was asked for, else that of the file's ending; CSV for stdout.

    Raises UsageError for another ending, and for XLSX on stdout.
    """
    if wanted:
        found = Format(wanted)
    elif target == STDOUT:
        found = Format.CSV
    elif (ending := target.suffix.lower().removeprefix(".")) in set(Format):
        found = Format(ending)
    else:
        problem = f"{target.name or 'no name'}: only {KINDS} can be written"
        raise UsageError(problem, hint="name the file so, or say --format")
    if found is Format.XLSX and target == STDOUT:
        raise UsageError("a workbook cannot be written to stdout", hint="name a file, or take csv or jsonl")
    return found


def refuse_existing(target: Path, *, hint: str = "name another file") -> None:
    """Raises RefusedError for a file that is there already: nothing is ever written over unasked."""
    if target != STDOUT and target.exists():
        raise RefusedError(f"{target} exists and stays as it is", hint=hint)


def _silent(n: int) -> None:
    """Nobody waits for a word."""


def write_rows(
    target: Path,
    rows: Iterable[Row],
    format: Format,
    *,
    columns: Sequence[str] = (),
    told: Callable[[int], None] = _silent,
) -> int:
    """Write every row; returns how many.

    `columns` stand in the first line of CSV and XLSX even above no row; without them they are those of the first row.
    In JSONL a row keeps all it has. `told` hears how many rows there are every `TOLD_EVERY`, and may end it all by
    raising: then no file is left. Raises UsageError where the folder cannot be written.
    """
    n = 0
    with _opened(target, format, columns) as put:
        for n, row in enumerate(rows, 1):
            put(row)
            if n % TOLD_EVERY == 0:
                told(n)
    return n


@contextmanager
def _opened(target: Path, format: Format, columns: Sequence[str]) -> Iterator[Put]:
    if format is Format.XLSX:
        from tui.exporting.workbook import Workbook

        with whole_path(target) as temporary, Workbook(temporary) as book:
            yield _flat(book.put, columns)
    elif target == STDOUT:
        yield _lines(sys.stdout, format, columns)
    else:
        # The mark tells spreadsheets that the bytes are UTF-8; no program that reads JSON lines expects one.
        with whole_file(target, encoding="utf-8-sig" if format is Format.CSV else "utf-8") as file:
            yield _lines(file, format, columns)


def _lines(file: TextIO, format: Format, columns: Sequence[str]) -> Put:
    if format is Format.JSONL:
        return lambda row: print(json.dumps(row, ensure_ascii=True, default=str), file=file)
    return _flat(csv_rows(file), columns)


def _flat(put_cells: Callable[[Iterable[Any]], object], columns: Sequence[str]) -> Put:
    """Rows of cells in the order of the columns, below a row of their names."""
    names = list(columns)
    if names:
        put_cells(names)

    def put(row: Row) -> None:
        if not names:
            names.extend(row)
            put_cells(names)
        put_cells([row.get(name) for name in names])

    return put
