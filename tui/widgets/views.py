"""Row 2: the views, which a mouse can choose."""

from __future__ import annotations

from textual.events import Click

from tui.widgets.frame import VIEWS
from tui.widgets.lines import Lines


class Views(Lines):
    """The row of views; a click goes to the one under it."""

    DEFAULT_CSS = "Views { height: 1; width: 1fr; }"

    async def on_click(self, event: Click) -> None:
        if (name := view_at(event.x)) is not None:
            await self.run_action(f"app.view({name!r})")


def view_at(column: int) -> str | None:
    """The view whose words stand in this column, counted from 0."""
    begin = 1
    for name, key, word in VIEWS:
        end = begin + len(key) + len(word)
        if begin <= column < end:
            return name
        begin = end + 1
    return None
