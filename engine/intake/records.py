"""What every kind of table gives: column names and numbered records of text, within limits, or a TableError."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from storage.errors import UsageError

BLOCK = 1 << 20
"""Bytes of a file that are read at once."""
NO_TEXT = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may hold: rows, columns, characters of a cell, unpacked bytes and packing ratio of an XLSX."""

    max_rows: int = 1_000_000
    max_columns: int = 256
    max_cell: int = 32_768
    max_expanded: int = 512 << 20
    max_ratio: int = 200


ORDINARY = Limits()


class TableError(UsageError):
    """The file cannot be read as a table. `row` and `field` say where (0 and empty: the file as a whole)."""

    code = "table"

    def __init__(self, path: Path, problem: str, *, hint: str, row: int = 0, field: str = "") -> None:
        where = path.name + (f", row {row}" if row else "") + (f", field {field!r}" if field else "")
        super().__init__(f"{where}: {problem}", hint=hint)
        self.row = row
        self.field = field


class Record(NamedTuple):
    """One row as read: `cells` in file order, as many as it has; the rest as `TableRow` has it."""

    number: int
    cells: list[str]
    problem: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a reader found in a file: `records()` begins anew each time; `columns` and the rest as `Table` has them."""

    columns: tuple[str, ...]
    records: Callable[[], Iterator[Record]]
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""
    header: int = 0
    left: int = 0


def column_names(path: Path, row: int, cells: Sequence[str], limits: Limits) -> tuple[str, ...]:
    """The header in row `row`, stripped and cut behind its last name. Raises TableError for one that is unusable."""
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if len(names) > limits.max_columns:
        problem = f"the header names {len(names):,} columns; at most {limits.max_columns} are taken."
        raise TableError(path, problem, row=row, hint="Keep only the columns that the message needs.")
    for index, name in enumerate(names):
        if not name:
            problem = f"column {index + 1} has no name in the header."
            raise TableError(path, problem, row=row, hint="Give every column a name, or delete it.")
        if len(name) > limits.max_cell:
            raise TableError(path, too_long(len(name), limits), row=row, hint="Is the first row a header?")
        if NO_TEXT.search(name):
            problem = f"the name of column {index + 1} holds a character that is no text."
            raise TableError(path, problem, row=row, hint="Give the column a plain name.")
        if name in names[:index]:
            problem = "the header names this column twice."
            raise TableError(path, problem, row=row, field=name, hint="Rename or delete one of the two columns.")
    return tuple(names)


def too_long(size: int, limits: Limits) -> str:
    """The sentence about a cell of `size` characters."""
    return f"The cell holds {size:,} characters; at most {limits.max_cell:,} are taken."


def shown_number(value: float) -> str:
    """Fifteen significant digits, the most a spreadsheet shows, and never an exponent. Raises ValueError for NaN."""
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("a number is out of range")
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    text = f"{value:.15g}"
    return f"{Decimal(text):f}" if "e" in text else text
