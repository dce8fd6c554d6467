"""Lists whose shape an operator chooses: columns, what is seen sideways, order; kept between runs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import ClassVar

from tui.actions import Row
from tui.screens.columns import ColumnsScreen
from tui.screens.view import ViewScreen
from tui.state import ListShape
from tui.widgets.columns import Column, Table, chosen, furthest, header
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines


class ShapedScreen(ViewScreen):
    """A view over one table. A subclass gives its columns and puts its rows on the screen with `show_table`."""

    LIST: ClassVar[str] = ""
    """The name under which the shape is kept."""
    _shape: ListShape | None = None
    _aside = 0

    @abstractmethod
    def columns(self, now: int) -> list[Column]:
        """Every column of the list, those that are shown only when chosen among them."""

    @property
    def shape(self) -> ListShape:
        if self._shape is None:
            self._shape = self.console.kept.shape(self.LIST)
        return self._shape

    def turn_shape(self, shape: ListShape) -> None:
        """Show the list in this shape, and remember it."""
        self._shape = shape
        self.console.kept.keep_shape(self.LIST, shape)
        self.redraw()

    def sorted_by(self) -> tuple[str, bool]:
        """The title of the column that the rows are sorted by ("": the list's own order), and whether downwards."""
        return self.shape.sort, self.shape.descending

    def show_table(self, rows: Sequence[Row], key: Callable[[Row], Hashable], now: int, nothing: Line) -> None:
        """Heading and rows, or what stands in their place."""
        grid = self.query_one(Grid)
        columns = chosen(self.columns(now), self.shape.columns)
        self._aside = min(self._aside, furthest(columns))
        title, descending = self.sorted_by()
        width = grid.size.width or self.size.width
        head = header(columns, width, aside=self._aside, sorted_by=title, descending=descending) if rows else nothing
        self.query_one("#head", Lines).show([head])
        grid.show(Table(columns, rows, key, aside=self._aside))

    def in_order(self, rows: Sequence[Row], now: int) -> list[Row]:
        """The rows by the chosen column; what has no value there comes last."""
        shape = self.shape
        column = next((column for column in self.columns(now) if column.title == shape.sort), None)
        if column is None or (order := column.order) is None:
            return list(rows)
        known = [row for row in rows if order(row) is not None]
        known.sort(key=order, reverse=shape.descending)
        return [*known, *(row for row in rows if order(row) is None)]

    # keys

    def action_aside(self, by: int) -> None:
        """Scroll sideways by a column."""
        columns = chosen(self.columns(self.console.present()), self.shape.columns)
        wanted = min(max(0, self._aside + by), furthest(columns))
        if wanted == self._aside:
            self.console.note("this is the last column" if by > 0 else "these are the first columns")
            return
        self._aside = wanted
        self.redraw()

    def action_columns(self) -> None:
        columns = self.columns(self.console.present())
        self.run_worker(self._choose(columns), group="columns", exclusive=True)

    async def _choose(self, columns: Sequence[Column]) -> None:
        shown = [column.title for column in chosen(columns, self.shape.columns)]
        result = await self.console.push_screen_wait(ColumnsScreen(columns, shown))
        if result is not None:
            own = tuple(column.title for column in chosen(columns, None))
            self.turn_shape(replace(self.shape, columns=None if result.titles == own else result.titles))

    def orders(self) -> list[str]:
        """What the list can be sorted by, "" for its own order."""
        return ["", *(column.title for column in self.columns(self.console.present()) if column.order is not None)]

    def action_sort_column(self, by: int) -> None:
        """Sort by the next column on this side that the list can be sorted by."""
        orders = self.orders()
        now = self.sorted_by()[0]
        place = orders.index(now) if now in orders else 0
        self.sort_by(orders[(place + by) % len(orders)])

    def sort_by(self, title: str) -> None:
        self.turn_shape(replace(self.shape, sort=title, descending=False))
        self.console.say(f"sorted by {title}" if title else "in the list's own order")

    def action_sort(self) -> None:
        self.action_sort_column(+1)

    def action_flip(self) -> None:
        if not self.shape.sort:
            self.console.say("s or > chooses a column to sort by first")
            return
        self.turn_shape(replace(self.shape, descending=not self.shape.descending))
