"""View 7: what begins by the clock: campaigns with a later start, the engine's own rounds; and the last runs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from textual.widget import Widget

from storage.model import MINUTE
from storage.reader import Reader
from tui.actions import Row, Target
from tui.format import clock, count, fit, soon, span
from tui.screens.view import ViewScreen
from tui.widgets.columns import Item, Sections, blank, heading
from tui.widgets.grid import Grid
from tui.widgets.lines import Line

RUNS = 20
NONE = "none (`campaign start NAME --at TIME`)"
RUN_STYLES = {"running": "run", "done": "good", "failed": "bad", "empty": "warn"}


def load(reader: Reader, now: int) -> Row:
    """`later`: active campaigns of which nothing has begun and whose first message is still to come; `runs`: the last
    executions, newest first."""
    later = []
    for row in reader.campaigns():
        counts = row["counts"]
        if row["state"] != "active" or counts["completed"] or counts["processing"]:
            continue
        row["due"] = reader.due(row["id"])
        if row["due"]["first"] is not None and row["due"]["first"] > now + MINUTE:
            later.append(row)
    later.sort(key=lambda row: row["due"]["first"])
    return {"later": later, "runs": reader.executions(limit=RUNS)}


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


def items_of(data: Row, status: Row, now: int) -> list[Item]:
    later, rounds, runs = data["later"], status.get("rounds", []), data["runs"]
    items = [heading(f"CAMPAIGNS THAT BEGIN LATER ({len(later)})" if later else f"CAMPAIGNS THAT BEGIN LATER   {NONE}")]
    items += [
        Item(partial(later_line, row, now), ("later", row["id"]), ("campaign", row["name"], row)) for row in later
    ]
    items += [blank(), heading("THE ENGINE'S OWN ROUNDS" if rounds else "THE ENGINE'S OWN ROUNDS   no engine tells")]
    items += [Item(partial(round_line, row, now), ("round", row["round"]), ("round", "", row)) for row in rounds]
    items += [blank(), heading("RECURRING SCHEDULES   none: this version begins nothing by a calendar")]
    items += [blank(), heading("LAST RUNS" if runs else "LAST RUNS   none yet")]
    items += [Item(partial(run_line, row, now), ("run", row["id"]), ("run", row["campaign"], row)) for row in runs]
    return items


class SchedulesScreen(ViewScreen):
    MODE = "schedules"

    def reads(self) -> Any:
        return load

    def crumb(self) -> str:
        return "Schedules"

    def body(self) -> Iterable[Widget]:
        yield Grid(id="list")

    def show(self, data: Row, now: int) -> None:
        n = len(data["later"])
        self.crumb_right = f"{count(n)} to begin" if n else ""
        self.query_one(Grid).show(Sections(items_of(data, self.console.link.state.status, now)))

    def targets(self) -> list[Target]:
        entry = self.query_one(Grid).current
        return [Target("campaign", entry[2])] if entry and entry[0] == "campaign" else []

    def opens(self) -> ViewScreen | None:
        from tui.screens.campaign import CampaignScreen

        entry = self.query_one(Grid).current
        if entry is None or not entry[1]:
            return None
        return CampaignScreen(entry[1])
