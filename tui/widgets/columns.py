"""Tables as lines: columns with a width, an order of importance and a cell function over a row."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from tui.format import fit
from tui.widgets.lines import BLANK, Line, Span

Cell = str | Span


@dataclass(frozen=True, slots=True)
class Column:
    """`width` in cells (0: takes what is left); `from_width`: the list's width from which it is shown."""

    title: str
    width: int
    cell: Callable[[Any], Cell]
    right: bool = False
    from_width: int = 0


def _laid_out(columns: Sequence[Column], width: int) -> list[tuple[Column, int]]:
    shown = [column for column in columns if column.from_width <= width]
    fixed = sum(column.width + 1 for column in shown if column.width)
    rest = max(8, width - fixed - 1)
    flexible = sum(not column.width for column in shown) or 1
    return [(column, column.width or rest // flexible) for column in shown]


def header(columns: Sequence[Column], width: int) -> Line:
    """The titles over a table, for a screen of `width` cells (cursor and mark columns included)."""
    spans: list[Span] = [("  ", "")]
    for column, cells in _laid_out(columns, width - 2):
        spans.append((fit(column.title, cells, right=column.right) + " ", "head"))
    return tuple(spans)


def table_line(columns: Sequence[Column], row: Any, width: int) -> Line:
    spans: list[Span] = []
    for column, cells in _laid_out(columns, width):
        cell = column.cell(row)
        text, style = (cell, "") if isinstance(cell, str) else cell
        spans.append((fit(text, cells, right=column.right), style))
        spans.append((" ", ""))
    return tuple(spans)


class Table:
    """A source of rows that are all here (a page of a keyset, or a short list)."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[Any], key: Callable[[Any], Hashable]) -> None:
        self._columns = columns
        self._rows = rows
        self._keys = [key(row) for row in rows]
        self._places = {key: place for place, key in enumerate(self._keys)}

    def count(self) -> int:
        return len(self._rows)

    def key(self, index: int) -> Hashable | None:
        return self._keys[index] if 0 <= index < len(self._keys) else None

    def index_of(self, key: Hashable) -> int | None:
        return self._places.get(key)

    def row(self, index: int) -> Any:
        return self._rows[index] if 0 <= index < len(self._rows) else None

    def line(self, index: int, width: int) -> Line:
        return table_line(self._columns, self._rows[index], width)


@dataclass(frozen=True, slots=True)
class Item:
    """One row of `Sections`: with a key the cursor stops there; `line` draws it for a width."""

    line: Callable[[int], Line]
    key: Hashable | None = None
    row: Any = None


class Sections:
    """A source of unlike rows: headings, lists and blank lines in one column."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        self._places = {item.key: place for place, item in enumerate(items) if item.key is not None}

    def count(self) -> int:
        return len(self._items)

    def key(self, index: int) -> Hashable | None:
        return self._items[index].key if 0 <= index < len(self._items) else None

    def index_of(self, key: Hashable) -> int | None:
        return self._places.get(key)

    def row(self, index: int) -> Any:
        return self._items[index].row if 0 <= index < len(self._items) else None

    def line(self, index: int, width: int) -> Line:
        item = self._items[index]
        return item.line(width if item.key is not None else width + 2)


def heading(text: str, style: str = "head") -> Item:
    return Item(lambda width: ((f" {text}", style),))


def blank() -> Item:
    return Item(lambda width: BLANK)
