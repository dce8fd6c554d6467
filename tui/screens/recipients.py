"""Everybody of one campaign and what became of each: by key at any size, narrowed by the filter language."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace
from typing import Any, ClassVar

from textual.widget import Widget

from storage.filter_terms import Filter
from storage.people_page import PeopleQuery, count, people
from storage.reader import Reader
from tui.actions import Row, Target
from tui.screens.campaign_tabs import recipient_columns
from tui.screens.jobs import FAULTS
from tui.screens.jobs_window import wants_move
from tui.screens.view import ViewScreen, back_binding, look_bindings
from tui.screens.windowed import WindowedScreen
from tui.widgets.columns import Column
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines

TOP, END = 0, -1
"""Where a window begins, beside the ids of people."""


def load(reader: Reader, now: int, name: str, query: PeopleQuery, anchor: int, half: int) -> dict[str, Any]:
    """`rows`, `half` on each open side of a person (an id, or `TOP`, `END`), whether there are more `before` and
    `after` them, how many match (`count`), and the `campaign`."""
    query = replace(query, now=now)
    if anchor == TOP:
        rows, after = people(reader, query, limit=half)
        before = False
    elif anchor == END:
        rows, before = people(reader, query, before=1 << 62, limit=half)
        after = False
    else:
        back, before = people(reader, query, before=anchor, limit=half)
        ahead, after = people(reader, query, after=anchor - 1, limit=half)
        rows = [*back, *ahead]
    return {
        "rows": rows, "before": before, "after": after, "count": str(count(reader, query)),
        "campaign": reader.campaign(name),
    }  # fmt: skip


class RecipientsScreen(WindowedScreen):
    MODE = "campaigns"
    LIST = "recipients"
    HINTS: ClassVar = ("view.open", "view.filter")
    BINDINGS: ClassVar = [
        *look_bindings("shape", "columns"),
        back_binding("put_back"),
    ]

    def __init__(self, name: str, campaign_id: int, text: str = "") -> None:
        super().__init__(text)
        self._campaign = name
        self._query = PeopleQuery(campaign_id, self.filter)
        self._anchor = TOP
        self._go = ""

    def token(self) -> Hashable:
        return ("recipients", self._query, self._anchor)

    def reads(self) -> Any:
        name, query, anchor = self._campaign, self._query, self._anchor
        half = self.half
        return lambda reader, now: load(reader, now, name, query, anchor, half)

    def crumb(self) -> str:
        return f"Campaigns > {self._campaign} > recipients  {self.filter_text()}".rstrip()

    def body(self) -> Iterable[Widget]:
        yield Lines(id="head")
        yield Grid(id="people")

    def columns(self, now: int) -> list[Column]:
        return recipient_columns(now)

    def orders(self) -> list[str]:
        """The order of the file: any other would sort a million people."""
        return [""]

    def show(self, data: dict[str, Any], now: int) -> None:
        rows, grid = data["rows"], self.query_one(Grid)
        empty = f" Nobody is in it yet: {self.named('recipients.import')} imports people from a file."
        nothing = ((" Nobody matches." if self.text else empty, ""),)
        self.show_table(rows, lambda row: (row["id"], row["job_id"]), now, nothing)
        if self._go and rows:
            grid.move_to(0 if self._go == "top" else len(rows) - 1)
            self._go = ""
        of = f" of {data['campaign']['recipients']:,}" if self._query.filter.terms else ""
        self.crumb_right = f"{data['count']}{of} people"

    # moving

    def action_move(self, step: str) -> None:
        data = self.data
        if data is not None and ((step == "top" and data["before"]) or (step == "end" and data["after"])):
            self._go = step
            self._read(TOP if step == "top" else END)
        else:
            super().action_move(step)

    def cursor_moved(self) -> None:
        grid = self.query_one(Grid)
        near = self.data is not None and wants_move(self.data, grid.cursor, self.app.size.height)
        if near and grid.current is not None and not self._go:
            self._read(grid.current["id"])
        super().cursor_moved()

    def _read(self, anchor: int) -> None:
        if anchor != self._anchor:
            self._anchor = anchor
            self.watch_data()

    # filter

    def show_filtered(self, filter: Filter) -> None:
        self._query, self._anchor, self._go = replace(self._query, filter=filter), TOP, ""
        self.watch_data()

    def action_faults(self) -> None:
        self.narrow("" if self.text == FAULTS else FAULTS)

    async def action_put_back(self) -> None:
        if self.text:
            self.put_filter_back()
        else:
            await self.console.action_back()

    # acting

    def targets(self) -> list[Target]:
        if self.data is None:
            return []
        own = Target("campaign", self.data["campaign"])
        row: Row | None = self.query_one(Grid).current
        if row is None:
            return [own]
        off = {"off": self.filter_off()} if self.broken else {}
        person = {**row, "campaign": self._campaign, **off}
        job = [Target("job", {**person, "id": row["job_id"]})] if row["job_id"] is not None else []
        return [*job, Target("person", person), own]

    def opens(self) -> ViewScreen | None:
        from tui.screens.recipient import RecipientScreen

        row = self.query_one(Grid).current
        return RecipientScreen(self._campaign, row["id"], row["address"]) if row else None
