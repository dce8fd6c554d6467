"""`?`: every key of the view and of the console with the command line that does the same, made from the registry."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from typing import Any, ClassVar

from rich.cells import cell_len
from textual.binding import Binding
from textual.widget import Widget

from tui.actions import ACTIONS, Action
from tui.format import fit, wrap
from tui.keymap import Keymap
from tui.looks import LOOKS
from tui.lookup import Situation
from tui.screens.view import ViewScreen, back_binding, look_bindings
from tui.theme import CAMPAIGNS, JOBS, Mark
from tui.widgets.columns import Item, Sections, blank, fixed, heading
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines, plain

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


def _part(scope: str) -> str:
    return "Act everywhere" if scope == "engine" else f"Act on {SCOPES.get(scope, scope)}"


def rows(keymap: Keymap | None = None) -> list[tuple[str, str, str, str]]:
    """(part, keys, title, command line) of everything the console understands; the docs show the same rows."""
    keys = keymap or Keymap()
    found = [
        (_part(action.scope), keys.shown(action.id) or ":", action.title,
         PLACES.sub(lambda place: WORDS[place[1]], action.shell))
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


FILTER = (
    "state:failed,retry   one of       -state:done         not       campaign:spring*  like this",
    "error:~421           contains     try:>3 id:1..9      compared  age:>1h since:24h next:<10m",
    '"free words"         in id, recipient, error; tab completes what the list understands',
)
"""The filter language at a glance; docs/console.md tells all of it."""
ABOUT_ROWS = 2


def bound(view: ViewScreen) -> set[str]:
    """The ids of the keys that this view has, beside those of the whole console."""
    every = (binding for kind in type(view).__mro__ for binding in vars(kind).get("BINDINGS", ()))
    return {binding.id for binding in every if isinstance(binding, Binding) and binding.id}


class HelpScreen(ViewScreen):
    """What can be done in the view that it was opened over stands first. `/` finds rows by words."""

    CSS_PATH: ClassVar = ["view.tcss", "help.tcss"]
    BINDINGS: ClassVar = [*look_bindings("shape", only=("view.filter",)), back_binding("put_back")]
    HINTS: ClassVar = ("view.filter", "app.back")

    def __init__(self, over: ViewScreen) -> None:
        super().__init__()
        self._tab = over.tab
        self._title = over.crumb()
        self._targets = over.targets()
        self._bound = bound(over)
        self._words = ""

    @property
    def tab(self) -> str:
        return self._tab

    def token(self) -> Hashable:
        return "help"

    def reads(self) -> Callable[..., Any]:
        return lambda reader, now: {}

    def crumb(self) -> str:
        return f"Help > {self._title}{f'  /{self._words}' if self._words else ''}"

    def body(self) -> Iterable[Widget]:
        yield Grid(id="help")
        yield Lines(id="about")

    def show(self, data: Any, now: int) -> None:
        self.crumb_right = f"{self.named('view.filter')} finds   {self.named('app.back')} close"
        items = self._items()
        self.query_one(Grid).show(Sections(items or [heading(f"nothing here holds '{self._words}'", "")]))
        self.redraw_for_cursor()

    def redraw_for_cursor(self) -> None:
        """The whole row, where it is cut."""
        row = self.query_one(Grid).current
        lines = [plain(f" {line}", "dim") for line in wrap(row, self.size.width - 2)[:ABOUT_ROWS]] if row else []
        self.query_one("#about", Lines).show(lines)

    # finding

    def action_filter(self) -> None:
        before = self._words
        self.prompt.open("/", before, on_submit=self._find, on_change=self._find, on_cancel=lambda: self._find(before))

    def _find(self, text: str) -> None:
        self._words = " ".join(text.split())
        self.redraw()

    async def action_put_back(self) -> None:
        if self._words:
            self._find("")
        else:
            await self.console.action_back()

    # what stands there

    def _items(self) -> list[Item]:
        """Every part under its heading; of each the rows that hold the words that are looked for."""
        items: list[Item] = []
        for title, entries in self._parts():
            wanted = self._words.casefold().split()
            shown = [entry for entry in entries if all(word in entry.row.casefold() for word in wanted)]
            if shown:
                items += [*([blank()] if items else []), heading(title), *shown]
        return items

    def _parts(self) -> list[tuple[str, list[Item]]]:
        keys = rows(self.console.keymap)
        parts = {title: [(i, row) for i, row in enumerate(keys) if row[0] == title] for title, *_ in keys}
        here = [name for name in (_part(target.scope) for target in self._targets) if name in parts]
        here += [
            title for where, title in PARTS if any(look.where == where and look.id in self._bound for look in LOOKS)
        ]
        here = list(dict.fromkeys(here))
        common = ["Move", _part("engine"), "Go"]
        found = [(f"THIS VIEW: {name.upper()}", self._rows(parts[name])) for name in here]
        found += [(name.upper(), self._rows(parts[name])) for name in common]
        found.append(("FILTER", [fixed(plain(f"  {line}"), ("filter", i), line) for i, line in enumerate(FILTER)]))
        states = [fixed(line, ("state", i), "".join(text for text, _ in line)) for i, line in enumerate(state_lines())]
        found.append(("STATES", states))
        return found + [
            (f"ELSEWHERE: {name.upper()}", self._rows(parts[name])) for name in parts if name not in (*here, *common)
        ]

    def _rows(self, entries: list[tuple[int, tuple[str, str, str, str]]]) -> list[Item]:
        situation = self.console.situation()
        items = []
        for i, (_, key, title, twin) in entries:
            reason = self._off(IN_PARTS[i], situation) if i < len(IN_PARTS) else ""
            line: Line = (
                (fit(key, 10), "key"),
                (f"{fit(title, max(22, cell_len(title)))} ", "dim" if reason else ""),
                (reason or twin, "warn" if reason else "dim"),
            )
            items.append(fixed(line, ("key", i), "  ".join(filter(None, (key, title, reason, twin)))))
        return items

    def _off(self, action: Action, situation: Situation) -> str:
        """Why an action is off for the row that the help was opened over."""
        for target in [*self._targets, *self.console.common_targets()]:
            if target.scope == action.scope:
                reason = action.off(target.row, situation)
                return f"off: {reason}" if reason else ""
        return ""
