"""View 8: how it develops (jobs per hour, processing time, failure rate), what is overdue and where to, and how the
engine fares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, ClassVar

from rich.cells import cell_len
from textual.widget import Widget

from storage.health_facts import due_by_destination, oldest_due, sizes
from storage.model import SECOND
from storage.reader import Reader
from storage.trends import HourlyOutcomes
from tui.actions import Row, Target
from tui.format import ago, clock, count, fit
from tui.plots import Plot, columns
from tui.screens.health_words import engine_lines
from tui.screens.view import ViewScreen
from tui.widgets.columns import Item, Sections, blank, heading
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines, Span, width_of

HOURS = 24
TALL = 34
"""Rows between frame and message from which trends and lists are shown together."""
WIDE = 160
"""Columns from which the plots stand side by side."""
AGE_TITLES = ("<5m", "<1h", "<1d", "older")


def load(reader: Reader, now: int, trend: HourlyOutcomes) -> Row:
    return {
        "hours": trend.read(reader, now, HOURS),
        "due": due_by_destination(reader, now),
        "oldest": oldest_due(reader, now),
        "sizes": sizes(reader),
        "engine": reader.engine(),
        "counts": reader.counts(),
    }


def plots_of(hours: Sequence[Row]) -> list[Plot]:
    """Jobs per hour, processing-time trend, failure rate over time."""
    sent_hourly = [row["sent"] for row in hours]
    took = [row["duration"] / row["sent"] / SECOND if row["sent"] else None for row in hours]
    failed = [row["failed"] * 100 / row["done"] if row["done"] else None for row in hours]
    total, sent, lost = (sum(row[name] for row in hours) for name in ("done", "sent", "failed"))
    mean = f"{sum(row['duration'] for row in hours) / sent / SECOND:.2f} s" if sent else "-"
    share = f"{lost * 100 / total:.1f} %" if total else "-"
    last_hour = f"{count(sent)} in 24 h, {count(sent_hourly[-1])} in this hour"
    return [
        Plot(f"JOBS PER HOUR     accepted, 1/h   {last_hour}", sent_hourly,
             lambda value: f"{count(round(value))}/h", 10, "good"),
        Plot(f"PROCESSING TIME   mean, s   {mean} from intent to reply in 24 h", took,
             lambda value: f"{value:.2g} s", 0.1, "run"),
        Plot(f"FAILURE RATE      not accepted, %   {share} of the attempts in 24 h", failed,
             lambda value: f"{value:.2g} %" if value < 100 else "100 %", 5, "bad"),
    ]  # fmt: skip


def time_marks(hours: Sequence[Row], now: int) -> list[tuple[int, str]]:
    """A time for every sixth column, and the present."""
    marks = [(step, clock(hours[step]["hour"], now, dated=False, relative=False)) for step in range(0, len(hours), 6)]
    return [*marks, (len(hours) - 1, "now")]


def side_by_side(blocks: Sequence[Sequence[Line]], width: int) -> list[Line]:
    """Blocks of lines beside each other, each `width` cells wide."""
    rows = []
    for parts in zip_longest(*blocks, fillvalue=()):
        row: list[Span] = []
        for part in parts:
            row += [*cut(part, width - 1), (" " * max(1, width - width_of(part)), "")]
        rows.append(tuple(row))
    return rows


def cut(line: Line, width: int) -> Line:
    """The first `width` cells of a line."""
    found: list[Span] = []
    for text, style in line:
        room = width - width_of(tuple(found))
        found.append((fit(text, min(room, cell_len(text))), style))
    return tuple(found)


def age_line(row: Row, now: int, width: int) -> Line:
    ages = "".join(fit(count(n) if n else ".", 8, right=True) for n in row["ages"])
    numbers = f"{fit(count(row['n']), 8, right=True)}{fit(ago(row['oldest'], now), 9, right=True)}{ages}"
    return ((fit(row["name"], max(12, width - len(numbers))), ""), (numbers, ""))


def age_header(title: str, width: int) -> Line:
    names = ("DUE", "OLDEST", *AGE_TITLES)
    cells = "".join(fit(name, 9 if name == "OLDEST" else 8, right=True) for name in names)
    return ((f" {fit(title, max(13, width - len(cells) - 1))}{cells}", "head"),)


def lists(data: Row, status: Row, now: int) -> list[Item]:
    """What is overdue by queue and by the recipient's domain, and who is attached."""
    due = data["due"]
    items: list[Item] = []
    for title, key in (("OVERDUE BY QUEUE", "queues"), ("OVERDUE BY DESTINATION", "domains")):
        if not due[key]:
            items.append(heading(f"{title}   nothing"))
        else:
            items.append(Item(partial(age_header, title)))
        items += [Item(partial(age_line, row, now), (key, row["name"]), (key, row)) for row in due[key]]
        items.append(blank())
    if due["more_domains"]:
        items[-1] = heading(f"  and {count(due['more_domains'])} more domains", "dim")
    if not due["whole"]:
        items.append(heading(f"  among the {count(due['looked_at'])} that wait longest", "dim"))
    people = status.get("attached", [])
    items.append(heading(f"ATTACHED ({len(people)})" if people else "ATTACHED   unknown: no engine tells"))
    items += [Item(partial(attached_line, row, now), ("attached", row["console"]), ("attached", row)) for row in people]
    return items


