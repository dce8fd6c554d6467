"""A screen of named values: the cursor goes from one to the next, enter changes the one under it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, ClassVar

from textual.widget import Widget

from tui.format import fit, wrap
from tui.safe_text import safe_text
from tui.screens.working import WorkingScreen
from tui.widgets.columns import Item, Sections
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines

LABEL = 10
"""Cells of a label."""


def field(key: Hashable, label: str, value: str, note: str = "", *, style: str = "", row: Any = None) -> Item:
    """A value that can be changed: its label, what it is, and beside it what there is to know."""
    shown = safe_text(value, 1_000)
    spans = ((fit(label, LABEL) + " ", "head"), (shown, style), ("   ", ""), (safe_text(note), "dim"))
    return Item(lambda width: spans, key, (key, row))


def told(text: str, width: int, *, label: str = "", style: str = "") -> list[Item]:
    """A sentence below the values, in as many rows as it needs; the cursor passes over it."""
    parts = wrap(safe_text(text, 2_000), max(20, width - LABEL - 4))
    return [_row(label if i == 0 else "", part, style) for i, part in enumerate(parts)]


def _row(label: str, text: str, style: str) -> Item:
    return Item(lambda width: ((f"  {fit(label, LABEL)} ", "head"), (text, style)))


class FormScreen(WorkingScreen):
    """A list of values. A subclass says what stands there (`items`) and what enter does with each (`chosen`)."""

    CSS_PATH: ClassVar[Any] = ["view.tcss", "form.tcss"]
    HINTS: ClassVar[tuple[str, ...]] = ("view.open",)

    def body(self) -> Iterable[Widget]:
        yield Lines(id="above")
        yield Grid(id="form")

    @abstractmethod
    def items(self, data: Any, now: int, width: int) -> Sequence[Item]: ...

    @abstractmethod
    def chosen(self, key: Hashable, row: Any) -> None:
        """Enter was pressed on this value."""

    def show(self, data: Any, now: int) -> None:
        self.query_one("#form", Grid).show(Sections(self.items(data, now, self.size.width)))

    def action_open(self) -> None:
        grid = self.query_one("#form", Grid)
        if grid.current is not None and self.data is not None:
            self.chosen(*grid.current)
