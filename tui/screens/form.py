"""A screen of named values: the cursor goes from one to the next, enter changes the one under it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Iterable, Sequence
from typing import Any, ClassVar

from textual.widget import Widget

from storage.errors import PacelineError
from tui.actions import Action, action, available
from tui.format import fit, wrap
from tui.safe_text import safe_text
from tui.screens.view import ViewScreen
from tui.widgets import frame
from tui.widgets.columns import Item, Sections
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines

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


def in_words(error: PacelineError) -> str:
    """An error with its remedy, on one line."""
    return f"{error.message}{f' - {error.hint}' if error.hint else ''}"


class FormScreen(ViewScreen):
    """A subclass says what stands there (`items`) and what enter does with each (`chosen`)."""

    CSS_PATH: ClassVar[Any] = ["view.tcss", "form.tcss"]
    MODE = "campaigns"
    HINTS: ClassVar[tuple[str, ...]] = ("view.open",)

    def body(self) -> Iterable[Widget]:
        yield Lines(id="above")
        yield Grid(id="form")

    def items(self, data: Any, now: int, width: int) -> Sequence[Item]:
        raise NotImplementedError

    def chosen(self, key: Hashable, row: Any) -> None:
        """Enter was pressed on this value."""
        raise NotImplementedError

    def show(self, data: Any, now: int) -> None:
        self.query_one("#form", Grid).show(Sections(self.items(data, now, self.size.width)))

    def action_open(self) -> None:
        grid = self.query_one("#form", Grid)
        if grid.current is not None and self.data is not None:
            self.chosen(*grid.current)

    def hints(self, width: int) -> Line:
        if self.console.held or self.prompt.is_open:
            return super().hints(width)
        shown = frame.hints(self.own_actions(), (), width, self.console.keymap)
        return (*(span for key, word in self.ways() for span in ((f" {key}", "key"), (f" {word} ", ""))), *shown)

    def ways(self) -> tuple[tuple[str, str], ...]:
        """Keys of this screen and what they do, for the last row."""
        return self.ways_of(("view.open", "change"), ("app.back", "back"))

    def ways_of(self, *ways: tuple[str, str]) -> tuple[tuple[str, str], ...]:
        """Ids and what they do here, as `ways` gives them."""
        return tuple((self.named(id), does) for id, does in ways)

    def own_actions(self) -> list[Action]:
        """The actions of this screen that are on; those of the whole program stand in every other view."""
        return available(self.targets(), self.console.situation(), self.console.keymap.key)

    # changing

    def may_change(self) -> bool:
        """Whether anything can be changed now; if not, the message says why."""
        off = action("campaign.edit").off_here(self.console.situation())
        if off:
            self.console.say(f"this is off: {off}", "warn")
        return not off

    def ask_line(
        self,
        prefix: str,
        initial: str,
        then: Callable[[str], None],
        *,
        completer: Callable[[str], Sequence[str]] | None = None,
    ) -> None:
        """Ask for one line at the prompt; esc leaves everything as it is."""
        self.console.say("")
        self.prompt.open(f"{prefix}: ", initial, on_submit=lambda text: then(text.strip()), completer=completer)

    def work(self, doing: Coroutine[Any, Any, None]) -> None:
        """Do something that may take a while; what keeps it from being done becomes the message."""
        self.console.run_worker(self._safely(doing), group="form", exit_on_error=True)

    async def _safely(self, doing: Coroutine[Any, Any, None]) -> None:
        try:
            await doing
        except PacelineError as error:
            self.console.say(in_words(error), "bad")
        if self.is_attached:
            self.redraw()
        self.console.feed.again()

    async def call(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        """One action of the engine's control. Raises PacelineError."""
        return await asyncio.wrap_future(self.console.link.call(name, args))
