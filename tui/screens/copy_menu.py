"""`Y`: what of the row can be copied: id, name, address, the server's words, commands that do the same."""

from __future__ import annotations

from typing import Any

from tui.actions import ACTIONS, Row, Target
from tui.format import fit
from tui.lookup import Situation
from tui.screens.page import Page
from tui.screens.raw import as_json, recorded
from tui.widgets.columns import Item, fixed, heading
from tui.widgets.lines import Line

FIELDS = (
    ("name", "name"), ("id", "id"), ("address", "address"), ("campaign", "campaign"), ("queue", "queue"),
    ("message_id", "message id"), ("raw_key", "reason"), ("error", "last error"), ("sample", "the server's words"),
    ("text", "what happened"),
)  # fmt: skip


def entries(targets: list[Target], situation: Situation) -> list[tuple[str, str]]:
    """(what it is, the text) of everything that can be copied, the nearest thing's fields first."""
    target = recorded(targets)
    if target is None:
        return []
    row = target.row
    found = [(title, str(row[name])) for name, title in FIELDS if isinstance(row.get(name), str | int) and row[name]]
    log = row.get("attempts_log")
    if log:
        found.append(("the server's words", str(log[-1].get("reply", ""))))
    for target in targets:
        found += [
            (f"command: {action.title}", action.command(target.row))
            for action in ACTIONS
            if action.scope == target.scope and action.twin and not action.off(target.row, situation)
        ]
    found.append(("record", as_json(_plain(row))))
    return list({(title, text): None for title, text in found if text})


def _plain(row: Row) -> Row:
    return {name: value for name, value in row.items() if isinstance(value, str | int | float | list | dict | None)}


class CopyScreen(Page):
    def __init__(self, mode: str, title: str, found: list[tuple[str, str]]) -> None:
        super().__init__(mode, f"Copy > {title}")
        self._entries = found

    def items(self, data: Any, now: int) -> list[Item]:
        items = [heading("ENTER COPIES")]
        for i, (title, text) in enumerate(self._entries):
            line: Line = ((fit(title, 28) + " ", "dim"), (" ".join(text.split()), ""))
            items.append(fixed(line, i, text))
        return items

    def chosen(self, row: str) -> None:
        self.console.pop_screen()
        self.console.copy_text(row)
