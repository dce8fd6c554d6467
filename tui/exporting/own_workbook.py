"""An XLSX workbook with three more columns in one sheet: every other part as it was, formats, formulas and charts too.

No library reads a workbook and writes all of it back. So the XML of the one sheet is read by expat, which tells the
byte where each row and cell begins and ends, and only those bytes change: constant memory, and nothing is lost.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape

from engine.intake.records import BLOCK, TableError
from engine.intake.tables import Table
from engine.sheets import cell_text
from tui.exporting.own_columns import COLUMNS, Beside, Said, places

_SPANS = re.compile(rb"""\sspans\s*=\s*(?:"[^"]*"|'[^']*')""")
_REFERENCE = re.compile(r"([A-Z]+)(\d+)", re.IGNORECASE)


def write(table: Table, target: Path, said: Iterable[tuple[int, Said | None]]) -> int:
    """Copy the workbook to `target`; returns how many rows could not take the columns, since others stand there.

    Raises TableError for a workbook whose sheet cannot be found or is no UTF-8.
    """
    try:
        with zipfile.ZipFile(table.path) as source, zipfile.ZipFile(target, "w") as copy:
            part = _part_of(source, table)
            for entry in source.infolist():
                with source.open(entry) as old, copy.open(_like(entry), "w") as new:
                    if entry.filename == part:
                        wider = _Patch(table, Beside(said), new).run(old)
                    else:
                        shutil.copyfileobj(old, new, BLOCK)
    except (expat.ExpatError, KeyError, zipfile.BadZipFile) as error:
        hint = "Open it in a spreadsheet program and save it again as .xlsx, or as CSV (UTF-8)."
        raise TableError(table.path, "the workbook cannot be written back.", hint=hint) from error
    return wider


