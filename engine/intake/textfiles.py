"""Delimited text: the encoding of a file, its lines, its delimiter and its CSV records."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from engine.intake.records import BLOCK, Contents, Limits, Record, TableError, column_names

DELIMITERS = (",", ";", "\t", "|")
_MAX_LINE = 4 << 20
"""Characters of one physical line; more is no table, and would not fit a bounded memory."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_delimited(path: Path, encoding: str, delimiter: str | None, limits: Limits) -> Contents:
    """Read CSV; the delimiter is found where it is None. Raises TableError."""
    if delimiter is not None:
        delimiter = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
        if len(delimiter) != 1 or delimiter in '"\r\n\0 ':
            problem = f"{delimiter!r} cannot be a delimiter."
            raise TableError(path, problem, hint="Give one character, such as --delimiter ';', or tab.")
    found = delimiter or _sniff(path, encoding)

    def records() -> Iterator[Record]:
        return _csv_records(path, encoding, found)

    header = next((record for record in records() if record.problem or "".join(record.cells).strip()), None)
    if header is None:
        raise TableError(path, "the file holds no text.", hint="Export it again with a header row and data.")
    if header.problem:
        raise TableError(path, header.problem, row=header.number, hint="Correct the header row.")
    columns = column_names(path, header.number, header.cells, limits)

    def data() -> Iterator[Record]:
        return (record for record in records() if record.number > header.number)

    return Contents(columns, data, encoding=encoding, delimiter=found, header=header.number)


def _csv_records(path: Path, encoding: str, delimiter: str) -> Iterator[Record]:
    reader = csv.reader(text_lines(path, encoding), delimiter=delimiter, strict=True)
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
            yield Record(start, [], problem)
        else:
            yield Record(start, cells)


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


def detect_encoding(path: Path, wanted: str | None) -> str:
    """The codec that decodes the whole file: the wanted one, by byte order mark, UTF-8, or Windows Latin-1.

    Raises TableError when it is not known, or does not decode the file.
    """
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
    if wanted is not None or marked or _has_utf8(path):
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
            block = file.read(BLOCK)
            try:
                row += decoder.decode(block, final=not block).count("\n")
            except UnicodeDecodeError as error:
                good = error.object[: error.start].decode(encoding, "replace")
                return row + len(re.findall("\r\n|\r|\n", good))
            except UnicodeError:
                return row
            if not block:
                return 0


def _has_utf8(path: Path) -> bool:
    """Whether whole UTF-8 characters stand among the broken bytes: read as Latin-1 they would be garbled without a
    word, and no Latin-1 text holds such pairs by accident."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            if re.search("[^\x00-\x7f\udc80-\udcff]", decoder.decode(block)):
                return True
    return False


def text_lines(path: Path, encoding: str) -> Iterator[str]:
    """The physical lines with their ends, without a mark. Raises TableError for an endless line or NUL bytes."""
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
