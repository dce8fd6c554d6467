"""View 7: what begins by the clock: schedules, campaigns with a later start, the engine's own rounds; the last runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, ClassVar

from textual.widget import Widget

from storage.model import MINUTE
from storage.pipeline_facts import last_runs
from storage.reader import Reader
from storage.schedule_facts import schedules
from tui.actions import Row, Target
from tui.format import clock, count, fit, plural, soon, span
from tui.later import add_due, is_later
from tui.schedule_words import outcome_of
from tui.screens.pipeline_rows import ladder_lines, pipeline_items
from tui.screens.schedule_rows import columns, detail
from tui.screens.stage_ladder import with_funnel
from tui.screens.view import ViewScreen, Written
from tui.widgets.columns import Item, Sections, blank, header, heading, table_line
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines

RUNS = 20
NONE = "none (`campaign start NAME --at TIME`)"
RUN_STYLES = {"running": "run", "done": "good", "failed": "bad", "empty": "warn"}


def load(reader: Reader, now: int) -> Row:
    """`schedules`: all of them; `pipelines`: the last run of each; `later`: active campaigns of which nothing has begun
    and whose first message is still to come; `runs`: the last executions, newest first."""
    campaigns = reader.campaigns()
    add_due(reader, campaigns)
    later = [row for row in campaigns if is_later(row, now)]
    later.sort(key=lambda row: row["due"]["first"])
    return {
        "schedules": schedules(reader), "pipelines": with_funnel(last_runs(reader)), "later": later,
        "runs": reader.executions(limit=RUNS),
    }  # fmt: skip


def later_line(row: Row, now: int, width: int) -> Line:
    first = row["due"]["first"]
    when = f"{fit(clock(first, now), 16)} {fit(soon(first, now), 10)}"
    text = f"{fit(row['name'], 22)} {when} {fit(count(row['counts']['pending']), 9, right=True)} messages"
    return ((fit(f"{text}   {row['account']}", width), ""),)


def round_line(row: Row, now: int, width: int) -> Line:
    every = f"every {span(row['every'])}" if row["every"] else "as needed"
    last = clock(row["last_at"], now, seconds=True)
    # A round that is due in a moment would say "in 3s", "in 2s": only what is a minute away or more is told.
    far = row["next_at"] is not None and row["next_at"] - now >= MINUTE
    following = clock(row["next_at"], now) if far else "-" if row["next_at"] is None else "within 1m"
    text = f"{fit(row['round'], 9)} {fit(every, 9)}  last {fit(last, 9)}  next {fit(following, 13)}"
    return ((fit(f"{text} {row['does']}", width), ""),)


def run_line(row: Row, now: int, width: int) -> Line:
    took = span((row["finished_at"] or now) - row["started_at"])
    left = f"{fit(clock(row['started_at'], now), 14)} {fit(row['kind'], 7)} {fit(row['campaign'] or '-', 18)} "
    right = (
        f" sent {count(row['sent'])} of {count(row['queued'])}, failed {count(row['failed'])}  {took}  {row['actor']}"
    )
    state = row["state"]
    return ((left, ""), (fit(state, 8), RUN_STYLES.get(state, "")), (fit(right, max(0, width - len(left) - 8)), ""))


def schedule_items(rows: list[Row], now: int, add: str) -> list[Item]:
    """`add`: the key that makes one."""
    if not rows:
        return [heading(f"SCHEDULES   none ({add} makes one)")]
    shown = columns(now)
    items = [heading(f"SCHEDULES ({count(len(rows))})"), Item(lambda width: header(shown, width))]
    return items + [
        Item(partial(table_line, shown, row), ("schedule", row["id"]), ("schedule", "", row)) for row in rows
    ]


def items_of(data: Row, status: Row, now: int, add: str) -> list[Item]:
    later, rounds, runs = data["later"], status.get("rounds", []), data["runs"]
    items = [*schedule_items(data["schedules"], now, add), blank(), *pipeline_items(data["pipelines"], now)]
    items.append(
        heading(f"CAMPAIGNS THAT BEGIN LATER ({len(later)})" if later else f"CAMPAIGNS THAT BEGIN LATER   {NONE}")
    )
    items += [
        Item(partial(later_line, row, now), ("later", row["id"]), ("campaign", row["name"], row)) for row in later
    ]
    items += [blank(), heading("LAST RUNS OF CAMPAIGNS" if runs else "LAST RUNS OF CAMPAIGNS   none yet")]
    items += [Item(partial(run_line, row, now), ("run", row["id"]), ("run", row["campaign"], row)) for row in runs]
    items += [blank(), heading("THE ENGINE'S OWN ROUNDS" if rounds else "THE ENGINE'S OWN ROUNDS   no engine tells")]
    items += [Item(partial(round_line, row, now), ("round", row["round"]), ("round", "", row)) for row in rounds]
    return items


class SchedulesScreen(ViewScreen):
    CSS_PATH: ClassVar = ["view.tcss", "schedules.tcss"]
    MODE = "schedules"
    _wanted: int | None = None
    """The schedule that the cursor is to go to, as soon as there is a list."""

    def reads(self) -> Any:
        return load

    def crumb(self) -> str:
        return "Schedules"

    def body(self) -> Iterable[Widget]:
        yield Grid(id="list")
        yield Lines(id="detail")

    def show(self, data: Row, now: int) -> None:
        n, on = len(data["later"]), sum(row["enabled"] for row in data["schedules"])
        every = len(data["schedules"])
        told = [plural(every, "schedule") + (f", {count(every - on)} disabled" if on < every else "")] if every else []
        self.crumb_right = "  ".join([*told, *([f"{count(n)} to begin"] if n else [])])
        self.set_class(not data["schedules"] and not data["pipelines"], "-alone")
        status = self.console.link.state.status
        if self._wanted is not None:
            self.query_one(Grid).open_on(("schedule", self._wanted))
            self._wanted = None
        self.query_one(Grid).show(Sections(items_of(data, status, now, self.named("schedule.add"))))
        self.redraw_for_cursor()

    def redraw_for_cursor(self) -> None:
        now, width, entry = self.console.present(), self.size.width, self.query_one(Grid).current
        if entry and entry[0] == "pipeline":
            lines = ladder_lines(entry[2], now, width)
        else:
            lines = detail(self._schedule, now, width)
        self.query_one("#detail", Lines).show(lines)

    @property
    def _schedule(self) -> Row | None:
        """The schedule under the cursor."""
        entry = self.query_one(Grid).current
        return entry[2] if entry and entry[0] == "schedule" else None

    def go_to(self, schedule_id: int) -> None:
        """Put the cursor on this schedule."""
        self._wanted = schedule_id
        self.redraw()

    def targets(self) -> list[Target]:
        entry = self.query_one(Grid).current
        found = [Target(entry[0], entry[2])] if entry and entry[0] in ("campaign", "schedule", "pipeline") else []
        return [*found, Target("schedules", {})]

    def written(self) -> Written:
        return _written

    def action_open(self) -> None:
        row = self._schedule
        if row is not None and (row["last"] is None or row["last"]["job_id"] is None):
            why = (
                "it has not fired yet"
                if row["last"] is None
                else f"its last firing made no job: {outcome_of(row['last'])}"
            )
            self.console.say(f"{row['name']}: {why}")
            return
        super().action_open()

    def opens(self) -> ViewScreen | None:
        from tui.screens.campaign import CampaignScreen
        from tui.screens.job import JobScreen

        entry = self.query_one(Grid).current
        if (row := self._schedule) is not None:
            return JobScreen(row["last"]["job_id"], self.crumb())
        if entry is None or not entry[1]:
            return None
        if entry[0] == "pipeline":
            return JobScreen(entry[2]["id"], self.crumb())
        return CampaignScreen(entry[1])


def _written(reader: Reader, now: int) -> Iterator[Row]:
    for row in schedules(reader):
        yield {**row, "payload": json.dumps(row["payload"], ensure_ascii=False), "last": outcome_of(row["last"])}
