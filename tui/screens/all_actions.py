"""`a`: every action for what is under the cursor, those that are off with the reason; enter does one."""

from __future__ import annotations

from typing import Any

from tui.actions import ACTIONS, Action, Target
from tui.format import fit
from tui.keynames import shown_key
from tui.screens.help import SCOPES
from tui.screens.page import Page
from tui.widgets.columns import Item, blank, fixed, heading
from tui.widgets.grid import Grid
from tui.widgets.lines import Line


def named(target: Target) -> str:
    """What a target is called in a heading."""
    name = target.row.get("name") or target.row.get("error_key") or target.row.get("id", "")
    kind = SCOPES.get(target.scope, target.scope)
    return kind.upper() if target.scope in ("engine", "marked") else f"{kind.partition(' ')[2].upper()} {name}"


class ActionsScreen(Page):
    def __init__(self, mode: str, title: str, targets: list[Target]) -> None:
        super().__init__(mode, f"All actions > {title}")
        self._targets = targets

    def items(self, data: Any, now: int) -> list[Item]:
        situation = self.console.situation()
        items: list[Item] = []
        for place, target in enumerate(self._targets):
            found = [action for action in ACTIONS if action.scope == target.scope]
            if not found:
                continue
            items += [blank(), heading(named(target))] if items else [heading(named(target))]
            for action in found:
                reason = action.off(target.row, situation)
                line = self._line(action, target, reason)
                items.append(fixed(line, (place, action.id), (action, target)))
        return items

    def _line(self, action: Action, target: Target, reason: str) -> Line:
        key = shown_key(self.console.keymap.key(action.id)) or ":"
        rest = f"off: {reason}" if reason else action.command(target.row)
        return (
            (fit(key, 6), "key"),
            (fit(action.title, 24) + " ", "dim" if reason else ""),
            (rest, "warn" if reason else "dim"),
        )

    def redraw_for_cursor(self) -> None:
        """The whole sentence, where the row has no room for it."""
        row = self.query_one(Grid).current
        if row is not None:
            action, target = row
            reason = action.off(target.row, self.console.situation())
            self.console.say(f"off: {reason}" if reason else action.command(target.row))

    def chosen(self, row: tuple[Action, Target]) -> None:
        action, target = row
        if reason := action.off(target.row, self.console.situation()):
            self.console.say(f"{action.title} is off: {reason}", "warn")
            return
        self.console.pop_screen()
        self.console.begin(action, target.row)
