"""`t`: how the screen tells moments."""

from __future__ import annotations

from tui.base import ConsoleBase
from tui.format import Times, set_times


class Telling(ConsoleBase):
    """The part of the console that chooses between UTC, local and relative times, and keeps the choice."""

    def begin_times(self) -> None:
        """Tell moments as the last run did."""
        kept = self.kept.text("times")
        self._times = next((way for way in Times if way.value == kept), Times.UTC)
        set_times(self._times, self.zone)

    def action_times(self) -> None:
        """UTC, local, relative, and round again."""
        self._times = self._times.next
        set_times(self._times, self.zone)
        self.kept.keep_text("times", self._times.value)
        self.say(f"times are {self._times.value}")
        if (view := self.view) is not None:
            view.redraw()
