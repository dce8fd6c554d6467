"""View 4: what went wrong, grouped by normalised reason; and the jobs of one group."""

from __future__ import annotations

import shlex
from collections.abc import Hashable, Iterable
from typing import Any, ClassVar

from textual.widget import Widget

from storage.failure_groups import STATES, jobs, jobs_filter, narrowing
from storage.filter_languages import FAILURES
from storage.filter_terms import EVERY, Filter, render
from storage.model import HOUR
from storage.reader import Reader
from tui.actions import Row, Target
from tui.failure_groups import groups
from tui.format import clock, count, fit, plural, spark, wrap
from tui.lookup import job_targets
from tui.screens.filtered import WholeFilteredScreen
from tui.screens.job_columns import job_columns
from tui.screens.shaping import ShapedScreen
from tui.screens.view import PAGE, ViewScreen, look_bindings
from tui.theme import GONE, JOBS, KINDS
from tui.widgets.columns import Column
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines

MOST_BARS = 24


def group_columns(now: int) -> list[Column]:
    def kind_of(row: Row) -> tuple[str, str]:
        return (GONE.word, GONE.style) if row.get("gone") else (row["kind"], KINDS.get(row["kind"], ""))

    def first(row: Row) -> str:
        return clock(row["first_at"], now, dated=False)

    def last(row: Row) -> str:
        return clock(row["last_at"], now, dated=False)

    return [
        Column("N", 7, lambda row: count(row["n"]), right=True, keep=True, order=lambda row: row["n"]),
        Column("KIND", 9, kind_of, order=lambda row: row["kind"]),
        Column("LAST", 6, last, rank=4, order=lambda row: row["last_at"]),
        Column("FIRST", 6, first, from_width=96, rank=2, order=lambda row: row["first_at"]),
        Column("RETRY", 5, lambda row: row["retry"], rank=6),
        Column("QUEUE", 12, lambda row: ", ".join(row["queues"]), rank=3, order=lambda row: row["queues"]),
        Column("CAMPAIGNS", 24, lambda row: row["campaigns"], from_width=118, rank=1),
        Column("ERROR (normalised)", 0, lambda row: row["error_key"], keep=True, order=lambda row: row["error_key"]),
    ]


