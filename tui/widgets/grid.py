"""The list of every view: a cursor over lines that a source gives, drawn on the line API.

The source decides what a row is. This widget asks only for the lines it shows, so a source may hold a few rows or
page through millions by key; cursor and view follow a row's key through changes, not its place.
"""

from __future__ import annotations

from collections.abc import Hashable, Set
from typing import Any, Protocol, runtime_checkable

from textual.events import Click
from textual.geometry import Region
from textual.strip import Strip

from tui.themes import STYLES
from tui.widgets.lines import BLANK, Line, Rows, to_strip


class Source(Protocol):
    """Rows of a list. `count` may be an estimate; `key` is None for a row that the cursor passes over."""

    def count(self) -> int: ...

    def key(self, index: int) -> Hashable | None: ...

    def index_of(self, key: Hashable) -> int | None: ...

    def row(self, index: int) -> Any: ...

    def line(self, index: int, width: int) -> Line:
        """The row without its first two columns, which are the cursor and the mark."""
        ...


class Empty:
    """No rows."""

    def count(self) -> int:
        return 0

    def key(self, index: int) -> Hashable | None:
        return None

    def index_of(self, key: Hashable) -> int | None:
        return None

    def row(self, index: int) -> Any:
        return None

    def line(self, index: int, width: int) -> Line:
        return BLANK


@runtime_checkable
class Follower(Protocol):
    """A screen that shows more of the row under the cursor of its list."""

    def cursor_moved(self) -> None: ...


