"""`c`: which columns a list shows. A dialog over the list; what is chosen is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.events import Key, Resize
from textual.screen import ModalScreen

from tui.format import fit
from tui.widgets.columns import Column
from tui.widgets.lines import Line, Lines

WIDTH = 44


@dataclass(frozen=True, slots=True)
class Choice:
    """The titles of the columns to show; None: the list's own choice."""

    titles: tuple[str, ...] | None


class ColumnsScreen(ModalScreen[Choice | None]):
    """Ends with the choice, or None when nothing is to change."""

    CSS_PATH = "columns.tcss"
    BINDINGS: ClassVar = []

    def __init__(self, columns: Sequence[Column], shown: Sequence[str]) -> None:
        super().__init__()
        self._columns = columns
        self._on = {column.title for column in columns if column.keep} | set(shown)
        self._at = 0
        self._top = 0

    def compose(self) -> ComposeResult:
        yield Lines(id="dialog")

    def on_mount(self) -> None:
        self._draw()

    def on_resize(self, event: Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        box = self.query_one_optional("#dialog", Lines)
        if box is None:  # answered before its first size came
            return
        width = min(WIDTH, self.app.size.width - 2)
        room = max(1, min(len(self._columns), self.app.size.height - 7))
        self._top = min(max(self._top, self._at - room + 1), self._at)
        lines: list[Line] = [((" Columns of this list", "bold"),), ()]
        lines += [self._line(i, width - 4) for i in range(self._top, min(self._top + room, len(self._columns)))]
        lines += [
            (),
            ((" space shows or hides   0 the list's own", "dim"),),
            ((" enter keep   esc leave as it was", "dim"),),
        ]
        box.styles.width, box.styles.height = width, len(lines) + 2
        box.show(lines)

    def _line(self, index: int, width: int) -> Line:
        column = self._columns[index]
        sign = "*" if column.keep else "x" if column.title in self._on else " "
        note = "  always shown" if column.keep else ""
        at_cursor = index == self._at
        text = fit(f"{'>' if at_cursor else ' '}[{sign}] {column.title}{note}", width)
        return ((text, "cursor" if at_cursor else ""),)

    def on_key(self, event: Key) -> None:
        event.stop()
        event.prevent_default()
        last = len(self._columns) - 1
        moves = {"j": 1, "down": 1, "k": -1, "up": -1, "g": -last, "home": -last, "G": last, "end": last}
        if event.key in ("escape", "q", "ctrl+c"):
            self.dismiss(None)
        elif event.key == "enter":
            self.dismiss(Choice(tuple(column.title for column in self._columns if column.title in self._on)))
        elif event.key == "0":
            self.dismiss(Choice(None))
        elif event.key == "space":
            column = self._columns[self._at]
            if not column.keep:
                self._on ^= {column.title}
            self._draw()
        elif event.key in moves:
            self._at = min(max(0, self._at + moves[event.key]), last)
            self._draw()
