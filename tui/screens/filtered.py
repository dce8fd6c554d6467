"""Lists that `/` narrows: what is typed counts a moment later, esc puts the last filter back, a mistake keeps all."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from typing import ClassVar

from textual.binding import BindingType
from textual.timer import Timer

from storage.errors import FilterError
from storage.filter_languages import JOBS, Language
from storage.filter_terms import Filter
from storage.filters import complete, parse
from tui.actions import Row
from tui.feed import Snapshot
from tui.screens.shaping import ShapedScreen
from tui.screens.view import back_binding, look_bindings

DEBOUNCE = 0.15
"""Seconds without a key before a filter that is being typed is applied."""


class FilteredScreen(ShapedScreen):
    """A list with a filter. A subclass shows what it lets through (`show_filtered`)."""

    LANGUAGE: ClassVar[Language] = JOBS
    """What its filter can ask for."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self.text = text
        """The filter as it was typed."""
        self.filter = parse(text, self.LANGUAGE)
        """The last one that parsed: its rows are shown."""
        self.broken = ""
        """Why the text that stands on row 3 is no filter: actions are off, the rows are those of the last one."""
        self._before = (text, "")
        self._debounce: Timer | None = None

    @abstractmethod
    def show_filtered(self, filter: Filter) -> None:
        """Show what this filter lets through."""

    def filter_text(self) -> str:
        """What row 3 says of it."""
        return f"{self.text}  (does not parse)" if self.broken else self.text

    def filter_off(self) -> str:
        return f"the filter does not parse: {self.broken}" if self.broken else ""

    def action_filter(self) -> None:
        self._before = (self.text, self.broken)
        self.console.learn_names()
        self.prompt.open(
            "/", self.text, on_submit=self._keep, on_change=self._changed, on_cancel=self._restore,
            completer=self._offers, history=self.console.filters,
        )  # fmt: skip

    def _offers(self, line: str) -> list[str]:
        cut = len(line) - len(line.split(" ")[-1])
        return self._completed(line, cut) if line[cut:] else []

    def _completed(self, line: str, cut: int) -> list[str]:
        return [line[:cut] + offer for offer in complete(line, len(line), self.console.names, self.LANGUAGE)]

    def _changed(self, text: str) -> None:
        if self._debounce is not None:
            self._debounce.stop()
        self._debounce = self.set_timer(DEBOUNCE, lambda: self.narrow(text))

    def _keep(self, text: str) -> None:
        if self._debounce is not None:
            self._debounce.stop()
        self.narrow(text.strip())
        if not self.broken:
            self.console.say("")

    def _restore(self) -> None:
        if self._debounce is not None:
            self._debounce.stop()
        self.narrow(self._before[0])

    def narrow(self, text: str) -> None:
        """Show what this filter lets through. One that does not parse keeps the rows and turns the actions off."""
        self.text = text
        try:
            filter = parse(text, self.LANGUAGE)
        except FilterError as error:
            self.broken = f"{error.message} - {error.hint}"
            self.console.say(self.broken, "warn")
            return
        if self.broken:
            self.console.say("")
        self.broken = ""
        if filter != self.filter:
            self.filter = filter
            self.show_filtered(filter)
        self.redraw()

    def put_filter_back(self) -> None:
        """The filter before this one, or none."""
        self.narrow(self._before[0] if self.broken and self._before[0] != self.text else "")

    def off(self) -> Row:
        """What the rows of this list carry for the actions: why they are off."""
        return {"off": self.filter_off()} if self.broken else {}


class WholeFilteredScreen(FilteredScreen):
    """A filtered list that is read whole: `data` is `rows` and how many there are `of` them without a filter."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *look_bindings("shape", only=("view.filter",)),
        *look_bindings("columns", "order"),
        back_binding("put_back"),
    ]
    HINTS: ClassVar = ("view.open", "view.filter")

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.shown = self.filter
        """The filter of the rows that stand on the screen: what is typed is a read ahead of them."""
        self._reading = 0

    def token(self) -> Hashable:
        # A number beside the filter: frozen, each filter is read once, also one that comes again.
        return (type(self).__name__, self.filter, self._reading)

    def show_filtered(self, filter: Filter) -> None:
        self._reading += 1
        self.watch_data()

    def take(self, snapshot: Snapshot) -> None:
        if snapshot.token == self.token() and not snapshot.error:
            self.shown = self.filter
        super().take(snapshot)

    async def action_put_back(self) -> None:
        if self.text:
            self.put_filter_back()
        else:
            await self.console.action_back()
