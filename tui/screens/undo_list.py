"""`Z`: the last changes that can still be taken back; enter asks about the chosen one."""

from __future__ import annotations

from typing import Any

from tui.format import fit, span
from tui.screens.page import Page
from tui.undo import Undo
from tui.widgets.columns import Item, fixed, heading
from tui.widgets.lines import Line


class UndoScreen(Page):
    def items(self, data: Any, now: int) -> list[Item]:
        found = self.console.undos.open(self.console.now())
        if not found:
            return [heading("NOTHING CAN BE TAKEN BACK: what was sent stays sent")]
        head = heading(f"{'AGO':<10} {'STILL':<10} CHANGE")
        return [head, *(fixed(self._line(undo), id(undo), undo) for undo in found)]

    def _line(self, undo: Undo) -> Line:
        now = self.console.now()
        left = span(undo.until - now) if undo.until is not None else "-"
        return ((fit(span(now - undo.at), 10) + " ", ""), (fit(left, 10) + " ", "warn"), (undo.title, ""))

    def chosen(self, row: Undo) -> None:
        self.console.take_back(row)
