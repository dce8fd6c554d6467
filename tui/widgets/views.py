"""Row 2: the views, which a mouse can choose."""

from __future__ import annotations

from textual.events import Click

from tui.keymap import Keymap
from tui.widgets.frame import view_words
from tui.widgets.lines import Lines


class Views(Lines):
    """The row of views; a click goes to the one under it."""

    DEFAULT_CSS = "Views { height: 1; width: 1fr; }"

    def __init__(self, keymap: Keymap, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._keymap = keymap

    async def on_click(self, event: Click) -> None:
        if (name := view_at(event.x, self._keymap)) is not None:
            await self.run_action(f"app.view({name!r})")


def view_at(column: int, keymap: Keymap) -> str | None:
    """The view whose words stand in this column, counted from 0."""
    begin = 1
    for name, text in view_words(keymap):
        end = begin + len(text)
        if begin <= column < end:
            return name
        begin = end + 1
    return None
