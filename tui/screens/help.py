"""`?`: every key of the view and of the console with the command line that does the same, made from the registry."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from typing import Any, ClassVar

from textual.widget import Widget

from tui.actions import ACTIONS, Action, Target
from tui.format import fit
from tui.keymap import Keymap
from tui.looks import LOOKS
from tui.lookup import Situation
from tui.screens.view import ViewScreen
from tui.theme import CAMPAIGNS, JOBS, Mark
from tui.widgets.columns import Item, Sections, blank, fixed, heading
from tui.widgets.grid import Grid
from tui.widgets.lines import Line

SCOPES = {
    "campaign": "a campaign",
    "letter": "a message that is looked at",
    "sequence": "the steps of a campaign",
    "step": "a step behind the first",
    "import": "an import of a draft",
    "group": "a group of failures",
    "marked": "the marked jobs",
    "asked": "marked messages that wait for approval",
    "approval": "a message that waits for approval",
    "job": "a job",
    "jobs": "the list of jobs",
    "person": "a person",
    "suppressions": "the suppressions",
    "suppression": "a suppression",
    "queue": "a queue",
    "schedule": "a schedule",
    "schedules": "the schedules",
    "pipeline": "a pipeline",
    "alarm": "an alarm",
    "engine": "everywhere",
}

IN_PARTS = tuple(sorted(ACTIONS, key=lambda action: list(SCOPES).index(action.scope)))
"""The actions by what they act on; the registry's own order is that of the hints."""
PARTS = (
    ("shape", "Narrow"),
    ("columns", "Columns of a list"),
    ("order", "Order of a list"),
    ("mark", "Mark jobs"),
    ("text", "In the log"),
)
PLACES = re.compile(r"\{(\w+)\}")
WORDS = {"name": "NAME", "id": "ID", "error_key": "REASON", "campaign": "NAME", "only_campaign": "NAME",
    "chosen": '--filter "FILTER"', "step": "STEP", "address": "ADDRESS", "value": "VALUE",
}  # fmt: skip


def rows(keymap: Keymap | None = None) -> list[tuple[str, str, str, str]]:
    """(part, keys, title, command line) of everything the console understands; the docs show the same rows."""
    keys = keymap or Keymap()
    found = [
        ("Act everywhere" if action.scope == "engine" else f"Act on {SCOPES[action.scope]}",
         keys.shown(action.id) or ":", action.title, PLACES.sub(lambda place: WORDS[place[1]], action.shell))
        for action in IN_PARTS
    ]  # fmt: skip
    for where, part in (("move", "Move"), *PARTS, ("app", "Go")):
        found += [
            (part, keys.shown(look.id) or f":{look.word}", look.title, look.twin)
            for look in LOOKS
            if look.where == where
        ]
    return found


def markdown() -> str:
    """The key tables of `docs/console.md`."""
    lines: list[str] = []
    part = ""
    for row in rows():
        if row[0] != part:
            part = row[0]
            lines += ["", f"### {part}", "", "| key | does | command line |", "|---|---|---|"]
        keys = " ".join(f"`{key}`" for key in row[1].split())
        shell = f"`{row[3]}`" if row[3].startswith("paceline") else row[3]
        lines.append(f"| {keys} | {row[2]} | {shell} |".replace("|  |", "| |"))
    return "\n".join(lines).strip() + "\n"


def state_lines() -> list[Line]:
    """Glyphs and words of every state, four in a row."""

    def row(title: str, marks: list[Mark]) -> list[Line]:
        lines = []
        for start in range(0, len(marks), 5):
            spans = [(f" {title if start == 0 else '':<10} ", "head")]
            for mark in marks[start : start + 5]:
                spans += [(f"{mark.glyph} {mark.word}", mark.style), (" " * max(1, 11 - len(mark.word)), "")]
            lines.append(tuple(spans))
        return lines

    jobs = [JOBS[name] for name in JOBS if name not in ("draft", "paced")]
    return [*row("MESSAGES", jobs), *row("CAMPAIGNS", list(CAMPAIGNS.values()))]


class HelpScreen(ViewScreen):
    HINTS: ClassVar = ("app.back",)

    def __init__(self, mode: str, title: str, targets: list[Target]) -> None:
        super().__init__()
        self._mode = mode
        self._title = title
        self._targets = targets

    def token(self) -> Hashable:
        return "help"

    def reads(self) -> Callable[..., Any]:
        return lambda reader, now: {}

    def crumb(self) -> str:
        return f"Help > {self._title}"

    def body(self) -> Iterable[Widget]:
        yield Grid(id="help")

    def show(self, data: Any, now: int) -> None:
        self.crumb_right = f"{self.named('app.back')} close"
        self.query_one(Grid).show(Sections(self._items()))

    def _items(self) -> list[Item]:
        situation = self.console.situation()
        items: list[Item] = []
        part = ""
        for i, (where, key, title, twin) in enumerate(rows(self.console.keymap)):
            if where != part:
                items += [blank(), heading(where.upper())] if items else [heading(where.upper())]
                part = where
            reason = self._off(IN_PARTS[i], situation) if i < len(IN_PARTS) else ""
            line: Line = (
                (fit(key, 12), "key"),
                (fit(title, 22) + " ", "dim" if reason else ""),
                (reason or twin, "dim"),
            )
            items.append(fixed(line, ("key", i)))
        items += [blank(), heading("STATES")]
        items += [fixed(line, ("state", i)) for i, line in enumerate(state_lines())]
        return items

    def _off(self, action: Action, situation: Situation) -> str:
        """Why an action is off for the row that the help was opened over."""
        for target in [*self._targets, *self.console.common_targets()]:
            if target.scope == action.scope:
                reason = action.off(target.row, situation)
                return f"off: {reason}" if reason else ""
        return ""
