"""View 2: every campaign, and for the one under the cursor why it stands still."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual.widget import Widget

from storage.model import MINUTE
from storage.queue_facts import add_limits
from storage.reader import Reader
from tui.actions import Row, Target
from tui.format import clock, count, fit, percent, plural, rate
from tui.pace import campaign_finish, eta_text, speed_of
from tui.screens.queues import limits_of
from tui.screens.view import ViewScreen
from tui.screens.why import why
from tui.theme import CAMPAIGNS, Mark
from tui.widgets.columns import Column, Table, header
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines


def load(reader: Reader, now: int, limits: dict[str, Row]) -> list[Row]:
    rows = reader.campaigns()
    add_limits(reader, [row for row in rows if row["state"] == "active"], limits, now)
    for row in rows:
        active = row["state"] == "active"
        row["due"] = reader.due(row["id"]) if active else {"first": None, "last": None}
        row["rates"] = reader.rates(now - 10 * MINUTE, campaign_id=row["id"]) if active else []
    return rows


def mark_of(row: Row, now: int) -> Mark:
    """An active campaign whose first message is still to come, and none is sent, is scheduled."""
    first = row["due"]["first"] if "due" in row else None
    ahead = first is not None and first > now + MINUTE and not row["counts"]["processing"]
    if row["state"] == "active" and ahead and not row["counts"]["completed"]:
        return CAMPAIGNS["sched"]
    return CAMPAIGNS[row["state"]]


def done_of(row: Row) -> int:
    counts = row["counts"]
    return int(row["total"] - counts["pending"] - counts["held"] - counts["processing"])


def columns_at(now: int) -> list[Column]:
    def state(row: Row) -> tuple[str, str]:
        mark = mark_of(row, now)
        return f"{mark.glyph} {mark.word}", mark.style

    def speed(row: Row) -> str:
        return rate(speed_of(row, now)) if row["state"] == "active" else "-"

    def end(row: Row) -> str:
        if row["state"] != "active":
            return {"completed": "ended", "cancelled": "ended"}.get(row["state"], "-")
        if mark_of(row, now) is CAMPAIGNS["sched"]:
            return clock(row["due"]["first"], now)
        return eta_text(campaign_finish(row, now), now)

    def done(row: Row) -> str:
        return f"{count(done_of(row))}/{count(row['total'])}" if row["total"] else "-"

    def failed(row: Row) -> tuple[str, str]:
        n = row["counts"]["failed"]
        return count(n), "bad" if n else ""

    return [
        Column("STATE", 11, state),
        Column("NAME", 0, lambda row: row["name"]),
        Column("LIVE", 4, lambda row: "live" if row["live"] else "-", from_width=96),
        Column("CH", 6, lambda row: row["channel"]),
        Column("ACCOUNT", 14, lambda row: row["account"], from_width=96),
        Column("DONE", 15, done, right=True),
        Column("%", 4, lambda row: percent(done_of(row), row["total"]).rstrip("%"), right=True),
        Column("RATE", 7, speed, right=True),
        Column("ETA", 7, end, right=True),
        Column("FAIL", 6, failed, right=True),
        Column("HELD", 6, lambda row: count(row["counts"]["held"]), right=True, from_width=116),
        Column("UNCERT", 6, lambda row: count(row["counts"]["uncertain"]), right=True, from_width=116),
    ]


class CampaignsScreen(ViewScreen):
    CSS_PATH: ClassVar = ["view.tcss", "campaigns.tcss"]
    MODE = "campaigns"

    def reads(self) -> Any:
        link = self.console.link
        return lambda reader, now: load(reader, now, limits_of(link.state.status))

    def crumb(self) -> str:
        return "Campaigns"

    def body(self) -> Iterable[Widget]:
        yield Lines(id="head")
        yield Grid(id="list")
        yield Lines(id="why")

    def show(self, data: list[Row], now: int) -> None:
        self.crumb_right = plural(len(data), "campaign")
        columns = columns_at(now)
        nothing = ((" No campaign yet: paceline campaign new NAME --account ACCOUNT --template FILE", ""),)
        self.query_one("#head", Lines).show([header(columns, self.size.width) if data else nothing])
        self.query_one(Grid).show(Table(columns, data, lambda row: row["id"]))
        self.redraw_for_cursor()

    def redraw_for_cursor(self) -> None:
        row = self.query_one(Grid).current
        text = ""
        if row is not None:
            situation = self.console.situation()
            sentence = why(row, situation.now, engine_paused=situation.engine_paused, lost=bool(situation.lost))
            text = f"{row['name']}: {sentence}"
        line = ((" WHY  ", "head"), (fit(text, self.size.width - 7), "")) if text else ()
        self.query_one("#why", Lines).show([line])

    def targets(self) -> list[Target]:
        row = self.query_one(Grid).current
        return [Target("campaign", row)] if row else []

    def opens(self) -> ViewScreen | None:
        from tui.screens.campaign import CampaignScreen

        row = self.query_one(Grid).current
        return CampaignScreen(row["name"]) if row else None
