"""A recipient file as named columns and numbered rows of text: CSV, XLSX or JSONL, streamed."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from engine.intake.jsonlines import read_json_lines
from engine.intake.records import BLOCK, ORDINARY, Contents, Limits, TableError, too_long
from engine.intake.textfiles import detect_encoding, read_delimited
from engine.intake.workbooks import read_workbook

_DELIMITED = (".csv", ".tsv", ".txt")
_WORKBOOKS = (".xlsx", ".xlsm")
_JSON_LINES = (".jsonl", ".ndjson")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class TableRow(NamedTuple):
    """One row: its `number` as the operator's editor or spreadsheet shows it, and text by column name.

    A row that cannot be used (too many cells, an oversized cell, a broken quote or JSON value) has a sentence in
    `problem` and, where one cell is to blame, its column in `field`; its cells are then only as good as possible.
    """

    number: int
    cells: dict[str, str]
    problem: str = ""
    field: str = ""


class Table:
    """An open file: `columns`, `format` (csv, xlsx, jsonl), `encoding`, `delimiter` and `sheet` as found; `header` is
    the number of the row that names the columns (0: none), `left` how many columns of a sheet stand before the first.

    A context manager. `rows()` may be called again and begins anew each time.
    """

    def __init__(self, path: Path, format: str, contents: Contents, limits: Limits) -> None:
        self.path = path
        self.format = format
        self.columns = contents.columns
        self.encoding = contents.encoding
        self.delimiter = contents.delimiter
        self.sheet = contents.sheet
        self.header = contents.header
        self.left = contents.left
        self._records = contents.records
        self._limits = limits
        self._open: list[Generator[TableRow, None, None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for rows in self._open:
            rows.close()
        self._open.clear()

    def rows(self) -> Iterator[TableRow]:
        """The data rows in file order; blank ones are left out without disturbing the numbers.

        Raises TableError when the file breaks off: an unclosed quote, a NUL byte, too many rows.
        """
        rows = self._checked_rows()
        self._open.append(rows)
        return rows

    def _checked_rows(self) -> Generator[TableRow, None, None]:
        with _readable(self.path):
            yield from self._check()

    def _check(self) -> Iterator[TableRow]:
        columns, limits, seen = self.columns, self._limits, 0
        width = len(columns)
        for number, cells, problem, field in self._records():
            if not problem and not "".join(cells).strip():
                continue
            seen += 1
            if seen > limits.max_rows:
                raise TableError(
                    self.path,
                    f"the file holds more than {limits.max_rows:,} rows.",
                    row=number,
                    hint="Split the file and import the parts one after another.",
                )
            if len(cells) != width:
                if not problem and any(cell.strip() for cell in cells[width:]):
                    problem = f"The row has {len(cells)} cells, but the header names {width} columns."
                cells = cells[:width] + [""] * (width - len(cells))
            if max(map(len, cells)) > limits.max_cell:
                for index, cell in enumerate(cells):
                    if len(cell) > limits.max_cell:
                        field = field or columns[index]
                        problem = problem or too_long(len(cell), limits)
                        cells[index] = cell[: limits.max_cell]
            yield TableRow(number, dict(zip(columns, cells, strict=True)), problem, field)


def open_table(
    path: Path,
    *,
    sheet: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    limits: Limits = ORDINARY,
) -> Table:
    """Open a recipient file; its kind, encoding and delimiter are detected where they are not given.

    `sheet` names a worksheet of an XLSX (default: the first visible one), `delimiter` one character (or `tab`),
    `encoding` a Python codec name. The encoding of the whole file is checked here, the rows as they are read.

    Raises TableError, whose hint says the remedy, for everything that makes the whole file unusable.
    """
    with _readable(path):
        kind = _kind(path)
        if kind == "xlsx":
            contents = read_workbook(path, sheet, limits)
        elif kind == "jsonl":
            contents = read_json_lines(path, detect_encoding(path, encoding), limits)
        else:
            contents = read_delimited(path, detect_encoding(path, encoding), delimiter, limits)
        table = Table(path, kind, contents, limits)
        with table:
            if next(table.rows(), None) is None:
                raise TableError(path, "the file has a header but no rows.", hint="Add a row for each recipient.")
        return table


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Refuse what is no plain file, and turn the system's refusals into sentences."""
    try:
        if not path.exists():
            raise TableError(path, "there is no such file.", hint="Check the path and the spelling.")
        if not path.is_file():
            what = "a folder" if path.is_dir() else "not a regular file"
            raise TableError(path, f"this is {what}.", hint="Name one CSV, XLSX or JSONL file.")
        if path.stat().st_size == 0:
            raise TableError(path, "the file is empty.", hint="Export it again with a header row and data.")
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TableError(path, f"cannot be read: {reason}.", hint="Check the path and its rights.") from error


def _kind(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(8)
    suffix = path.suffix.lower()
    if head == _OLE:
        if _contains(path, "EncryptedPackage".encode("utf-16-le")):
            raise TableError(path, "the workbook is protected by a password.", hint="Save a copy without the password.")
        raise TableError(path, "this is an old Excel workbook (.xls).", hint="Save it as .xlsx or as CSV (UTF-8).")
    zipped = head.startswith(b"PK\x03\x04")
    if suffix in _WORKBOOKS:
        if not zipped:
            raise TableError(path, "this is not an Excel workbook.", hint="If it is text, rename it to .csv.")
        return "xlsx"
    if suffix not in _DELIMITED + _JSON_LINES:
        known = ", ".join(_DELIMITED + _WORKBOOKS + _JSON_LINES)
        raise TableError(
            path, f"the extension {suffix!r} is not known.", hint=f"Save it as one of {known}, and name it so."
        )
    if zipped:
        raise TableError(path, "this is a zip or an Excel workbook.", hint="If it is Excel, rename it to .xlsx.")
    return "csv" if suffix in _DELIMITED else "jsonl"


def _contains(path: Path, needle: bytes) -> bool:
    tail = b""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            if needle in tail + block:
                return True
            tail = block[-len(needle) :]
    return False
