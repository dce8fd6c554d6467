"""`f`: the operator's choice to hold the screen still, and what was missed meanwhile."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from tui.feed import Feed, Snapshot
from tui.format import count

if TYPE_CHECKING:
    from textual.app import App

    from tui.screens.view import ViewScreen

    Base = App[int]
else:
    Base = object

Missed = tuple[int, int, int]
"""Changed, new, gone."""


def differences(before: Any, after: Any) -> Missed:
    """How many rows differ between two readings of one view: rows are dicts with an `id` or a `raw_key`."""
    old, new = _rows(before), _rows(after)
    changed = sum(row != new[key] for key, row in old.items() if key in new)
    return changed, len(new.keys() - old.keys()), len(old.keys() - new.keys())


def _rows(data: Any) -> dict[Hashable, Any]:
    lists = {"": data} if isinstance(data, list) else data if isinstance(data, dict) else {}
    found: dict[Hashable, Any] = {}
    for name, rows in lists.items():
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and (key := row.get("id", row.get("raw_key"))) is not None:
                found[name, key] = row
    return found


def in_words(missed: Missed) -> str:
    changed, new, gone = missed
    return f"{count(changed)} changed, {count(new)} new, {count(gone)} gone"


class Freezing(Base):
    """The part of the console that can stand still. The engine goes on; acting on what is frozen asks the engine,
    which looks at the present state."""

    feed: Feed
    frozen_at: int | None = None
    """When it was frozen (us); None: live."""
    _missed: Missed = (0, 0, 0)

    def now(self) -> int:
        raise NotImplementedError

    @property
    def view(self) -> ViewScreen | None:
        raise NotImplementedError

    def say(self, text: str, style: str = "") -> None:
        raise NotImplementedError

    def present(self) -> int:
        """The moment that the screen shows."""
        return self.now() if self.frozen_at is None else self.frozen_at

    def action_freeze(self) -> None:
        view = self.view
        if view is None:
            return
        if self.frozen_at is None:
            self.frozen_at, self._missed = self.now(), (0, 0, 0)
            self._seen: set[Hashable] = {view.token()} if view.data is not None else set()
            self.say("frozen: the engine goes on, f catches up")
        else:
            self.frozen_at = None
            self.say(f"caught up: {in_words(self._missed)}" if any(self._missed) else "live again: nothing changed")
            self.feed.again()

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
            self.say(f"f: {in_words(missed)} while frozen - press f to catch up")
        self._missed = missed
        return False
