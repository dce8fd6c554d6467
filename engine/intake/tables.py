"""A recipient file as named columns and numbered rows of text: CSV, XLSX or JSONL, streamed."""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import io
import json
import re
import zipfile
from array import array
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import python_calamine as calamine

from storage.errors import UsageError

DELIMITERS = (",", ";", "\t", "|")
_DELIMITED = (".csv", ".tsv", ".txt")
_WORKBOOKS = (".xlsx", ".xlsm")
_JSON_LINES = (".jsonl", ".ndjson")
_BLOCK = 1 << 20
_MAX_LINE = 4 << 20
"""Characters of one physical line; more is no table, and would not fit a bounded memory."""
_MAX_SHEET_CELLS = 16_000_000
"""calamine keeps a sheet as one dense rectangle of about 32 bytes a cell: two cells far apart would fill it."""
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_SHARED_STRINGS = "xl/sharedStrings.xml"
_RATIO_MATTERS = 10 << 20
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may hold: rows, columns, characters of a cell, unpacked bytes and packing ratio of an XLSX."""

    max_rows: int = 1_000_000
    max_columns: int = 256
    max_cell: int = 32_768
    max_expanded: int = 512 << 20
    max_ratio: int = 200


class TableError(UsageError):
    """The file cannot be read as a table. `row` and `field` say where (0 and empty: the file as a whole)."""

    code = "table"

    def __init__(self, path: Path, problem: str, *, hint: str, row: int = 0, field: str = "") -> None:
        where = path.name + (f", row {row}" if row else "") + (f", field {field!r}" if field else "")
        super().__init__(f"{where}: {problem}", hint=hint)
        self.row = row
        self.field = field


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: its `number` as the operator's editor or spreadsheet shows it, and text by column name.

    A row that cannot be used (too many cells, an oversized cell, a broken quote or JSON value) has a sentence in
    `problem` and, where one cell is to blame, its column in `field`; its cells are then only as good as possible.
    """

    number: int
    cells: dict[str, str]
    problem: str = ""
    field: str = ""


class _Record(NamedTuple):
    number: int
    cells: list[str]
    problem: str = ""
    field: str = ""


class Table:
    """An open file: `columns`, `format` (csv, xlsx, jsonl), `encoding`, `delimiter` and `sheet` as found.

    A context manager. `rows()` may be called again and begins anew each time.
    """

    def __init__(
        self,
        path: Path,
        columns: tuple[str, ...],
        records: Callable[[], Iterator[_Record]],
        limits: Limits,
        *,
        format: str,
        encoding: str = "",
        delimiter: str = "",
        sheet: str = "",
    ) -> None:
        self.path = path
        self.columns = columns
        self.format = format
        self.encoding = encoding
        self.delimiter = delimiter
        self.sheet = sheet
        self._records = records
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
                        problem = problem or _too_long(len(cell), limits)
                        cells[index] = cell[: limits.max_cell]
            yield TableRow(number, dict(zip(columns, cells, strict=True)), problem, field)


def open_table(
    path: Path,
    *,
    sheet: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    limits: Limits = Limits(),
) -> Table:
    """Open a recipient file; its kind, encoding and delimiter are detected where they are not given.

    `sheet` names a worksheet of an XLSX (default: the first visible one), `delimiter` one character (or `tab`),
    `encoding` a Python codec name. The encoding of the whole file is checked here, the rows as they are read.

    Raises TableError, whose hint says the remedy, for everything that makes the whole file unusable.
    """
    with _readable(path):
        kind = _kind(path)
        if kind == "xlsx":
            table = _open_workbook(path, sheet, limits)
        elif kind == "jsonl":
            table = _open_json_lines(path, _encoding(path, encoding), limits)
        else:
            table = _open_delimited(path, _encoding(path, encoding), delimiter, limits)
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
        while block := file.read(_BLOCK):
            if needle in tail + block:
                return True
            tail = block[-len(needle) :]
    return False


def _too_long(size: int, limits: Limits) -> str:
    return f"The cell holds {size:,} characters; at most {limits.max_cell:,} are taken."


