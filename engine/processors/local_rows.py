"""Rows of local files by their id: the customers, promotions, orders and opportunities that jobs look up."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.intake.mapping import guess_mapping
from engine.intake.records import Limits
from engine.intake.tables import TableRow, open_table
from engine.processors.book import Book, Record
from engine.processors.context import RunContext
from engine.processors.processor import Held, Permanent
from storage.errors import UsageError

BOOK = ".db"
"""The suffix of a book (`engine.processors.book`); every other file is a table."""
MOST = Limits(max_rows=200_000)
"""A table is held in memory while it does not change; what is larger belongs into a book."""
KEPT = 4
"""Tables that one kind holds at once."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A table by id as it was at `stamp`; `twice` are ids of more than one row."""

    stamp: tuple[int, int]
    rows: dict[str, Record]
    twice: frozenset[str]


class LocalRows:
    """The rows of `noun`s ("customer") in local files, by the column `id` or `NOUN_id`. One object may serve many
    runs: each table is read once for as long as it does not change."""

    def __init__(self, noun: str) -> None:
        self.noun = noun
        self._tables: OrderedDict[Path, _Table] = OrderedDict()

    async def get(self, context: RunContext, file: str, ident: str) -> Record:
        """The row of an id, by field name. Raises Permanent where there is none or more than one, Held where the file
        cannot be read."""
        found, unknown = await self.get_many(context, file, (ident,))
        if unknown:
            raise Permanent(unknown[ident])
        return found[ident]

    async def get_many(
        self, context: RunContext, file: str, idents: Sequence[str]
    ) -> tuple[dict[str, Record], dict[str, str]]:
        """The rows of ids in their order, and by id why there is none. Raises Held where the file cannot be read."""
        try:
            return await context.in_thread(self._get_many, context.path(file), idents)
        except UsageError as error:
            raise Held(f"{error.message} - {error.hint}" if error.hint else error.message) from None

    def _get_many(self, path: Path, idents: Sequence[str]) -> tuple[dict[str, Record], dict[str, str]]:
        found: dict[str, Record] = {}
        unknown: dict[str, str] = {}
        twice: frozenset[str] = frozenset()
        if path.suffix == BOOK:
            with Book(path) as book:
                rows = {ident: row for ident in idents if (row := book.get(ident)) is not None}
        else:
            table = self._table(path)
            rows, twice = table.rows, table.twice
        for ident in dict.fromkeys(idents):
            if ident in twice:
                unknown[ident] = f"{path.name} has several rows of {self.noun} {ident[:100]!r}"
            elif ident not in rows:
                unknown[ident] = f"there is no {self.noun} {ident[:100]!r} in {path.name}"
            else:
                found[ident] = rows[ident]
        return found, unknown

    def _table(self, path: Path) -> _Table:
        try:
            state = path.stat()
            stamp = (state.st_mtime_ns, state.st_size)
        except OSError:
            stamp = (0, 0)  # what is wrong with it, reading it tells
        known = self._tables.get(path)
        if known is None or known.stamp != stamp:
            rows: dict[str, Record] = {}
            twice = set()
            for ident, record, row in records(path, self.noun):
                if row.problem or not ident:
                    continue
                if ident in rows:
                    twice.add(ident)
                rows[ident] = record
            known = self._tables[path] = _Table(stamp, rows, frozenset(twice))
            while len(self._tables) > KEPT:
                self._tables.popitem(last=False)
        return known


def records(path: Path, noun: str, *, limits: Limits = MOST) -> Iterator[tuple[str, Record, TableRow]]:
    """The rows of a table as (id, fields by name, row as it stands there). Blocks on the file. Raises UsageError for a
    file that cannot be read or has no column of ids."""
    with open_table(path, limits=limits) as table:
        names = guess_mapping(table.columns)
        wanted = ("id", f"{noun}_id", f"{noun}_no", noun)
        key = next((column for name in wanted for column, field in names.items() if field == name), None)
        if key is None:
            listed = ", ".join(table.columns)[:300]
            raise UsageError(
                f"{path.name} has no column id or {noun}_id", hint=f"name one so; its columns are: {listed}"
            )
        for row in table.rows():
            yield row.cells[key].strip(), {names[column]: cell.strip() for column, cell in row.cells.items()}, row