class Grid(Rows, can_focus=True):
    """Shows a source, and tells its screen (`Follower`) when the cursor is on another row. It has neither border nor
    padding: `outer_size`, which costs nothing, is its size."""

    DEFAULT_CSS = "Grid { height: 1fr; width: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._source: Source = Empty()
        self._cursor = -1
        self._key: Hashable | None = None
        self._top = 0
        self._shown: dict[int, tuple[Line, bool]] = {}
        """What each row of the widget shows, and whether that is the cursor's."""
        self._strips: dict[int, Strip] = {}
        """The same as it was drawn."""
        self._drawn_for: Hashable = None
        self._made: dict[int, Line] = {}
        """Lines that this source has given at this width, by index: moving the cursor makes none anew."""
        self._marks: Set[Hashable] = frozenset()

    # what stands where

    @property
    def cursor(self) -> int:
        """Index of the cursor's row, -1 without one."""
        return self._cursor

    @property
    def current(self) -> Any:
        """The cursor's row, None without one."""
        return self._source.row(self._cursor) if self._cursor >= 0 else None

    @property
    def in_sight(self) -> list[Any]:
        """The rows that the screen shows now."""
        end = min(self._source.count(), self._top + self.outer_size.height)
        return [self._source.row(i) for i in range(self._top, end) if self._source.key(i) is not None]

    @property
    def text(self) -> str:
        """The visible rows, for tests and for dumps to a file."""
        return "\n".join(self.render_line(y).text.rstrip() for y in range(self.outer_size.height)).rstrip()

    def show(self, source: Source) -> None:
        """Put another state of the list on the screen; the cursor stays on its row, or where that row was."""
        self._source = source
        self._made.clear()
        found = source.index_of(self._key) if self._key is not None else None
        if found is not None and self._cursor >= 0:
            # The row stays where it stands on the screen, also when more rows were put before it.
            self._top += found - self._cursor
        before = self._key
        self._place(found if found is not None else max(0, self._cursor), +1)
        self._redraw()
        if self._key != before:
            # Not before the screen has shown the rest of what it was given.
            self.call_later(self._moved)

    def _moved(self) -> None:
        # No message, which would climb through every container and be drawn a frame after the list.
        if self.is_attached and isinstance(self.screen, Follower):
            self.screen.cursor_moved()

    def open_on(self, key: Hashable) -> None:
        """Let the cursor begin on this row (for a list that is about to be shown)."""
        self._key = key

    def mark(self, keys: Set[Hashable]) -> None:
        """Show a `*` in column 2 of the rows with these keys."""
        if (marks := frozenset(keys)) != self._marks:
            self._marks = marks
            self._redraw()

    # moving

    def _place(self, index: int, direction: int) -> None:
        """Put the cursor on `index` or the next row that takes it, first in `direction`, then the other way."""
        total = self._source.count()
        index = min(max(0, index), total - 1)
        ways = (range(index, total), range(index, -1, -1))
        for way in ways if direction > 0 else reversed(ways):
            for at in way:
                if (key := self._source.key(at)) is not None:
                    self._cursor, self._key = at, key
                    return
        self._cursor, self._key = -1, None

    def move_to(self, index: int, direction: int = 1) -> None:
        before = self._cursor
        self._place(index, direction)
        if self._cursor != before:
            self._redraw()
            self._moved()

    def action_move(self, step: str) -> None:
        """`down`, `up`, `half_down`, `half_up`, `page_down`, `page_up`, `top`, `end`."""
        page = max(1, self.outer_size.height - 1)
        last = self._source.count() - 1
        by = {
            "down": 1, "up": -1, "half_down": page // 2 or 1, "half_up": -(page // 2 or 1),
            "page_down": page, "page_up": -page, "top": -last - 1, "end": last + 1,
        }[step]  # fmt: skip
        self.move_to(self._cursor + by, 1 if by > 0 else -1)

    async def on_click(self, event: Click) -> None:
        """With the mouse taken: a click moves the cursor, another one on it opens."""
        index = self._top + event.y
        if index == self._cursor:
            await self.run_action("screen.open")
        elif 0 <= index < self._source.count() and self._source.key(index) is not None:
            self.move_to(index)

    def on_mouse_scroll_down(self) -> None:
        self.action_move("down")

    def on_mouse_scroll_up(self) -> None:
        self.action_move("up")

    def on_resize(self) -> None:
        self._made.clear()
        self._redraw()

    # drawing

    def _scroll_to_cursor(self) -> None:
        height = max(1, self.outer_size.height)
        total = self._source.count()
        at = max(0, self._cursor)
        # Headings above the first row stay in sight with it.
        if at and all(self._source.key(i) is None for i in range(min(at, height))):
            at = 0
        if at < self._top:
            self._top = at
        elif self._cursor >= self._top + height:
            self._top = self._cursor - height + 1
        self._top = max(0, min(self._top, total - height))

    def _redraw(self) -> None:
        """Draw again exactly the lines that differ from what the screen holds."""
        self._scroll_to_cursor()
        width, height = self.outer_size
        changed = [y for y in range(height) if self._shown.get(y) != self._content(y, width)]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def _content(self, y: int, width: int) -> tuple[Line, bool]:
        index = self._top + y
        if index >= self._source.count():
            return BLANK, False
        line = self._made.get(index)
        if line is None:
            line = self._made[index] = self._source.line(index, width - 2)
        key = self._source.key(index)
        if key is None:
            return line, False
        at_cursor = index == self._cursor
        return ((f"{'>' if at_cursor else ' '}{'*' if key in self._marks else ' '}", ""), *line), at_cursor

    def render_line(self, y: int) -> Strip:
        width = self.outer_size.width
        content = self._content(y, width)
        strip = self._strips.get(y)
        if strip is None or self._shown.get(y) != content:
            self._shown[y] = line, at_cursor = content
            strip = self._strips[y] = to_strip(line, width, STYLES["cursor"] if at_cursor else None)
        return strip

    def render_lines(self, crop: Region) -> list[Strip]:
        drawn_for = (self.outer_size, STYLES["cursor"], STYLES[""])
        if drawn_for != self._drawn_for:
            self._drawn_for = drawn_for
            self._strips.clear()
        return super().render_lines(crop)