def _encoding(path: Path, wanted: str | None) -> str:
    """The codec that decodes the whole file: the wanted one, by byte order mark, UTF-8, or Windows Latin-1."""
    with path.open("rb") as file:
        head = file.read(4)
    marked = next((name for mark, name in _BOMS if head.startswith(mark)), "")
    if wanted is None:
        chosen = marked or "utf-8"
    else:
        try:
            chosen = codecs.lookup(wanted).name
            "".encode(chosen)
        except LookupError:
            raise TableError(
                path, f"the encoding {wanted!r} is not known.", hint="Try --encoding utf-8 or cp1252."
            ) from None
        chosen = "utf-8-sig" if (chosen, marked) == ("utf-8", "utf-8-sig") else chosen
    bad_row = _first_undecodable(path, chosen)
    if not bad_row:
        return chosen
    if wanted is not None or marked or _mostly_utf8(path):
        raise TableError(
            path,
            f"some bytes are not {chosen}.",
            row=bad_row,
            hint="Save the file again as CSV UTF-8, or name its encoding, such as --encoding cp1252.",
        )
    return "latin-1" if _first_undecodable(path, "cp1252") else "cp1252"


def _first_undecodable(path: Path, encoding: str) -> int:
    """The row of the first bytes that `encoding` does not know, or 0."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    row = 1
    with path.open("rb") as file:
        while True:
            block = file.read(_BLOCK)
            try:
                row += decoder.decode(block, final=not block).count("\n")
            except UnicodeDecodeError as error:
                good = error.object[: error.start].decode(encoding, "replace")
                return row + len(re.findall("\r\n|\r|\n", good))
            except UnicodeError:
                return row
            if not block:
                return 0


def _mostly_utf8(path: Path) -> bool:
    """A UTF-8 file with some broken bytes: read as Latin-1 it would garble every other name without a word."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    good = bad = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            text = decoder.decode(block)
            broken = len(re.findall("[\udc80-\udcff]", text))
            bad += broken
            good += len(re.findall("[^\x00-\x7f]", text)) - broken
    return good > bad


def _lines(path: Path, encoding: str) -> Iterator[str]:
    with path.open(encoding=encoding, newline="") as file:
        number = 0
        while line := file.readline(_MAX_LINE):
            number += 1
            if len(line) == _MAX_LINE:
                problem, hint = f"the line is longer than {_MAX_LINE:,} characters.", "Is this a table at all?"
                raise TableError(path, problem, row=number, hint=hint)
            if "\0" in line:
                hint = "Save the file again as CSV UTF-8; for UTF-16 without a mark use --encoding utf-16-le."
                raise TableError(path, "the line holds NUL bytes.", row=number, hint=hint)
            yield line.removeprefix("\ufeff") if number == 1 else line


def _header(path: Path, row: int, cells: Sequence[str], limits: Limits) -> tuple[str, ...]:
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
            raise TableError(path, _too_long(len(name), limits), row=row, hint="Is the first row a header?")
        if _NO_TEXT.search(name):
            problem = f"the name of column {index + 1} holds a character that is no text."
            raise TableError(path, problem, row=row, hint="Give the column a plain name.")
        if name in names[:index]:
            problem = "the header names this column twice."
            raise TableError(path, problem, row=row, field=name, hint="Rename or delete one of the two columns.")
    return tuple(names)


def _open_delimited(path: Path, encoding: str, delimiter: str | None, limits: Limits) -> Table:
    if delimiter is not None:
        delimiter = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
        if len(delimiter) != 1 or delimiter in '"\r\n\0 ':
            problem = f"{delimiter!r} cannot be a delimiter."
            raise TableError(path, problem, hint="Give one character, such as --delimiter ';', or tab.")
    found = delimiter or _sniff(path, encoding)

    def records() -> Iterator[_Record]:
        return _csv_records(path, encoding, found)

    header = next((record for record in records() if record.problem or "".join(record.cells).strip()), None)
    if header is None:
        raise TableError(path, "the file holds no text.", hint="Export it again with a header row and data.")
    if header.problem:
        raise TableError(path, header.problem, row=header.number, hint="Correct the header row.")
    columns = _header(path, header.number, header.cells, limits)

    def data() -> Iterator[_Record]:
        return (record for record in records() if record.number > header.number)

    return Table(path, columns, data, limits, format="csv", encoding=encoding, delimiter=found)


