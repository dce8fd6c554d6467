"""View 3: every job. Filtered, sorted by key, marked, and acted on as a set that is fixed when it is asked for."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace
from typing import Any, ClassVar

from textual.containers import Horizontal
from textual.events import Resize
from textual.widget import Widget

from storage.filter_terms import Filter
from storage.jobs_page import Query, Sort
from tui.actions import Target
from tui.feed import Snapshot
from tui.format import count, short
from tui.looks import Look
from tui.lookup import job_targets
from tui.missed import Missed
from tui.screens.job_columns import job_columns
from tui.screens.job_pane import WIDE, JobPane
from tui.screens.jobs_order import ONLY, narrowed, orders
from tui.screens.jobs_window import Anchor, around, every_row, load, wants_move
from tui.screens.marks import Marks
from tui.screens.view import ViewScreen, Written, back_binding, look_bindings
from tui.screens.windowed import WindowedScreen
from tui.widgets.columns import Column, chosen, fitting
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines
from tui.work_words import is_work, sums

FAULTS = "state:failed,uncertain,held,bounced"


class AllJobsScreen(WindowedScreen):
    CSS_PATH: ClassVar = ["view.tcss", "jobs.tcss"]
    MODE = "jobs"
    LIST = "jobs"
    HINTS: ClassVar[tuple[str, ...]] = ("view.open", "view.filter", "mark.one", "mark.all")
    BINDINGS: ClassVar = [
        *look_bindings("shape", "columns", "order", "mark"),
        back_binding("put_back"),
    ]

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.marks = Marks()
        self._query = Query(self.wanted())
        self._anchor = Anchor()
        self._go = ""

    def on_mount(self) -> None:
        kept = self.shape
        if kept.sort in self.orders():
            sort = Sort(kept.sort)
            self._query = Query(narrowed(self.wanted(), sort), sort, kept.descending)

    # what is read

    def wanted(self) -> Filter:
        """The filter of what the list holds."""
        return self.filter

    def token(self) -> Hashable:
        return ("all jobs", self._query, self._anchor)

    def reads(self) -> Any:
        query, anchor, marks = self._query, self._anchor, tuple(self.marks.ids)
        half = self.half
        still = self.console.frozen_at is not None and self.data_token == self.token()
        frozen = tuple(row["id"] for row in self.rows()) if still else ()
        return lambda reader, now: load(reader, now, query, anchor, half, marks, frozen)

    def take(self, snapshot: Snapshot) -> None:
        super().take(snapshot)
        if self.console.frozen_at is not None:
            # From now on these very rows are looked after.
            self.watch_data()

    def missed(self, data: dict[str, Any]) -> Missed:
        if self.data is None or not data["frozen"]:
            return (0, 0, 0)
        gone = set(data["gone"])
        now = {row["id"]: row for row in data["rows"]}
        kept = [row for row in self.rows() if row["id"] not in gone]
        changed = sum(now.get(row["id"], row)["updated_at"] != row["updated_at"] for row in kept)
        (before, more), (after, still_more) = self.data["matches"], data["matches"]
        new = 0 if more or still_more else max(0, after - (before - len(gone)))
        return changed, new, len(gone)

    def show_gone(self, data: dict[str, Any]) -> None:
        gone = set(data["gone"])
        self.data = {**self.data, "rows": [{**row, "gone": row["id"] in gone} for row in self.rows()]}

    def crumb(self) -> str:
        return f"Jobs  {self.filter_text()}".rstrip()

    def body(self) -> Iterable[Widget]:
        yield Lines(id="sums")
        yield Lines(id="head")
        yield Horizontal(Grid(id="jobs"), JobPane(), id="panes")

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width >= WIDE, "-wide")

    # what is shown

    def columns(self, now: int) -> list[Column]:
        work = any(map(is_work, self.rows()))
        every = job_columns(now, work=work)
        width = self.query_one(Grid).size.width or self.size.width
        shown = fitting(chosen(every, self.shape.columns), width - 2)
        return job_columns(now, work=work, apart=True) if any(one.title == "KIND" for one in shown) else every

    def show(self, data: dict[str, Any], now: int) -> None:
        grid = self.query_one(Grid)
        rows = data["rows"]
        self._show_sums(data["sums"])
        self.show_table(rows, lambda row: row["id"], now, self.nothing())
        if self._go and rows:
            grid.move_to(0 if self._go == "top" else len(rows) - 1)
            self._go = ""
        self._show_marks()
        self.follow(grid.current)

    def _show_sums(self, found: dict[str, Any] | None) -> None:
        """Of the kinds that the filter names, over the list."""
        if (box := self.query_one_optional("#sums", Lines)) is not None:
            box.display = found is not None
            box.show([((f" {sums(found, self.size.width - 2)}", ""),)] if found is not None else [])

    def nothing(self) -> Line:
        """What stands in the place of the heading when there are no rows."""
        return ((" No job matches." if self.text else " There are no jobs yet.", ""),)

    def follow(self, row: dict[str, Any] | None) -> None:
        """Show beside the list what its cursor is on."""
        self.query_one(JobPane).follow(row)

    def _show_marks(self) -> None:
        grid = self.query_one(Grid)
        grid.mark({row["id"] for row in self.rows()} if self.marks.all else self.marks.ids)
        self.crumb_right = self._right()

    def _right(self) -> str:
        data = self.data
        if data is None:
            return ""
        parts = self._place(data)
        parts += [f"{data['count']} of {data['total']}" if self._query.filter.terms else f"{data['total']} jobs"]
        if self._query.sort is not Sort.ID or self._query.descending:
            parts.append(f"by {self._query.sort}{' down' if self._query.descending else ''}")
            parts += [ONLY[self._query.sort]] if self._query.sort in ONLY else []
        if self.marks.all:
            parts.append(f"{data['count']} marked all")
        elif self.marks.ids:
            hidden = f" {data['hidden']} hid" if data["hidden"] else ""
            parts.append(f"{count(len(self.marks.ids))} marked{hidden}")
        return "  ".join(parts)

    def _place(self, data: dict[str, Any]) -> list[str]:
        """Where the cursor's row stands in the whole; `~` before an estimate."""
        cursor = self.query_one(Grid).cursor
        if cursor < 0 or data["rank"] is None:
            return []
        n, estimated = data["rank"]
        return [f"row ~{short(n + cursor + 1)}" if estimated else f"row {count(n + cursor + 1)}"]

    def written(self) -> Written:
        query = self._query
        return lambda reader, now: every_row(reader, query, now)

    def rows(self) -> list[dict[str, Any]]:
        return self.data["rows"] if self.data else []

    def looks_on(self) -> list[Look]:
        """With marks the last row has room for what can be done with them; without rows none can be marked."""
        looks = [] if self.marks.any else super().looks_on()
        return looks if self.rows() else [look for look in looks if look.where != "mark"]

    # moving

    def action_move(self, step: str) -> None:
        data = self.data
        if data is not None and ((step == "top" and data["before"]) or (step == "end" and data["after"])):
            self._go = step
            self._read(Anchor(step))
            return
        super().action_move(step)

    def cursor_moved(self) -> None:
        grid = self.query_one(Grid)
        if self.data is not None:
            self.marks.reach(self.rows(), grid.cursor)
            if grid.current is not None and wants_move(self.data, grid.cursor, self.app.size.height) and not self._go:
                self._read(around(grid.current, self._query.sort))
        self._show_marks()
        self.follow(grid.current)
        super().cursor_moved()

    def _read(self, anchor: Anchor) -> None:
        if anchor != self._anchor:
            self._anchor = anchor
            self.watch_data()

    # filter and order

    def show_filtered(self, filter: Filter) -> None:
        self.marks.all = False
        self._order(self._query.sort, self._query.descending)

    async def action_put_back(self) -> None:
        """One step back: a count that is under way, a range, the filter, the view."""
        if self.console.stop_counting():
            return
        if self.marks.ranging:
            self.marks.end_range()
            self.console.say("")
        elif self.text:
            self.put_filter_back()
        else:
            await self.console.action_back()

    def action_faults(self) -> None:
        self.narrow("" if self.text == FAULTS else FAULTS)

    def sorted_by(self) -> tuple[str, bool]:
        return ("ID" if self._query.sort is Sort.ID else "NEXT/AGE"), self._query.descending

    def orders(self) -> list[str]:
        return [sort.value for sort in orders(self.wanted())]

    def action_sort_column(self, by: int) -> None:
        order = self.orders()
        self.sort_by(order[(order.index(self._query.sort.value) + by) % len(order)])

    def sort_by(self, title: str) -> None:
        sort = Sort(title)
        self._order(sort, sort in (Sort.CHANGED, Sort.TRIED))

    def _order(self, sort: Sort, descending: bool) -> None:
        """Another order of the filter's jobs, by id where it does not allow this one."""
        if sort not in orders(self.wanted()):
            sort, descending = Sort.ID, False
        filter = narrowed(self.wanted(), sort)
        self._turn(replace(self._query, filter=filter, sort=sort, descending=descending))

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
            self.console.say("")
        elif grid.current is not None:
            self.marks.begin_range(grid.current["id"])
            self.console.say(f"range: move, then {self.named('mark.range')} ends it, {self.named('app.back')} too")
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
        return [*found, *(job_targets({**row, **off}) if row else []), Target("jobs", {})]

    def opens(self) -> ViewScreen | None:
        from tui.screens.job import JobScreen

        row = self.query_one(Grid).current
        return JobScreen(row["id"], "Jobs") if row else None
