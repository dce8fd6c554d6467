"""Tables as lines: columns with a width, an order of importance and a cell function over a row.

A screen that is too narrow drops columns, the least important first, and squeezes none. Scrolled sideways, a table
keeps its first columns and shows what follows further on.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from tui.format import fit
from tui.widgets.lines import BLANK, Line, Span

Cell = str | Span
AMPLE = 24
"""Cells of a column that takes what is left; of what it has beyond, half goes to columns that can grow."""


class Column(NamedTuple):
    """`width` in cells (0: takes what is left, and needs `least`), which grows to `most` where there is room;
    `from_width`: the list's width from which it is shown. Too narrow, the column with the lowest `rank` goes first, one
    that is to `keep` never. `order` is what a list that is all in memory is sorted by on this column. `extra` ones are
    shown only when they are chosen."""

    title: str
    width: int
    cell: Callable[[Any], Cell]
    right: bool = False
    from_width: int = 0
    keep: bool = False
    rank: int = 5
    least: int = 8
    most: int = 0
    order: Callable[[Any], Any] | None = None
    extra: bool = False


def chosen(columns: Sequence[Column], titles: Sequence[str] | None) -> list[Column]:
    """The columns that an operator chose, by title; None: the list's own choice. Those to keep are always among them,
    a chosen one asks for no width, and one that the list would not show by itself is dropped last."""
    if titles is None:
        return [column for column in columns if not column.extra]
    wanted = [column for column in columns if column.keep or column.title in titles]
    return [column._replace(from_width=0, rank=column.rank + (10 if column.extra else 0)) for column in wanted]


def _needed(columns: Sequence[Column]) -> int:
    return sum((column.width or column.least) + 1 for column in columns)


def fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns that have room in `width` cells."""
    shown = [column for column in columns if column.from_width <= width]
    while _needed(shown) - 1 > width and (loose := [i for i, column in enumerate(shown) if not column.keep]):
        del shown[min(loose, key=lambda i: (shown[i].rank, -i))]
    return shown


def furthest(columns: Sequence[Column]) -> int:
    """How many steps a table can be scrolled sideways: its last column is then the first behind those that stay."""
    return max(0, len(columns) - _pinned(columns) - 1)


def _pinned(columns: Sequence[Column]) -> int:
    """How many columns at the front stay when the table is scrolled."""
    return next((i for i, column in enumerate(columns) if not column.keep), len(columns))


def _aside(columns: Sequence[Column], width: int, steps: int) -> list[Column]:
    front = _pinned(columns)
    shown = [column._replace(from_width=0) for column in columns[:front]]
    for column in columns[front + steps :]:
        if _needed(shown) >= width:
            break
        shown.append(column._replace(from_width=0))
    return shown


def _laid_out(columns: Sequence[Column], width: int, aside: int = 0) -> list[tuple[Column, int]]:
    shown = _aside(columns, width, aside) if aside else fitting(columns, width)
    flexible = sum(not column.width for column in shown)
    left = width - sum(column.width + 1 for column in shown if column.width) - 1
    grown = _grown(shown, max(0, (left - AMPLE * flexible) // 2 if flexible else left))
    rest = max(8, left - sum(grown.values()))
    return [(column, column.width + grown.get(column.title, 0) or rest // flexible) for column in shown]


def _grown(shown: Sequence[Column], spare: int) -> dict[str, int]:
    """How many of the spare cells go to which column, by title: the most important one takes what it can first."""
    grown = {}
    for column in sorted(shown, key=lambda column: -column.rank):
        if more := min(spare, max(0, column.most - column.width) if column.width else 0):
            grown[column.title] = more
            spare -= more
    return grown


def header(
    columns: Sequence[Column], width: int, *, aside: int = 0, sorted_by: str = "", descending: bool = False
) -> Line:
    """The titles over a table, for a screen of `width` cells (cursor and mark columns included); the column that the
    list is sorted by has a `^` (up) or a `v`."""
    spans: list[Span] = [("  ", "")]
    for column, cells in _laid_out(columns, width - 2, aside):
        sign = ("v" if descending else "^") if column.title == sorted_by else ""
        spans.append(
            (fit(sign + column.title if column.right else column.title + sign, cells, right=column.right), "head")
        )
        spans.append((" ", "head"))
    return tuple(spans)


def table_line(columns: Sequence[Column], row: Any, width: int) -> Line:
    """One row of a table that stands alone."""
    return _line(_laid_out(columns, width), row)


def _line(layout: Sequence[tuple[Column, int]], row: Any) -> Line:
    spans: list[Span] = []
    for column, cells in layout:
        cell = column.cell(row)
        text, style = (cell, "") if isinstance(cell, str) else cell
        spans.append((fit(text, cells, right=column.right), style))
        spans.append((" ", ""))
    return tuple(spans)


class Table:
    """A source of rows that are all here (a page of a keyset, or a short list), scrolled `aside` by some columns."""

    def __init__(
        self, columns: Sequence[Column], rows: Sequence[Any], key: Callable[[Any], Hashable], *, aside: int = 0
    ) -> None:
        self._columns = columns
        self._rows = rows
        self._aside = aside
        self._keys = [key(row) for row in rows]
        self._places = {key: place for place, key in enumerate(self._keys)}
        self._layout: tuple[int, list[tuple[Column, int]]] = (-1, [])

    def count(self) -> int:
        return len(self._rows)

    def key(self, index: int) -> Hashable | None:
        return self._keys[index] if 0 <= index < len(self._keys) else None

    def index_of(self, key: Hashable) -> int | None:
        return self._places.get(key)

    def row(self, index: int) -> Any:
        return self._rows[index] if 0 <= index < len(self._rows) else None

    def line(self, index: int, width: int) -> Line:
        if self._layout[0] != width:
            self._layout = (width, _laid_out(self._columns, width, self._aside))
        return _line(self._layout[1], self._rows[index])


class Item(NamedTuple):
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


def fixed(line: Line, key: Hashable | None = None, row: Any = None) -> Item:
    """A row that looks the same at every width."""
    return Item(lambda width: line, key, row)


def heading(text: str, style: str = "head") -> Item:
    return Item(lambda width: ((f" {text}", style),))


def blank() -> Item:
    return Item(lambda width: BLANK)
