"""View 2: every campaign, and for the one under the cursor why it stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, ClassVar

from textual.widget import Widget

from storage.campaign_list import campaigns, is_scheduled
from storage.filter_languages import CAMPAIGNS as CAMPAIGN_TERMS
from storage.filter_terms import Filter
from storage.model import MINUTE
from storage.queue_facts import add_limits
from storage.reader import Reader
from tui.actions import Row, Target
from tui.explaining import asked_by
from tui.foreseeing import Foresight
from tui.format import clock, count, percent, plural, rate
from tui.link import LinkState
from tui.pace import end_text, limits_of, speed_of
from tui.screens.filtered import WholeFilteredScreen
from tui.screens.view import ViewScreen
from tui.screens.why import why
from tui.theme import CAMPAIGNS, Mark
from tui.widgets.columns import Column
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines, labelled

CHANNEL_WORDS = {"webhook": "http", "unipile": "invite"}
"""Channels whose names are wider than their column."""


def load(reader: Reader, now: int, filter: Filter, link: LinkState) -> dict[str, Any]:
    """`rows`: the campaigns that the filter lets through, with what their pace is told from and why each stands or
    goes; how many there are in all (`of`)."""
    rows, every = campaigns(reader, filter, now)
    add_limits(reader, [row for row in rows if row["state"] == "active"], limits_of(link.status), now)
    answers = asked_by(reader, now, link).campaigns()
    for row in rows:
        row["why"] = answers[row["name"]].brief()
        active = row["state"] == "active"
        row["rates"] = reader.rates(now - 10 * MINUTE, campaign_id=row["id"]) if active else []
    return {"rows": rows, "of": every}


def mark_of(row: Row, now: int) -> Mark:
    return CAMPAIGNS["sched" if is_scheduled(row, now) else row["state"]]


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
        return end_text(row, now)

    def done(row: Row) -> str:
        return f"{count(done_of(row))}/{count(row['total'])}" if row["total"] else "-"

    def failed(row: Row) -> tuple[str, str]:
        n = row["counts"]["failed"]
        return count(n), "bad" if n else ""

    def progress(row: Row) -> str:
        return percent(done_of(row), row["total"]).rstrip("%")

    def share(row: Row) -> float | None:
        return done_of(row) / row["total"] if row["total"] else None

    def number(name: str) -> Callable[[Row], str]:
        return lambda row: count(row["counts"][name])

    def named(name: str) -> Callable[[Row], Any]:
        return lambda row: row["counts"][name]

    def moment(name: str) -> Callable[[Row], str]:
        return lambda row: clock(row[name], now)

    def field(name: str) -> Callable[[Row], Any]:
        return lambda row: row[name]

    return [
        Column("STATE", 11, state, keep=True, order=lambda row: mark_of(row, now).word),
        Column("NAME", 0, lambda row: row["name"], keep=True, order=lambda row: row["name"].casefold()),
        Column("LIVE", 4, lambda row: "live" if row["live"] else "-", from_width=96, rank=2),
        Column("CH", 6, lambda row: CHANNEL_WORDS.get(row["channel"], row["channel"]), rank=1),
        Column("ACCOUNT", 14, lambda row: row["account"], from_width=96, rank=2, order=field("account")),
        Column("DONE", 15, done, right=True, rank=7, order=done_of),
        Column("%", 4, progress, right=True, rank=6, order=share),
        Column("RATE", 7, speed, right=True, rank=4),
        Column("ETA", 7, end, right=True, rank=5, order=lambda row: row["due"]["last"]),
        Column("FAIL", 6, failed, right=True, keep=True, order=named("failed")),
        Column("HELD", 6, number("held"), right=True, from_width=116, rank=3, order=named("held")),
        Column("UNCERT", 6, number("uncertain"), right=True, from_width=116, rank=3, order=named("uncertain")),
        Column("PRIO", 4, lambda row: str(row["priority"]), right=True, extra=True, order=field("priority")),
        Column("STARTED", 14, moment("started_at"), extra=True, order=field("started_at")),
        Column("CHANGED", 14, moment("updated_at"), extra=True, order=field("updated_at")),
    ]


WHY_ROWS = 2
"""A sentence that is cut loses what helps: it stands at its end."""
NO_MATCH = " No campaign matches."


class CampaignsScreen(WholeFilteredScreen):
    CSS_PATH: ClassVar = ["view.tcss", "campaigns.tcss"]
    MODE = "campaigns"
    LIST = "campaigns"
    LANGUAGE = CAMPAIGN_TERMS

    def __init__(self, text: str = "") -> None:
        super().__init__(text)

    def columns(self, now: int) -> list[Column]:
        return columns_at(now)

    @cached_property
    def _foresight(self) -> Foresight:
        return Foresight(self.console.load_config)

    def reads(self) -> Any:
        link, filter = self.console.link, self.filter
        return self._foresight.adding("rows", lambda reader, now: load(reader, now, filter, link.state))

    def crumb(self) -> str:
        return f"Campaigns  {self.filter_text()}".rstrip()

    def body(self) -> Iterable[Widget]:
        yield Lines(id="head")
        yield Grid(id="list")
        yield Lines(id="why")

    def show(self, data: dict[str, Any], now: int) -> None:
        rows, every = data["rows"], data["of"]
        self.crumb_right = (
            f"{count(len(rows))} of {plural(every, 'campaign')}" if self.shown.terms else plural(every, "campaign")
        )
        nothing = ((NO_MATCH if every else f" No campaign yet: {self.named('campaign.new')} makes one.", ""),)
        self.show_table(self.in_order(rows, now), lambda row: row["id"], now, nothing)
        self.redraw_for_cursor()

    def redraw_for_cursor(self) -> None:
        row = self.query_one(Grid).current
        text = ""
        if row is not None:
            text = f"{row['name']}: {why(row['why'], self.console.present(), self.named)}"
        lines = labelled(" WHY  ", text, self.size.width, WHY_ROWS) if text else []
        self.query_one("#why", Lines).show(lines)

    def targets(self) -> list[Target]:
        row = self.query_one(Grid).current
        return [Target("campaign", {**row, **self.off()})] if row else []

    def opens(self) -> ViewScreen | None:
        from tui.screens.campaign import CampaignScreen

        row = self.query_one(Grid).current
        return CampaignScreen(row["name"]) if row else None
