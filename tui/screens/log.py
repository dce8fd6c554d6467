"""View 9: who did what, from where, to how many; what the engine did by itself. Follows, or stands while read."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, ClassVar

from textual.widget import Widget

from storage.event_pages import LEVELS, SEARCHED, find, page
from tui.actions import Row, Target
from tui.format import count
from tui.missed import Missed
from tui.screens.log_lines import Events, about, columns_at
from tui.screens.view import PAGE, ViewScreen, look_bindings
from tui.widgets.columns import header
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines

KEPT = 2_000
"""Rows held at most; further ones are read again when they are scrolled to."""
NEAR = 20
SHOWN = (("all levels", LEVELS), ("warnings and errors", LEVELS[1:]), ("errors only", LEVELS[2:]))


class LogScreen(ViewScreen):
    """With the cursor on the last row it follows. Anywhere else nothing moves: what arrives is counted and joins when
    the end is reached again (G)."""

    CSS_PATH: ClassVar = ["view.tcss", "log.tcss"]
    BINDINGS: ClassVar = look_bindings("shape", "text")
    MODE = "log"
    HINTS: ClassVar = ("view.open", "view.filter", "view.only", "view.faults")

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self.words = ""
        self.only = ""
        """What every row must hold."""
        self._level = 0
        self._whole = False
        """Whether the first row is the oldest event."""
        self._cut = False
        """Whether rows after the last one were let go."""
        self._reading = False

    def token(self) -> Hashable:
        return ("log", self._level, self.only)

    @property
    def levels(self) -> tuple[str, ...]:
        return SHOWN[self._level][1]

    def reads(self) -> Any:
        levels, only = self.levels, self.only
        return lambda reader, now: page(reader, levels=levels, only=only, limit=PAGE)

    def crumb(self) -> str:
        only = f"  &{self.only}" if self.only else ""
        search = f"  /{self.words}" if self.words else ""
        return f"Log  {SHOWN[self._level][0]}{only}{search}"

    def body(self) -> Iterable[Widget]:
        yield Lines(id="head")
        yield Grid(id="events")
        yield Lines(id="about")

    def show(self, data: list[Row], now: int) -> None:
        grid = self.query_one(Grid)
        following = self._follows()
        if following:
            self._join(data)
        new = sum(row["id"] > self.rows[-1]["id"] for row in data) if self.rows else 0
        more = "+" if new >= PAGE or self._cut else ""
        waiting = f"{count(new)}{more} new: " if new else ""
        self.crumb_right = "follows" if following else f"{waiting}{self.named('move.end')} follows"
        columns = columns_at(now)
        kind = f" that holds '{self.only}'" if self.only else ""
        level = " on this level" if self._level else ""
        nothing = ((f" Nothing{kind} has happened{level} yet.", ""),)
        self.query_one("#head", Lines).show([header(columns, self.size.width) if self.rows else nothing])
        grid.show(Events(self.rows, now, self.words))
        if following:
            grid.move_to(len(self.rows) - 1, -1)
        self.redraw_for_cursor()

    def _follows(self) -> bool:
        return not self.rows or (not self._cut and self.query_one(Grid).cursor in (-1, len(self.rows) - 1))

    def _join(self, data: list[Row]) -> None:
        """Let what arrived follow; a gap that is wider than a page begins anew."""
        last = self.rows[-1]["id"] if self.rows else 0
        new = [row for row in data if row["id"] > last]
        if not self.rows or self._cut or len(new) == PAGE:
            self.rows, self._cut, self._whole = list(data), False, len(data) < PAGE
        else:
            self.rows = [*self.rows, *new][-KEPT:]
            self._whole = self._whole and len(self.rows) < KEPT

    def missed(self, data: list[Row]) -> Missed:
        """The page moves on: what left it is not gone."""
        last = self.data[-1]["id"] if self.data else 0
        return 0, sum(row["id"] > last for row in data), 0

    def redraw_for_cursor(self) -> None:
        grid = self.query_one(Grid)
        self.query_one("#about", Lines).show(
            about(grid.current, self.console.present(), self.size.width, self.named("view.open"))
        )
        if 0 <= grid.cursor < NEAR and not self._whole and not self._reading and len(self.rows) >= PAGE:
            self.run_worker(self._older(), group="older")

    async def _older(self) -> None:
        self._reading = True
        try:
            first, shown = self.rows[0]["id"], self.token()
            levels, only = self.levels, self.only
            found: list[Row] = await self.console.read_once(
                lambda reader, now: page(reader, before=first, levels=levels, only=only, limit=PAGE)
            )
        finally:
            self._reading = False
        if self.rows and self.rows[0]["id"] == first and shown == self.token():
            self._whole = len(found) < PAGE
            rows = [*found, *self.rows]
            self._cut = self._cut or len(rows) > KEPT
            self._show_rows(rows[:KEPT])

    def _show_rows(self, rows: list[Row]) -> None:
        self.rows = rows
        self.query_one(Grid).show(Events(rows, self.console.present(), self.words))
        self.redraw()

    def action_move(self, step: str) -> None:
        if step == "end" and self.data is not None and not self._follows():
            self._join(self.data)
            self.query_one(Grid).show(Events(self.rows, self.console.present(), self.words))
        super().action_move(step)

    def cursor_moved(self) -> None:
        self.redraw()

    # what is shown

    def action_faults(self) -> None:
        """All levels, warnings and errors, errors only."""
        self._level = (self._level + 1) % len(SHOWN)
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.data, self.rows, self._whole, self._cut = None, [], False, False
        self.watch_data()

    def action_only(self) -> None:
        """Show only rows that hold some words; with none, all of them again."""
        self.prompt.open("&", self.only, on_submit=self.narrow)

    def narrow(self, text: str) -> None:
        if text.strip() != self.only:
            self.only = text.strip()
            self._begin_anew()

    def action_filter(self) -> None:
        self.prompt.open("/", on_submit=self._search)

    def _search(self, words: str) -> None:
        self.words = words.strip()
        self.redraw()
        if self.words:
            self.action_match(-1)

    def action_match(self, by: int) -> None:
        """Go to the next match: -1 the older one, 1 the newer one."""
        if not self.words:
            self.console.say("search first: / and what to look for")
        elif not self._reading and self.rows:
            self.run_worker(self._go_to_match(older=by < 0), group="match")

    async def _go_to_match(self, *, older: bool) -> None:
        grid = self.query_one(Grid)
        words, levels, only = self.words, self.levels, self.only
        start = grid.current["id"] if grid.current else self.rows[-1]["id"]
        found = await self.console.read_once(
            lambda reader, now: find(reader, words, start=start, older=older, levels=levels, only=only)
        )
        if found is None:
            way = "older" if older else "newer"
            self.console.say(f"no {way} match of '{words}' within {SEARCHED:,} events")
            return
        if not any(row["id"] == found for row in self.rows):
            self.rows = await self.console.read_once(
                lambda reader, now: (
                    page(reader, before=found, levels=levels, only=only, limit=PAGE // 2)
                    + page(reader, at=found, levels=levels, only=only, limit=PAGE // 2)
                )
            )
            self._cut, self._whole = True, False
        grid.open_on(found)
        self._show_rows(self.rows)
        self.console.say(f"/{words}: n older, N newer")

    # going

    def targets(self) -> list[Target]:
        row = self.query_one(Grid).current
        return [Target("event", row)] if row else []

    def opens(self) -> ViewScreen | None:
        from tui.screens.campaign import CampaignScreen
        from tui.screens.job import JobScreen
        from tui.screens.queues import QueueScreen

        row = self.query_one(Grid).current
        if row is None:
            return None
        if row["job_id"]:
            return JobScreen(row["job_id"], "Log")
        if row["campaign"]:
            return CampaignScreen(row["campaign"])
        if row["queue"]:
            return QueueScreen(row["queue"])
        self.console.note("this event is about the engine as a whole")
        return None
