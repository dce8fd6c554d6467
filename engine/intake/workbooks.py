"""XLSX: the cells of one sheet as text, after the file was unpacked once to refuse what would fill the memory."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import python_calamine as calamine

from engine.intake.records import BLOCK, Contents, Limits, Record, TableError, column_names, shown_number
from storage.errors import UsageError

_MAX_SHEET_CELLS = 16_000_000
"""calamine keeps a sheet as one dense rectangle of about 32 bytes a cell: two cells far apart would fill it."""
_SHARED_STRINGS = "xl/sharedStrings.xml"
_RATIO_MATTERS = 10 << 20


def read_workbook(path: Path, sheet: str | None, limits: Limits) -> Contents:
    """Read the named sheet, or the first visible one, whole. Raises TableError."""
    _check_archive(path, limits)
    with _workbook_errors(path):
        book = calamine.CalamineWorkbook.from_path(str(path))
        names = book.sheet_names
        if sheet is not None and sheet not in names:
            problem, hint = f"there is no sheet {sheet!r}.", "The sheets are: " + ", ".join(names) + "."
            raise TableError(path, problem, hint=hint)
        chosen = sheet or next(
            (
                found.name
                for found in book.sheets_metadata
                if found.typ == calamine.SheetTypeEnum.WorkSheet and found.visible == calamine.SheetVisibleEnum.Visible
            ),
            names[0] if names else "",
        )
        cells = book.get_sheet_by_name(chosen)
        book.close()

    def records() -> Iterator[Record]:
        for number, row in enumerate(cells.iter_rows(), 1):
            yield Record(number, [_shown(value) for value in row])

    header = next((record for record in records() if "".join(record.cells).strip()), None)
    if header is None:
        hint = "Choose another with --sheet; there are: " + ", ".join(names) + "."
        raise TableError(path, f"the sheet {chosen!r} is empty.", hint=hint)
    columns = column_names(path, header.number, header.cells, limits)

    def data() -> Iterator[Record]:
        return (record for record in records() if record.number > header.number)

    return Contents(columns, data, sheet=chosen, header=header.number, left=cells.start[1] if cells.start else 0)


@contextmanager
def _workbook_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except UsageError:
        raise
    except calamine.PasswordError as error:
        hint = "Save a copy without the password."
        raise TableError(path, "the workbook is protected by a password.", hint=hint) from error
    except BaseException as error:
        # A Rust panic arrives as PanicException, which is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        hint = "Open it in a spreadsheet program and save it again as .xlsx, or as CSV (UTF-8)."
        raise TableError(path, "the workbook is damaged and cannot be read.", hint=hint) from error


def _shown(value: Any) -> str:
    """A cell as a person sees it: 12.0 is 12, dates are ISO, true is TRUE, an empty or failed cell is empty."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return shown_number(value)
    if isinstance(value, dt.datetime):
        if value.time() == dt.time():
            return value.date().isoformat()
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    return str(value)


def _check_archive(path: Path, limits: Limits) -> None:
    """Unpack every part in blocks, keeping nothing: refuse bombs and sheets that would not fit into memory.

    The sizes in the zip's directory may lie, so they only serve to refuse early.
    """
    packed = path.stat().st_size
    with _workbook_errors(path), zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        if "[Content_Types].xml" not in archive.namelist():
            raise TableError(path, "this zip file is not an Excel workbook.", hint="Save the table as .xlsx or CSV.")
        _refuse_bomb(path, sum(part.file_size for part in parts), packed, limits)
        parts.sort(key=lambda part: part.filename != _SHARED_STRINGS)
        strings = _SharedStrings()
        expanded = 0
        for part in parts:
            if part.flag_bits & 1:
                raise calamine.PasswordError
            if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise zipfile.BadZipFile("compression method")
            part.file_size = 1 << 62  # zipfile would stop at the declared size, calamine does not
            shape = _SheetShape()
            with archive.open(part) as stream:
                while block := stream.read(BLOCK):
                    expanded += len(block)
                    _refuse_bomb(path, expanded, packed, limits)
                    if part.filename == _SHARED_STRINGS:
                        strings.add(block)
                    elif strings.copied(block) > limits.max_expanded:
                        _refuse_bomb(path, limits.max_expanded + 1, packed, limits)
                    if shape.add(block) > _MAX_SHEET_CELLS:
                        problem = f"a sheet spans more than {_MAX_SHEET_CELLS:,} cells from its first to its last."
                        hint = "Delete the stray cells far to the right or below, or save the sheet as CSV (UTF-8)."
                        raise TableError(path, problem, hint=hint)