def _csv_records(path: Path, encoding: str, delimiter: str) -> Iterator[_Record]:
    reader = csv.reader(_lines(path, encoding), delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # A record of several lines has swallowed its neighbours: to go on would lose them in silence.
            if reader.line_num != start or "unexpected end" in str(error):
                problem = "a quotation mark opens here and is not closed where its cell ends."
                hint = "Close the quotation mark, or double it where it belongs to the text."
                raise TableError(path, problem, row=start, hint=hint) from None
            if "field larger" in str(error):
                problem = f"The row holds a cell of more than {csv.field_size_limit():,} characters."
            else:
                problem = "A quotation mark inside a quoted cell is not doubled."
            yield _Record(start, [], problem)
        else:
            yield _Record(start, cells)


def _sniff(path: Path, encoding: str) -> str:
    """The delimiter under which the first records agree best with the header's width."""
    with path.open(encoding=encoding, newline="") as file:
        sample = file.read(64 << 10)
        cut = file.read(1) != ""
    best, best_score = ",", (0.0, 0)
    for candidate in DELIMITERS:
        records = [row for row in _lenient(sample, candidate) if row][:50]
        if cut and len(records) > 2:
            records.pop()
        width = len(records[0]) if records else 0
        if width > 1:
            agree = sum(len(row) == width for row in records) / len(records)
            best, best_score = max((best, best_score), (candidate, (agree, width)), key=lambda pair: pair[1])
    return best


def _lenient(sample: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue


def _open_json_lines(path: Path, encoding: str, limits: Limits) -> Table:
    names: dict[str, None] = {}
    for line in _lines(path, encoding):
        found = _json_object(line)
        if isinstance(found, dict):
            names.update(dict.fromkeys(found))
        if len(names) > limits.max_columns:
            break
    if not names:
        problem, hint = "no line holds a JSON object.", 'Write one object a line: {"email": "...", ...}.'
        raise TableError(path, problem, hint=hint)
    columns = _header(path, 0, list(names), limits)

    def records() -> Iterator[_Record]:
        for number, line in enumerate(_lines(path, encoding), 1):
            if line.strip():
                yield _json_record(number, line, tuple(names))

    return Table(path, columns, records, limits, format="jsonl", encoding=encoding)


def _json_object(line: str) -> dict[str, Any] | str:
    """The object of one line, its numbers still as text; or the sentence that says why there is none."""
    try:
        found = _JSON.decode(line)
    except RecursionError:
        return "The line is nested too deeply."
    except json.JSONDecodeError as error:
        return f"The line is not a JSON object: {error.msg} at character {error.colno}."
    except ValueError as error:
        return f"The line is not a usable JSON object: {error}."
    return found if isinstance(found, dict) else "The line is not a JSON object."


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _json_number(text: str) -> str:
    return _number(float(text))


_JSON = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=str, parse_float=_json_number, parse_constant=_json_number
)


def _json_record(number: int, line: str, names: tuple[str, ...]) -> _Record:
    found = _json_object(line)
    if isinstance(found, str):
        return _Record(number, [], found)
    cells, problem, field = [], "", ""
    for name in names:
        value = found.get(name)
        if isinstance(value, bool):
            value = "true" if value else "false"
        text = "" if value is None else str(value)
        if isinstance(value, (dict, list)):
            problem, field = "The value is a list or an object: text, a number or true/false is needed.", name
        elif _NO_TEXT.search(text):
            problem, field = "The value holds a character that is no text (NUL or half a surrogate pair).", name
            text = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
        cells.append(text)
    return _Record(number, cells, problem, field)


def _open_workbook(path: Path, sheet: str | None, limits: Limits) -> Table:
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

    def records() -> Iterator[_Record]:
        for number, row in enumerate(cells.iter_rows(), 1):
            yield _Record(number, [_shown(value) for value in row])

    header = next((record for record in records() if "".join(record.cells).strip()), None)
    if header is None:
        hint = "Choose another with --sheet; there are: " + ", ".join(names) + "."
        raise TableError(path, f"the sheet {chosen!r} is empty.", hint=hint)
    columns = _header(path, header.number, header.cells, limits)

    def data() -> Iterator[_Record]:
        return (record for record in records() if record.number > header.number)

    return Table(path, columns, data, limits, format="xlsx", sheet=chosen)


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
                while block := stream.read(_BLOCK):
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


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


def _shown(value: Any) -> str:
    """A cell as a person sees it: 12.0 is 12, dates are ISO, true is TRUE, an empty or failed cell is empty."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dt.datetime):
        if value.time() == dt.time():
            return value.date().isoformat()
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    return str(value)


def _number(value: float) -> str:
    """Fifteen significant digits, the most a spreadsheet shows, and never an exponent."""
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("a number is out of range")
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    text = f"{value:.15g}"
    return f"{Decimal(text):f}" if "e" in text else text
