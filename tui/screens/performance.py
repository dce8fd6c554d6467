"""View 8: how it develops (jobs per hour, processing time, failure rate), what is overdue and where to, and how the
engine fares."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, ClassVar

from rich.cells import cell_len
from textual.widget import Widget

from storage import kind_facts
from storage.health_facts import due_by_destination, oldest_due, sizes
from storage.kind_facts import Times
from storage.model import HOUR, SECOND
from storage.reader import Reader
from storage.trends import HourlyOutcomes
from tui.actions import Row, Target
from tui.format import ago, clock, count, fit
from tui.plots import Plot, columns
from tui.screens.health_words import engine_lines
from tui.screens.view import ViewScreen, look_bindings
from tui.widgets.columns import Item, Sections, blank, heading
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines, Span, width_of
from tui.work_words import span_of

HOURS = 24
TALL = 34
"""Rows between frame and message from which trends and lists are shown together."""
WIDE = 160
"""Columns from which the plots stand side by side."""
AGE_TITLES = ("<5m", "<1h", "<1d", "older")


MESSAGES, EVERY = "messages", "background jobs"
"""What the trends are of, beside each kind of background job."""


def load(reader: Reader, now: int, trend: HourlyOutcomes, of: str = MESSAGES) -> Row:
    """`of`: what the trends are of; `kinds`: the kinds of background jobs that they can be of."""
    kinds = kind_facts.kinds(reader)
    chosen = kinds if of == EVERY else [of]
    return {
        "of": of,
        "kinds": kinds,
        "hours": trend.read(reader, now, HOURS) if of == MESSAGES else kind_facts.hourly(reader, chosen, now, HOURS),
        "times": kind_facts.runs(reader, chosen, now - HOURS * HOUR).times if of != MESSAGES else None,
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
    mean = f"{sum(row['duration'] for row in hours) / sent / SECOND:.2f} s from intent to reply" if sent else "no reply"
    share = f"{lost * 100 / total:.1f} % of the attempts" if total else "no attempt"
    last_hour = f"{count(sent)} in 24 h, {count(sent_hourly[-1])} in this hour"
    return [
        Plot(f"JOBS PER HOUR     accepted, 1/h   {last_hour}", sent_hourly,
             lambda value: f"{count(round(value))}/h", 10, "good"),
        Plot(f"PROCESSING TIME   mean, s   {mean} in 24 h", took,
             lambda value: f"{value:.2g} s", 0.1, "run"),
        Plot(f"FAILURE RATE      not accepted, %   {share} in 24 h", failed,
             lambda value: f"{value:.2g} %" if value < 100 else "100 %", 5, "bad"),
    ]  # fmt: skip


def work_plots(hours: Sequence[Row], times: Times | None, *, both: bool) -> list[Plot]:
    """The same of background jobs; the time that half of the runs did not exceed, and with `both` that of 95 %."""
    done = [row["sent"] for row in hours]
    failed = [row["failed"] * 100 / row["done"] if row["done"] else None for row in hours]
    total, lost = sum(row["done"] for row in hours), sum(row["failed"] for row in hours)
    share = f"{lost * 100 / total:.1f} % of {count(total)} that ended" if total else "none ended"
    took = f"p50 {span_of(times.p50)}, p95 {span_of(times.p95)} of what was done" if times else "nothing was done"
    quantiles = ("p50", "p95") if both else ("p50",)
    return [
        Plot(f"JOBS PER HOUR     done, 1/h   {count(sum(done))} in 24 h, {count(done[-1])} in this hour", done,
             lambda value: f"{count(round(value))}/h", 10, "good"),
        *(
            Plot(f"PROCESSING TIME   {name}, s   {took} in 24 h",
                 [None if row[name] is None else row[name] / SECOND for row in hours],
                 lambda value: f"{value:.2g} s" if value < 100 else f"{value:,.0f} s", 0.1, "run")
            for name in quantiles
        ),
        Plot(f"FAILURE RATE      failed, %   {share} in 24 h", failed,
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
    BINDINGS: ClassVar = look_bindings("columns", only=("view.aside_left", "view.aside_right"))

    def __init__(self) -> None:
        super().__init__()
        self._trend = HourlyOutcomes()
        self._of = MESSAGES
        self._lists = False
        """Whether a screen that is too low for both shows the lists instead of the trends."""

    def reads(self) -> Any:
        trend, of = self._trend, self._of
        return lambda reader, now: load(reader, now, trend, of)

    def token(self) -> Hashable:
        return ("performance", self._of)

    def crumb(self) -> str:
        return f"Performance of {self._of}" if self._of != MESSAGES else "Performance"

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
        ways = f"{self.named('view.aside_left')} {self.named('view.aside_right')}: of what  " if data["kinds"] else ""
        self.crumb_right = ways + ("" if self._both else f"[{here}] {self.named('view.tab')}: {other}")
        self.query_one(Grid).show(Sections(lists(data, link.status, now)))

    def _plots(self, data: Row, now: int) -> list[Line]:
        width = self.size.width
        height = self.query_one("#content").size.height - self.query_one("#health").size.height
        if data["of"] == MESSAGES:
            drawn = plots_of(data["hours"])
        else:
            drawn = work_plots(data["hours"], data["times"], both=self._both or width >= WIDE)
        marks = time_marks(data["hours"], now)
        if width >= WIDE:
            each = width // len(drawn)
            return side_by_side([columns(plot, marks, each - 1, 10) for plot in drawn], each)
        rows = 4 if self._both else max(1, height // len(drawn) - 2)
        return [line for plot in drawn for line in columns(plot, marks, width, rows)]

    def action_aside(self, by: int) -> None:
        """Show the trends of messages, of all background jobs, or of the next kind of them."""
        kinds = self.data["kinds"] if self.data else []
        every = [MESSAGES, EVERY, *kinds] if kinds else [MESSAGES]
        if len(every) == 1:
            self.console.note("there is no background job yet: the trends are of messages")
            return
        place = every.index(self._of) if self._of in every else 0
        self._of = every[(place + by) % len(every)]
        self.watch_data()
        self.draw_frame()

    def action_next_tab(self) -> None:
        if self._both:
            self.console.note("everything is in sight")
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