def _refuse_bomb(path: Path, expanded: int, packed: int, limits: Limits) -> None:
    hint = "If the file is honest, save the sheet as CSV (UTF-8) and import that."
    if expanded > limits.max_expanded:
        problem = f"it unpacks to more than {limits.max_expanded >> 20:,} MiB."
        raise TableError(path, problem, hint=hint)
    if expanded > max(_RATIO_MATTERS, packed * limits.max_ratio):
        problem = f"it unpacks to more than {limits.max_ratio} times its size, as a zip bomb does."
        raise TableError(path, problem, hint=hint)


class _SheetShape:
    """The rectangle that a sheet's XML spans, found without parsing it: cell addresses and counted tags."""

    _COLUMN = re.compile(rb"\br\s*=\s*[\"']([A-Za-z]{1,3})\d")
    _ROW = re.compile(rb"\br\s*=\s*[\"'][A-Za-z]{0,3}(\d{1,9})")
    _ROW_TAG = re.compile(rb"<(?:[\w.\-]+:)?row\b")
    _CELL_TAG = re.compile(rb"<(?:[\w.\-]+:)?c\b")

    def __init__(self) -> None:
        self._rest = b""
        self._columns = self._last_row = self._row_tags = self._cells_in_row = 0

    def add(self, block: bytes) -> int:
        """Take the next block of the XML and return the cells spanned so far."""
        block = self._rest + block
        cut = block.rfind(b"<", len(block) // 2)
        block, self._rest = (block[:cut], block[cut:]) if cut > 0 else (block, b"")
        counts = [len(self._CELL_TAG.findall(part)) for part in self._ROW_TAG.split(block)]
        counts[0] += self._cells_in_row
        self._cells_in_row = counts[-1]
        self._row_tags += len(counts) - 1
        named = map(_column_number, set(self._COLUMN.findall(block)))
        self._columns = max(self._columns, max(counts), max(named, default=0))
        self._last_row = max(self._last_row, max(map(int, set(self._ROW.findall(block))), default=0))
        return max(self._last_row, self._row_tags) * self._columns


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


class _SharedStrings:
    """What the workbook's shared strings come to once calamine has copied them into every cell that names them."""

    _ITEM = re.compile(rb"<(?:[\w.\-]+:)?si\b")
    _NAMED = re.compile(rb"\bt\s*=\s*[\"']s[\"'][^>]*>\s*<(?:[\w.\-]+:)?v\b[^>]*>\s*(\d{1,9})")
    _NAMING = re.compile(rb"\bt\s*=\s*[\"']s[\"']")

    def __init__(self) -> None:
        self._lengths = array("L", [0])
        self._copied = 0
        self._rest = b""

    def add(self, block: bytes) -> None:
        """Take the next block of the shared strings' XML; each is weighed with its markup, a little too much."""
        block = self._rest + block
        cut = max(block.rfind(b"<", len(block) - 64), 0) or len(block)
        block, self._rest = block[:cut], block[cut:]
        pieces = [len(piece) for piece in self._ITEM.split(block)]
        self._lengths[-1] += pieces[0]
        self._lengths.extend(pieces[1:])

    def copied(self, block: bytes) -> int:
        """Take the next block of a sheet's XML and return the bytes copied so far."""
        indexes = list(map(int, self._NAMED.findall(block)))
        count = len(self._lengths)
        self._copied += sum(self._lengths[index + 1] for index in indexes if index + 1 < count)
        # A name that stands apart from its tag (a comment between, the edge of a block) is taken for the longest.
        strange = len(self._NAMING.findall(block)) - len(indexes)
        self._copied += max(0, strange - 1) * max(self._lengths)
        return self._copied
