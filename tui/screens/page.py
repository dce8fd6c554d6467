"""A page over the open view: rows that the console knows by itself, with a cursor where enter does something."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterable
from typing import Any, ClassVar

from textual.widget import Widget

from tui.screens.view import ViewScreen
from tui.widgets.columns import Item, Sections
from tui.widgets.grid import Grid


class Page(ViewScreen):
    """A subclass gives `items`; `chosen` is called with the row of the item that enter was pressed on."""

    HINTS: ClassVar[tuple[str, ...]] = ("view.open", "app.back")

    def __init__(self, mode: str, title: str) -> None:
        super().__init__()
        self._tab = mode
        self._title = title

    @property
    def tab(self) -> str:
        return self._tab

    @abstractmethod
    def items(self, data: Any, now: int) -> list[Item]:
        """The rows, from what was read."""

    def chosen(self, row: Any) -> None:
        """Enter was pressed on this row."""

    def token(self) -> Hashable:
        return (type(self).__name__, id(self))

    def reads(self) -> Callable[..., Any]:
        return lambda reader, now: {}

    def crumb(self) -> str:
        return self._title

    def body(self) -> Iterable[Widget]:
        yield Grid(id="page")

    def show(self, data: Any, now: int) -> None:
        self.crumb_right = f"{self.named('app.back')} close"
        self.query_one(Grid).show(Sections(self.items(data, now)))

    def action_open(self) -> None:
        row = self.query_one(Grid).current
        if row is not None:
            self.chosen(row)