def _like(entry: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """The entry of a copy: its name, time and compression; sizes are those of what is written."""
    copy = zipfile.ZipInfo(entry.filename, entry.date_time)
    copy.compress_type, copy.external_attr = entry.compress_type, entry.external_attr
    return copy


def _part_of(archive: zipfile.ZipFile, table: Table) -> str:
    """The part that holds the sheet (ECMA-376 part 1, 18.2.19 and part 2, 9.3). Raises KeyError."""
    root = next(
        target for kind, _, target in _relations(archive, "_rels/.rels", "") if kind.endswith("/officeDocument")
    )
    folder, name = posixpath.split(root)
    sheets = {
        found["name"]: next(value for key, value in found.items() if key.endswith(":id"))
        for found in _elements(archive, root, "sheet")
    }
    relations = {id: target for _, id, target in _relations(archive, f"{folder}/_rels/{name}.rels", folder)}
    return relations[sheets[table.sheet]]


def _relations(archive: zipfile.ZipFile, part: str, folder: str) -> list[tuple[str, str, str]]:
    """Type, id and target of each relationship."""
    return [
        (one["Type"], one["Id"], posixpath.normpath(posixpath.join("/", folder, one["Target"])).lstrip("/"))
        for one in _elements(archive, part, "Relationship")
    ]


def _elements(archive: zipfile.ZipFile, part: str, wanted: str) -> list[dict[str, str]]:
    """The attributes of every element of this name."""
    found: list[dict[str, str]] = []

    def began(name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2] == wanted:
            found.append(attributes)

    parser = _parser()
    parser.StartElementHandler = began
    parser.Parse(archive.read(part), True)
    return found


def _parser() -> expat.XMLParserType:
    """One that refuses what no workbook holds: a document type, with which files are made to unpack without end."""

    def refused(*_: object) -> None:
        raise expat.ExpatError("a document type")

    def declared(version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":
            raise expat.ExpatError("an encoding other than UTF-8")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refused
    parser.XmlDeclHandler = declared
    return parser


class _Cell(NamedTuple):
    """A cell as bytes of its row; `filled`: it holds a value or a formula, not only a format."""

    column: int
    begin: int
    end: int
    filled: bool


class _Row:
    """The row that is being read: its number, where it begins in the file, and its cells."""

    def __init__(self, number: int, begin: int) -> None:
        self.number = number
        self.begin = begin
        self.cells: list[_Cell] = []
        self.cell_begin = 0
        self.column = -1
        self.filled = False


class _Patch:
    """One pass over a sheet's XML: its bytes are kept until the row that they belong to has ended, then written."""

    def __init__(self, table: Table, beside: Beside, new: IO[bytes]) -> None:
        self._beside = beside
        self._new = new
        self._header = table.header
        self._width = table.left + len(table.columns)
        self._places = tuple(table.left + place for place in places(table.columns))
        self._kept = bytearray()
        self._base = 0
        """Where the kept bytes begin in the file."""
        self._seen = 0
        """Where the last tag begins; none that is still to come begins before it."""
        self._row: _Row | None = None
        self._last_row = 0
        self._wider = 0
        self._parser = _parser()
        self._parser.StartElementHandler = self._began
        self._parser.EndElementHandler = self._ended

    def run(self, old: IO[bytes]) -> int:
        """Copy the whole part; returns how many rows could not take the columns."""
        while block := old.read(BLOCK):
            self._kept += block
            self._parser.Parse(block, False)
            if self._row is None:
                self._write_to(self._seen)
        self._parser.Parse(b"", True)
        self._write_to(self._base + len(self._kept))
        return self._wider

    def _began(self, name: str, attributes: dict[str, str]) -> None:
        at = self._seen = self._parser.CurrentByteIndex
        local, row = name.rpartition(":")[2], self._row
        if local == "dimension":
            self._widen(at, attributes.get("ref", ""))
        elif local == "row":
            self._last_row = int(attributes.get("r", self._last_row + 1))
            self._row = _Row(self._last_row, at)
        elif row is not None and local == "c":
            row.column = _column(attributes["r"]) if "r" in attributes else row.column + 1
            row.cell_begin, row.filled = at, False
        elif row is not None and local in ("v", "f", "is"):
            row.filled = True

    def _ended(self, name: str) -> None:
        at = self._seen = self._parser.CurrentByteIndex
        local, row = name.rpartition(":")[2], self._row
        if row is None or local not in ("c", "row"):
            return
        # Of an element without content expat names the byte behind it, else the end tag's first.
        begin = at - self._base
        end = self._kept.index(b">", begin) + 1 + self._base if self._kept.startswith(b"</", begin) else at
        if local == "c":
            row.cells.append(_Cell(row.column, row.cell_begin, end, row.filled))
        else:
            self._end_row(row, end, name)
            self._row = None

    def _end_row(self, row: _Row, end: int, name: str) -> None:
        own = COLUMNS if row.number == self._header else self._beside.of(row.number)
        self._write_to(row.begin)
        beyond = {cell.column for cell in row.cells if cell.filled and cell.column >= self._width}
        if own is not None and beyond.intersection(self._places):
            self._wider += 1
            own = None
        if own is not None:
            old = bytes(self._kept[: end - self._base])
            self._new.write(self._with(old, row, dict(zip(self._places, own, strict=True)), name))
            self._drop_to(end)
        else:
            self._write_to(end)

    def _with(self, old: bytes, row: _Row, own: dict[int, str], name: str) -> bytes:
        """The bytes of a row with our cells, in the order of the columns."""
        tag = old.index(b">") + 1
        if old[:tag].endswith(b"/>"):
            tag -= 1
            old = old[: tag - 1] + f"></{name}>".encode()
        start, content_end = _SPANS.sub(b"", old[:tag]), old.rindex(b"</")
        prefix = name.rpartition(":")[0]
        pieces, place = [start], tag
        for column, text in sorted(own.items()):
            begin, behind = self._gap(row, column, content_end)
            pieces += [old[place:begin], _cell(prefix, column, row.number, text)]
            place = behind
        return b"".join((*pieces, old[place:]))

    @staticmethod
    def _gap(row: _Row, column: int, end: int) -> tuple[int, int]:
        """The bytes of a row that a cell takes the place of."""
        for cell in row.cells:
            if cell.column == column:
                return cell.begin - row.begin, cell.end - row.begin
            if cell.column > column:
                return cell.begin - row.begin, cell.begin - row.begin
        return end, end

    def _widen(self, at: int, reference: str) -> None:
        """Readers that trust the dimension of a sheet would not look beyond it."""
        first, _, last = reference.partition(":")
        found = _REFERENCE.fullmatch(last or first)
        if found is None:
            return
        wide = max(_column(found[1]), *self._places)
        self._write_to(at)
        end = self._kept.index(b">") + 1
        wider = f"{first}:{_letters(wide)}{found[2]}"
        self._new.write(bytes(self._kept[:end]).replace(reference.encode(), wider.encode()))
        self._drop_to(at + end)

    def _write_to(self, end: int) -> None:
        if end > self._base:
            self._new.write(bytes(self._kept[: end - self._base]))
            self._drop_to(end)

    def _drop_to(self, end: int) -> None:
        del self._kept[: end - self._base]
        self._base = end


def _cell(prefix: str, column: int, row: int, text: str) -> bytes:
    if not text:
        return b""
    named = f"{prefix}:" if prefix else ""
    return (
        f'<{named}c r="{_letters(column)}{row}" t="inlineStr"><{named}is><{named}t xml:space="preserve">'
        f"{escape(cell_text(text))}</{named}t></{named}is></{named}c>"
    ).encode()


def _column(reference: str) -> int:
    """The column of "C4" or "C", counted from 0."""
    number = 0
    for letter in reference.upper():
        if not letter.isalpha():
            break
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _letters(column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, place = divmod(column - 1, 26)
        letters = chr(ord("A") + place) + letters
    return letters
