"""View 5: every message that is held for a person, with the reason, and the message as far as it can be made."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, ClassVar

from textual.timer import Timer
from textual.widget import Widget

from engine.config import Config
from storage.errors import PacelineError
from storage.filters import parse
from storage.jobs_page import Place, Query, page
from storage.reader import Reader
from tui.actions import Row, Target, job_targets
from tui.cli.previewing import preview_of
from tui.format import ago, count, fit
from tui.screens.view import PAGE, ViewScreen
from tui.widgets.columns import Column, Table, header
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines

REST = 0.15
"""Seconds that the cursor rests on a row before its message is made."""
TEXT_LINES = 4
HELD = Query(parse("state:held"))


def load(reader: Reader, now: int, after: int) -> Row:
    place = Place(after, after) if after else None
    return {"rows": page(reader, HELD, after=place, limit=PAGE).rows, "total": reader.counts()["held"]}


def load_preview(reader: Reader, now: int, job_id: int, config: Callable[[], Config]) -> Row:
    """The message of one held job: `{id, subject, text (its first lines)}`, or `{id, why}` it cannot be made."""
    job = reader.job(job_id)
    try:
        campaign = reader.campaign(job["campaign"])
        shown = preview_of(campaign, {**job, "id": job["recipient_id"]}, config(), now=now)
    except PacelineError as error:
        return {"id": job_id, "why": f"{error.message}{f' - {error.hint}' if error.hint else ''}"}
    subject = next((value for name, value in shown.headers if name.lower() == "subject"), "")
    return {"id": job_id, "subject": subject, "text": (shown.text or shown.html_text).split("\n")[:TEXT_LINES]}


def columns_at(now: int) -> list[Column]:
    return [
        Column("ID", 8, lambda row: str(row["id"])),
        Column("HELD FOR", 13, lambda row: (row["reason"], "warn")),
        Column("SINCE", 7, lambda row: ago(row["updated_at"], now), right=True),
        Column("CAMPAIGN", 16, lambda row: row["campaign"] or "-"),
        Column("RECIPIENT", 24, lambda row: row["address"] or "-", from_width=96),
        Column("WHAT IS WRONG", 0, lambda row: row["error"] or row["error_key"] or "-"),
    ]


def preview_lines(row: Row | None, shown: Row | None, width: int) -> list[Line]:
    """Six lines about the message under the cursor."""
    if row is None:
        return []
    lines: list[Line] = [
        ((" " + "-" * (width - 2), "dim"),),
        ((" TO       ", "head"), (fit(row["address"] or "-", width - 11), "")),
    ]
    if shown is None or shown["id"] != row["id"]:
        return [*lines, (("          the message is being made ...", "dim"),)]
    if "why" in shown:
        return [*lines, ((" MESSAGE  ", "head"), (fit(f"cannot be made: {shown['why']}", width - 11), ""))]
    lines.append(((" SUBJECT  ", "head"), (fit(shown["subject"], width - 11), "")))
    return lines + [((fit(f"          {text}", width), ""),) for text in shown["text"]]


class ApprovalsScreen(ViewScreen):
    CSS_PATH: ClassVar = ["view.tcss", "approvals.tcss"]
    MODE = "approvals"

    def __init__(self) -> None:
        super().__init__()
        self._shown: Row | None = None
        self._rest: Timer | None = None

    def token(self) -> Hashable:
        return ("held", self.after[-1])

    def reads(self) -> Any:
        after = self.after[-1]
        return lambda reader, now: load(reader, now, after)

    def crumb(self) -> str:
        return "Approvals  held messages"

    def body(self) -> Iterable[Widget]:
        yield Lines(id="head")
        yield Grid(id="held")
        yield Lines(id="preview")

    def page_rows(self) -> list[Row]:
        return self.data["rows"] if self.data else []

    def show(self, data: Row, now: int) -> None:
        self.crumb_right = self.page_text("message", data["total"]) if data["rows"] else f"{count(data['total'])} held"
        columns = columns_at(now)
        nothing = ((" Nothing is held: every message goes its way without a person.", ""),)
        self.query_one("#head", Lines).show([header(columns, self.size.width) if data["rows"] else nothing])
        self.query_one(Grid).show(Table(columns, data["rows"], lambda row: row["id"]))
        self.redraw_for_cursor()

    def redraw_for_cursor(self) -> None:
        row = self.query_one(Grid).current
        self.query_one("#preview", Lines).show(preview_lines(row, self._shown, self.size.width))
        if row is not None and (self._shown is None or self._shown["id"] != row["id"]):
            if self._rest is not None:
                self._rest.stop()
            self._rest = self.set_timer(REST, self._make)

    def _make(self) -> None:
        row = self.query_one(Grid).current
        if row is not None:
            self.run_worker(self._made(row["id"]), group="preview", exclusive=True)

    async def _made(self, job_id: int) -> None:
        config = self.console.load_config
        try:
            self._shown = await self.console.read_once(lambda reader, now: load_preview(reader, now, job_id, config))
        except PacelineError as error:
            self._shown = {"id": job_id, "why": error.message}
        if self.is_current:
            self.redraw_for_cursor()

    def targets(self) -> list[Target]:
        row = self.query_one(Grid).current
        return job_targets(row) if row else []

    def opens(self) -> ViewScreen | None:
        from tui.screens.job import JobScreen

        row = self.query_one(Grid).current
        return JobScreen(row["id"], self.crumb()) if row else None
