"""`f`: the operator's choice to hold the screen still, and what was missed meanwhile."""

from __future__ import annotations

from collections.abc import Hashable

from tui.base import ConsoleBase
from tui.feed import Snapshot
from tui.missed import Missed, in_words
from tui.screens.view import ViewScreen


class Freezing(ConsoleBase):
    """The part of the console that can stand still. The engine goes on; acting on what is frozen asks the engine,
    which looks at the present state."""

    _missed: Missed = (0, 0, 0)

    def action_freeze(self) -> None:
        view = self.view
        if view is None:
            return
        if self.frozen_at is None:
            self.frozen_at, self._missed = self.now(), (0, 0, 0)
            self._seen: set[Hashable] = {view.data_token}
            self.say(f"frozen: the engine goes on, {self.keymap.named('app.freeze')} catches up")
            view.watch_data()
        else:
            self.frozen_at = None
            self.say(f"caught up: {in_words(self._missed)}" if any(self._missed) else "live again: nothing changed")
            view.watch_data()

    def lets_in(self, view: ViewScreen, snapshot: Snapshot) -> bool:
        """Whether a view takes what was read. Frozen, each view is read once when it is first opened; after that
        the differences are counted."""
        if self.frozen_at is None or snapshot.token != view.token() or snapshot.error:
            return True
        if snapshot.token not in self._seen:
            self._seen.add(snapshot.token)
            return True
        missed = view.missed(snapshot.data)
        if missed != self._missed and any(missed):
            key = self.keymap.named("app.freeze")
            self.say(f"{key}: {in_words(missed)} while frozen - press {key} to catch up")
        if missed != self._missed:
            view.show_gone(snapshot.data)
            view.redraw()
        self._missed = missed
        return False
