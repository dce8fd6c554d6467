"""What an act left alone: each job as it is now, and why it was not changed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, ClassVar

from textual.widget import Widget

from storage.jobs_page import rows_of
from storage.reader import Reader
from tui.actions import Row, Target
from tui.format import count
from tui.screens.job_columns import job_columns
from tui.screens.view import ViewScreen
from tui.widgets.columns import Column, Table, header
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines

MOST = 1_000
"""Jobs that are listed."""


def load(reader: Reader, left: Sequence[Row]) -> list[Row]:
    """The jobs as they are now, in the order of `left`, with `why`."""
    whys = {entry["job"]: entry["why"] for entry in left}
    return [{**row, "why": whys[row["id"]]} for row in rows_of(reader, list(whys))]


def left_columns(now: int) -> list[Column]:
    shown = [column for column in job_columns(now) if column.title in ("ID", "STATE", "RECIPIENT")]
    return [*shown, Column("WHY IT WAS LEFT ALONE", 0, lambda row: row["why"])]


class LeftScreen(ViewScreen):
    """The jobs that an act refused or found changed: read-only, but enter opens each."""

    CSS_PATH: ClassVar = ["view.tcss", "failures.tcss"]
    MODE = "jobs"

    def __init__(self, title: str, left: Sequence[Row]) -> None:
        super().__init__()
        self._title = title
        self._left = tuple(left[:MOST])
        self._total = len(left)

    def token(self) -> Hashable:
        return ("left", id(self._left))

    def reads(self) -> Any:
        left = self._left
        return lambda reader, now: load(reader, left)

    def crumb(self) -> str:
        return f"Jobs > {self._title}"

    def body(self) -> Iterable[Widget]:
        yield Lines(id="head")
        yield Grid(id="jobs")

    def show(self, data: list[Row], now: int) -> None:
        total = count(self._total)
        self.crumb_right = f"{total} jobs" if self._total == len(self._left) else f"first {count(MOST)} of {total}"
        columns = left_columns(now)
        self.query_one("#head", Lines).show([header(columns, self.size.width)])
        self.query_one(Grid).show(Table(columns, data, lambda row: row["id"]))

    def targets(self) -> list[Target]:
        row = self.query_one(Grid).current
        return [Target("job", row)] if row else []

    def opens(self) -> ViewScreen | None:
        from tui.screens.job import JobScreen

        row = self.query_one(Grid).current
        return JobScreen(row["id"], "Jobs") if row else None
