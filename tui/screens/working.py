"""A screen that does something: it has keys of its own in the last row, asks for lines and calls the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from rich.cells import cell_len

from storage.errors import PacelineError
from tui.actions import Action
from tui.lookup import action, available
from tui.screens.view import ViewScreen
from tui.widgets import frame
from tui.widgets.lines import Line, Span


def in_words(error: PacelineError) -> str:
    """An error with its remedy, on one line."""
    return f"{error.message}{f' - {error.hint}' if error.hint else ''}"


class WorkingScreen(ViewScreen):
    """What may take a while is done beside the screen (`work`), and what keeps it from being done is said."""

    MODE = "campaigns"

    def hints(self, width: int) -> Line:
        if self.console.held or self.prompt.is_open:
            return super().hints(width)
        ways: list[Span] = [span for key, word in self.ways() for span in ((f" {key}", "key"), (f" {word} ", ""))]
        room = width - sum(cell_len(text) for text, _ in ways)
        return (*ways, *frame.hints(self.own_actions(), (), room, self.console.keymap))

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
        on_change: Callable[[str], None] | None = None,
        on_cancel: Callable[[], None] | None = None,
    ) -> None:
        """Ask for one line at the prompt; esc leaves everything as it is. `on_change` is called at every edit."""
        self.console.say("")
        self.prompt.open(
            f"{prefix}: ", initial, on_submit=lambda text: then(text.strip()), completer=completer,
            on_change=on_change, on_cancel=on_cancel,
        )  # fmt: skip

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
