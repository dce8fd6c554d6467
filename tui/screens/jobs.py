"""View 3: every job. Filtered, sorted by key, marked, and acted on as a set that is fixed when it is asked for."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace
from typing import Any, ClassVar

from textual.binding import Binding
from textual.timer import Timer
from textual.widget import Widget

from storage.errors import FilterError
from storage.filters import complete, parse
from storage.jobs_page import Query, Sort
from tui.actions import Target
from tui.format import count
from tui.looks import Look
from tui.screens.job_columns import job_columns
from tui.screens.jobs_window import Anchor, around, every_row, load, wants_move
from tui.screens.marks import Marks
from tui.screens.shaping import ShapedScreen
from tui.screens.view import ViewScreen, Written, look_bindings
from tui.widgets.columns import Column
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines

DEBOUNCE = 0.15
"""Seconds without a key before a filter that is being typed is applied."""
FAULTS = "state:failed,uncertain,held,bounced"


class AllJobsScreen(ShapedScreen):
    CSS_PATH: ClassVar = "view.tcss"
    MODE = "jobs"
    LIST = "jobs"
    HINTS: ClassVar = ("view.open", "view.filter", "mark.one", "mark.all")
    BINDINGS: ClassVar = [
        *look_bindings("shape", "columns", "order", "mark"),
        Binding("escape", "put_back", "back one step", id="jobs.put_back", show=False),
    ]

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self.text = text
        """The filter as it was typed."""
        self.broken = ""
        """Why the text that stands on row 3 is no filter: actions are off, the rows are those of the last one."""
        self.marks = Marks()
        self._query = Query(parse(text))
        self._anchor = Anchor()
        self._before = (text, "")
        self._go = ""
        self._debounce: Timer | None = None

    def on_mount(self) -> None:
        kept = self.shape
        if kept.sort in self.orders():
            self._query = replace(self._query, sort=Sort(kept.sort), descending=kept.descending)

    # what is read

    def token(self) -> Hashable:
        return ("all jobs", self._query, self._anchor)

    def reads(self) -> Any:
        query, anchor, marks = self._query, self._anchor, tuple(self.marks.ids)
        return lambda reader, now: load(reader, now, query, anchor, marks)

    def crumb(self) -> str:
        shown = f"{self.text}  (does not parse)" if self.broken else self.text
        return f"Jobs  {shown}".rstrip()

    def body(self) -> Iterable[Widget]:
        yield Lines(id="head")
        yield Grid(id="jobs")

    # what is shown

    def columns(self, now: int) -> list[Column]:
        return job_columns(now)

    def show(self, data: dict[str, Any], now: int) -> None:
        grid = self.query_one(Grid)
        rows = data["rows"]
        nothing = ((" No job matches." if self.text else " There are no jobs yet.", ""),)
        self.show_table(rows, lambda row: row["id"], now, nothing)
        if self._go and rows:
            grid.move_to(0 if self._go == "top" else len(rows) - 1)
            self._go = ""
        self._show_marks()

    def _show_marks(self) -> None:
        grid = self.query_one(Grid)
        grid.mark({row["id"] for row in self.rows()} if self.marks.all else self.marks.ids)
        self.crumb_right = self._right()

    def _right(self) -> str:
        data = self.data
        if data is None:
            return ""
        parts = [f"{data['count']} of {data['total']}" if self._query.filter.terms else f"{data['total']} jobs"]
        if self._query.sort is not Sort.ID or self._query.descending:
            parts.append(f"by {self._query.sort}{' down' if self._query.descending else ''}")
        if self.marks.all:
            parts.append(f"{data['count']} marked all")
        elif self.marks.ids:
            hidden = f" {data['hidden']} hid" if data["hidden"] else ""
            parts.append(f"{count(len(self.marks.ids))} marked{hidden}")
        return "  ".join(parts)

    def written(self) -> Written:
        query = self._query
        return lambda reader, now: every_row(reader, query, now)

    def filter_off(self) -> str:
        return f"the filter does not parse: {self.broken}" if self.broken else ""

    def rows(self) -> list[dict[str, Any]]:
        return self.data["rows"] if self.data else []

    def looks_on(self) -> list[Look]:
        """With marks the last row has room for what can be done with them."""
        return [] if self.marks.any else super().looks_on()

    # moving

    def action_move(self, step: str) -> None:
        data = self.data
        if data is not None and ((step == "top" and data["before"]) or (step == "end" and data["after"])):
            self._go = step
            self._read(Anchor(step))
            return
        super().action_move(step)

    def on_grid_moved(self) -> None:
        grid = self.query_one(Grid)
        if self.data is not None:
            self.marks.reach(self.rows(), grid.cursor)
            if grid.current is not None and wants_move(self.data, grid.cursor) and not self._go:
                self._read(around(grid.current, self._query.sort))
        self._show_marks()

    def _read(self, anchor: Anchor) -> None:
        if anchor != self._anchor:
            self._anchor = anchor
            self.watch_data()

    # filter and order

    def action_filter(self) -> None:
        self._before = (self.text, self.broken)
        self.console.learn_names()
        self.prompt.open(
            "/", self.text, on_submit=self._keep, on_change=self._changed, on_cancel=self._restore,
            completer=self._offers, history=self.console.filters,
        )  # fmt: skip

    def _offers(self, line: str) -> list[str]:
        cut = len(line) - len(line.split(" ")[-1])
        return [line[:cut] + offer for offer in complete(line, len(line), self.console.names)] if line[cut:] else []

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
            filter = parse(text)
        except FilterError as error:
            self.broken = f"{error.message} - {error.hint}"
            self.console.say(self.broken, "warn")
            return
        if self.broken:
            self.console.say("")
        self.broken = ""
        if filter != self._query.filter:
            self.marks.all = False
            self._turn(replace(self._query, filter=filter))
        self.redraw()

    async def action_put_back(self) -> None:
        """One step back: a range, the filter, the view."""
        if self.marks.ranging:
            self.marks.end_range()
            self.console.say("")
        elif self.text:
            self.narrow(self._before[0] if self.broken and self._before[0] != self.text else "")
        else:
            await self.console.action_back()

    def action_faults(self) -> None:
        self.narrow("" if self.text == FAULTS else FAULTS)

    def sorted_by(self) -> tuple[str, bool]:
        return ("ID" if self._query.sort is Sort.ID else "NEXT/AGE"), self._query.descending

    def orders(self) -> list[str]:
        return [sort.value for sort in Sort]

    def action_sort_column(self, by: int) -> None:
        order = self.orders()
        self.sort_by(order[(order.index(self._query.sort) + by) % len(order)])

    def sort_by(self, title: str) -> None:
        sort = Sort(title)
        self._turn(replace(self._query, sort=sort, descending=sort is Sort.CHANGED))

    def action_flip(self) -> None:
        self._turn(replace(self._query, descending=not self._query.descending))

    def _turn(self, query: Query) -> None:
        """Another set or order: the cursor's job stays in sight where that is possible."""
        self._query, self._go = query, ""
        self.turn_shape(replace(self.shape, sort=query.sort.value, descending=query.descending))
        row = self.query_one(Grid).current
        self._anchor = around(row, query.sort) if row else Anchor()
        self.watch_data()
        self.draw_frame()

    # marks

    def action_mark(self) -> None:
        grid = self.query_one(Grid)
        if grid.current is not None:
            self.marks.flip(grid.current["id"])
            grid.action_move("down")
        self._marked()

    def action_range(self) -> None:
        grid = self.query_one(Grid)
        if self.marks.ranging:
            self.marks.end_range()
        elif grid.current is not None:
            self.marks.begin_range(grid.current["id"])
            self.console.say("range: move, then v ends it, esc too")
        self._marked()

    def action_mark_all(self) -> None:
        """All that match; again: the rows in sight; again: none."""
        self.marks.turn([row["id"] for row in self.query_one(Grid).in_sight])
        self._marked()

    def action_unmark(self) -> None:
        self.marks.clear()
        self._marked()

    def _marked(self) -> None:
        self._show_marks()
        self.draw_frame()

    # acting

    def targets(self) -> list[Target]:
        found = []
        row = self.query_one(Grid).current
        off = {"off": f"the filter does not parse: {self.broken}"} if self.broken else {}
        if self.marks.any and self.data is not None:
            marked = {
                "all": self.marks.all, "ids": sorted(self.marks.ids), "filter": self.text,
                "query": self._query, "marks": self.marks, **off,
            }  # fmt: skip
            found.append(Target("marked", marked))
        return [*found, Target("job", {**row, **off})] if row else found

    def opens(self) -> ViewScreen | None:
        from tui.screens.job import JobScreen

        row = self.query_one(Grid).current
        return JobScreen(row["id"], "Jobs") if row else None
