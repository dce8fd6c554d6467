"""Lists of which only the rows around the cursor are in memory, as many as the screen is tall and some more."""

from __future__ import annotations

from textual.events import Resize

from tui.screens.filtered import FilteredScreen
from tui.screens.jobs_window import reach


class WindowedScreen(FilteredScreen):
    """`half` is what its reads take; on a screen that became taller they take more."""

    _half = 0

    @property
    def half(self) -> int:
        """Rows on each side of the cursor that are to be read now."""
        self._half = reach(self.app.size.height)
        return self._half

    def on_resize(self, event: Resize) -> None:
        # A list below another view is told of the size too: it reads when it is shown again.
        if self.is_active and reach(event.size.height) > self._half:
            self.watch_data()
