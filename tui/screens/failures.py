"""View 4: what went wrong, grouped by normalised reason; and the jobs of one group."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, ClassVar

from textual.widget import Widget

from engine.advice import advice, kind
from engine.outcomes import is_retryable
from storage.model import HOUR
from storage.reader import Reader
from tui.actions import Row, Target
from tui.format import clock, count, fit, plural, spark, wrap
from tui.screens.job_columns import job_columns
from tui.screens.shaping import ShapedScreen
from tui.screens.view import PAGE, ViewScreen, look_bindings
from tui.theme import GONE, JOBS, KINDS
from tui.widgets.columns import Column
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines

RETRY_WORDS = {"failed": "no", "uncertain": "ask", "held": "mend", "pending": "auto"}
MOST_BARS = 24


def grouped(rows: list[Row]) -> list[Row]:
    """The reader's rows (one a campaign and state) as one row a reason, largest first.

    Each: `error_key`, `n`, `failed, uncertain, held, pending` (how many stand so), `kind`, `advice`, `retry`,
    `queues`, `campaigns` (as text), `only_campaign` (its name when there is one, else None), `first_at`, `last_at`,
    `sample`, `hours`.
    """
    groups: dict[str, Row] = {}
    for row in rows:
        group = groups.setdefault(row["error_key"], _new_group(row))
        group["n"] += row["n"]
        group[row["state"]] += row["n"]
        group["by_campaign"][row["campaign"]] = group["by_campaign"].get(row["campaign"], 0) + row["n"]
        if row["queue"] not in group["queues"]:
            group["queues"].append(row["queue"])
        if row["campaign_id"] not in group["seen"]:
            group["seen"].append(row["campaign_id"])
            for hour, n in row["hours"]:
                group["hours"][hour] = group["hours"].get(hour, 0) + n
        firsts = [at for at in (group["first_at"], row["first_at"]) if at is not None]
        lasts = [at for at in (group["last_at"], row["last_at"]) if at is not None]
        group["first_at"], group["last_at"] = min(firsts, default=None), max(lasts, default=None)
    for group in groups.values():
        _finish(group)
    return sorted(groups.values(), key=lambda group: (-group["n"], group["error_key"]))


def _new_group(row: Row) -> Row:
    return {
        "error_key": row["error_key"], "raw_key": row.get("raw_key", row["error_key"]), "n": 0, "failed": 0,
        "uncertain": 0, "held": 0, "pending": 0, "by_campaign": {}, "queues": [], "seen": [], "hours": {},
        "first_at": None, "last_at": None, "sample": row["sample"], "outcome": row["outcome"],
    }  # fmt: skip


def _finish(group: Row) -> None:
    state = next(state for state in ("uncertain", "failed", "held", "pending") if group[state])
    outcome = "uncertain" if state == "uncertain" else group["outcome"]
    campaigns = sorted(group["by_campaign"].items(), key=lambda entry: -entry[1])
    group["state"] = state
    group["kind"] = "held" if state == "held" and not outcome else kind(outcome)
    group["advice"] = advice(outcome, group["error_key"])
    if group["kind"] == "held":
        group["advice"] = "Held for a person: correct the data or the template, then retry."
    group["retry"] = "yes" if state == "failed" and is_retryable(outcome) else RETRY_WORDS[state]
    group["campaigns"] = ", ".join(f"{name} ({count(n)})" for name, n in campaigns)
    group["only_campaign"] = campaigns[0][0] if len(campaigns) == 1 else None
    group["hours"] = sorted(group["hours"].items())


def load(reader: Reader, now: int) -> list[Row]:
    return grouped(reader.failures())


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


class FailuresScreen(ShapedScreen):
    CSS_PATH: ClassVar = ["view.tcss", "failures.tcss"]
    MODE = "failures"
    LIST = "failures"
    BINDINGS: ClassVar = look_bindings("columns", "order")

    def columns(self, now: int) -> list[Column]:
        return group_columns(now)

    def reads(self) -> Any:
        return load

    def crumb(self) -> str:
        return "Failures  grouped by error"

    def body(self) -> Iterable[Widget]:
        yield Lines(id="head")
        yield Grid(id="groups")
        yield Lines(id="detail")

    def show(self, data: list[Row], now: int) -> None:
        self.crumb_right = f"{plural(len(data), 'group')}, {plural(sum(row['n'] for row in data), 'job')}"
        nothing = ((" Nothing has failed.", ""),)
        self.show_table(self.in_order(data, now), lambda row: row["raw_key"], now, nothing)
        self.redraw_for_cursor()

    def redraw_for_cursor(self) -> None:
        lines = group_detail(self.query_one(Grid).current, self.size.width)
        self.query_one("#detail", Lines).show(lines)

    def targets(self) -> list[Target]:
        row = self.query_one(Grid).current
        return [Target("group", row)] if row else []

    def opens(self) -> ViewScreen | None:
        row = self.query_one(Grid).current
        return JobsScreen.of_group(row) if row else None


class JobsScreen(ShapedScreen):
    """The jobs of one reason or of one state of a campaign, in pages by id."""

    CSS_PATH: ClassVar = ["view.tcss", "failures.tcss"]
    MODE = "failures"
    LIST = "jobs"
    BINDINGS: ClassVar = look_bindings("columns")

    def __init__(
        self, title: str, *, states: tuple[str, ...], error_key: str = "", campaign_id: int | None = None
    ) -> None:
        super().__init__()
        self._title = title
        self._narrowed: tuple[tuple[str, ...], str, int | None] = (states, error_key, campaign_id)

    @classmethod
    def of_group(cls, row: Row, campaign_id: int | None = None) -> JobsScreen:
        states = tuple(state for state in ("failed", "uncertain", "held", "pending") if row[state])
        return cls(row["error_key"], states=states, error_key=row["raw_key"], campaign_id=campaign_id)

    def token(self) -> Hashable:
        return ("jobs", self._narrowed, self.after[-1])

    def reads(self) -> Any:
        states, error_key, campaign_id = self._narrowed
        after = self.after[-1]
        return lambda reader, now: reader.jobs(
            states=states, error_key=error_key, campaign_id=campaign_id, after=after, limit=PAGE
        )

    def crumb(self) -> str:
        return f"Failures > {self._title}"

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
        self.console.say("this list is in pages by id: 3 Jobs sorts")

    def page_rows(self) -> list[Row]:
        return self.data or []

    def show(self, data: list[Row], now: int) -> None:
        self.crumb_right = self.page_text("job")
        self.show_table(data, lambda row: row["id"], now, ((" No job of this kind is left.", ""),))

    def targets(self) -> list[Target]:
        row = self.query_one(Grid).current
        return [Target("job", row)] if row else []

    def opens(self) -> ViewScreen | None:
        from tui.screens.job import JobScreen

        row = self.query_one(Grid).current
        return JobScreen(row["id"], self.crumb()) if row else None