def spread_of(row: Row) -> str:
    """The hours between the first and the last as bars, with the two times around them."""
    if not row["hours"]:
        return "no hour is recorded"
    first, last = row["hours"][0][0], row["hours"][-1][0]
    hours = (last - first) // HOUR + 1
    bars = [0] * min(MOST_BARS, hours)
    for hour, n in row["hours"]:
        bars[(hour - first) // HOUR * len(bars) // hours] += n
    begin, end = (clock(row[name], row["last_at"], relative=False) for name in ("first_at", "last_at"))
    return f"{begin} {spark(bars)} {end}  over {plural(hours, 'hour')}"


def group_detail(row: Row | None, width: int) -> list[Line]:
    if row is None:
        return []
    room = width - 11
    states = "  ".join(
        f"{JOBS[mark].glyph} {word} {count(row[state])}"
        for state, mark, word in (
            ("failed", "failed", "failed"), ("uncertain", "uncertain", "uncertain"), ("held", "held", "held"),
            ("pending", "retry", "retried by itself"),
        )
        if row[state]
    )  # fmt: skip
    lines: list[Line] = [((" " + "-" * (width - 2), "dim"),), ((fit(f" {row['error_key']}", width), "bold"),)]
    entries = [("in", row["campaigns"]), ("state", states), ("advice", row["advice"]), ("sample", row["sample"])]
    for title, text in entries:
        for i, part in enumerate(wrap(text, room)[:2]):
            lines.append(((f" {title if i == 0 else '':<8} ", "dim"), (part, "")))
    # Not wrapped: the blanks between its bars are hours without a failure.
    lines.append(((" spread   ", "dim"), (spread_of(row), "")))
    return lines


def load(reader: Reader, now: int, filter: Filter) -> dict[str, Any]:
    """`rows`: the groups that the filter asks for; how many there are in all (`of`)."""
    rows, every = groups(reader, filter, now)
    return {"rows": rows, "of": every}


class FailuresScreen(WholeFilteredScreen):
    CSS_PATH: ClassVar = ["view.tcss", "failures.tcss"]
    MODE = "failures"
    LIST = "failures"
    LANGUAGE = FAILURES

    def columns(self, now: int) -> list[Column]:
        return group_columns(now)

    def reads(self) -> Any:
        filter = self.filter
        return lambda reader, now: load(reader, now, filter)

    def crumb(self) -> str:
        text = self.filter_text()
        return f"Failures  {text}{'  ' if text else ''}grouped by error"

    def body(self) -> Iterable[Widget]:
        yield Lines(id="head")
        yield Grid(id="groups")
        yield Lines(id="detail")

    def show(self, data: dict[str, Any], now: int) -> None:
        rows, every = data["rows"], data["of"]
        shown = f"{count(len(rows))} of {plural(every, 'group')}" if self.shown.terms else plural(every, "group")
        self.crumb_right = f"{shown}, {plural(sum(row['n'] for row in rows), 'job')}"
        nothing = ((" No failure matches." if every else " Nothing has failed.", ""),)
        self.show_table(self.in_order(rows, now), lambda row: row["raw_key"], now, nothing)
        self.redraw_for_cursor()

    def redraw_for_cursor(self) -> None:
        lines = group_detail(self.query_one(Grid).current, self.size.width)
        self.query_one("#detail", Lines).show(lines)

    def targets(self) -> list[Target]:
        row = self.query_one(Grid).current
        return [Target("group", {**row, **self._narrowed(row), **self.off()})] if row else []

    def _narrowed(self, row: Row) -> Row:
        """What a retry of the group takes, where that is not all of its jobs."""
        narrowed = narrowing(self.shown)
        if not narrowed.terms:
            return {}
        chosen = shlex.quote(render(jobs_filter(row["raw_key"], narrowed)))
        return {"narrowed": narrowed, "twin": f"paceline job retry --filter {chosen}"}

    def opens(self) -> ViewScreen | None:
        row = self.query_one(Grid).current
        return JobsScreen.of_group(row, narrowed=narrowing(self.shown)) if row else None


class JobsScreen(ShapedScreen):
    """The jobs of one reason or of one state of a campaign, in pages by id."""

    CSS_PATH: ClassVar = ["view.tcss", "failures.tcss"]
    MODE = "failures"
    LIST = "jobs"
    BINDINGS: ClassVar = look_bindings("columns")

    def __init__(
        self, title: str, *, states: tuple[str, ...], error_key: str = "", campaign_id: int | None = None,
        narrowed: Filter = EVERY,
    ) -> None:  # fmt: skip
        super().__init__()
        self._title = title
        self._narrowed = (states, error_key, campaign_id, narrowed)

    @classmethod
    def of_group(cls, row: Row, campaign_id: int | None = None, *, narrowed: Filter = EVERY) -> JobsScreen:
        """The jobs of a group, narrowed as the list that it stands in (`storage.failure_groups.narrowing`)."""
        states = tuple(state for state in STATES if row[state])
        return cls(
            row["error_key"], states=states, error_key=row["raw_key"], campaign_id=campaign_id, narrowed=narrowed
        )

    def token(self) -> Hashable:
        return ("jobs", self._narrowed, self.after[-1])

    def reads(self) -> Any:
        states, error_key, campaign_id, narrowed = self._narrowed
        after = self.after[-1]
        if narrowed.terms:
            return lambda reader, now: jobs(reader, error_key, narrowed, states, now, after=after, limit=PAGE)
        return lambda reader, now: reader.jobs(
            states=states, error_key=error_key, campaign_id=campaign_id, after=after, limit=PAGE
        )

    def crumb(self) -> str:
        narrowed = render(self._narrowed[3])
        return f"Failures > {self._title}{'  ' if narrowed else ''}{narrowed}"

    def body(self) -> Iterable[Widget]:
        yield Lines(id="head")
        yield Grid(id="jobs")

    def columns(self, now: int) -> list[Column]:
        return job_columns(now)

    def sorted_by(self) -> tuple[str, bool]:
        return "ID", False

    def orders(self) -> list[str]:
        return ["ID"]

    def sort_by(self, title: str) -> None:
        self.console.note("this list is in pages by id: 3 Jobs sorts")

    def page_rows(self) -> list[Row]:
        return self.data or []

    def show(self, data: list[Row], now: int) -> None:
        self.crumb_right = self.page_text("job")
        self.show_table(data, lambda row: row["id"], now, ((" No job of this kind is left.", ""),))

    def targets(self) -> list[Target]:
        row = self.query_one(Grid).current
        return job_targets(row) if row else []

    def opens(self) -> ViewScreen | None:
        from tui.screens.job import JobScreen

        row = self.query_one(Grid).current
        return JobScreen(row["id"], self.crumb()) if row else None