def attached_line(row: Row, now: int, width: int) -> Line:
    text = f"{fit(row['user'], 16)} on {fit(row['host'], 30)} since {clock(row['since_at'], now)}"
    return ((fit(text, width), ""),)


class PerformanceScreen(ViewScreen):
    CSS_PATH: ClassVar = ["view.tcss", "performance.tcss"]
    MODE = "performance"
    HINTS: ClassVar = ("view.open", "view.tab")

    def __init__(self) -> None:
        super().__init__()
        self._trend = HourlyOutcomes()
        self._lists = False
        """Whether a screen that is too low for both shows the lists instead of the trends."""

    def reads(self) -> Any:
        trend = self._trend
        return lambda reader, now: load(reader, now, trend)

    def crumb(self) -> str:
        return "Performance"

    def body(self) -> Iterable[Widget]:
        yield Lines(id="health")
        yield Lines(id="plots")
        yield Grid(id="lists")

    @property
    def _both(self) -> bool:
        return self.query_one("#content").size.height >= TALL

    def show(self, data: Row, now: int) -> None:
        link = self.console.link.state
        self.query_one("#health", Lines).show(engine_lines(data, link, now))
        trends, rest = self._both or not self._lists, self._both or self._lists
        plots = self.query_one("#plots", Lines)
        plots.display, self.query_one(Grid).display = trends, rest
        if trends:
            lines = self._plots(data, now)
            plots.styles.height = len(lines)
            plots.show(lines)
        here, other = ("lists", "trends") if self._lists else ("trends", "lists")
        self.crumb_right = "" if self._both else f"[{here}] {self.named('view.tab')}: {other}"
        self.query_one(Grid).show(Sections(lists(data, link.status, now)))

    def _plots(self, data: Row, now: int) -> list[Line]:
        width = self.size.width
        height = self.query_one("#content").size.height - self.query_one("#health").size.height
        drawn = plots_of(data["hours"])
        marks = time_marks(data["hours"], now)
        if width >= WIDE:
            each = width // len(drawn)
            return side_by_side([columns(plot, marks, each - 1, 10) for plot in drawn], each)
        rows = 4 if self._both else max(1, height // len(drawn) - 2)
        return [line for plot in drawn for line in columns(plot, marks, width, rows)]

    def action_next_tab(self) -> None:
        if self._both:
            self.console.say("everything is in sight")
            return
        self._lists = not self._lists
        self.redraw()
        if self._lists:
            self.query_one(Grid).focus()

    def targets(self) -> list[Target]:
        return []

    def opens(self) -> ViewScreen | None:
        from tui.screens.jobs import AllJobsScreen
        from tui.screens.queues import QueueScreen

        entry = self.query_one(Grid).current
        if entry is None:
            return None
        kind, row = entry
        if kind == "queues":
            return QueueScreen(row["name"])
        if kind == "domains" and row["name"] != "-":
            return AllJobsScreen(f"state:due to:*@{row['name']}")
        return None
