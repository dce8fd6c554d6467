"""Who must not be contacted: the whole list in pages by id, narrowed by the filter language."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual.widget import Widget

from storage.filter_languages import SUPPRESSIONS
from storage.filter_terms import Filter
from storage.reader import Reader
from storage.suppression_pages import SuppressionQuery, count, every, json_of, page
from tui.actions import Row, Target
from tui.format import clock, fit
from tui.screens.newest import NewestScreen
from tui.screens.view import PAGE, Written
from tui.widgets.columns import Column
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines

_STYLES = {"unsubscribed": "warn", "complained": "bad", "dead": "dim", "disabled": "dim", "full": "dim"}


def load(reader: Reader, now: int, filter: Filter, before: int) -> dict[str, Any]:
    """`rows`: one page, the newest first, from below an id (0: from the newest); `count`: how many match."""
    query = SuppressionQuery(filter, now)
    rows, _ = page(reader, query, before=before or None, limit=PAGE)
    return {"rows": rows, "count": str(count(reader, query))}


def columns_at(now: int) -> list[Column]:
    def value(row: Row) -> str:
        return f"@{row['value']}" if row["kind"] == "domain" else str(row["value"])

    def reason(row: Row) -> tuple[str, str]:
        return row["reason"], _STYLES.get(row["reason"], "")

    def until(row: Row) -> tuple[str, str]:
        if row["expires_at"] is None:
            return "for ever", ""
        return ("over", "dim") if row["expires_at"] <= now else (clock(row["expires_at"], now), "")

    return [
        Column("VALUE", 0, value, keep=True, least=24),
        Column("KIND", 7, lambda row: row["kind"], rank=2),
        Column("REASON", 12, reason, keep=True),
        Column("ON", 12, lambda row: row["scope"] or "all", rank=5),
        Column("SINCE", 14, lambda row: clock(row["created_at"], now), rank=4),
        Column("UNTIL", 14, until, rank=3, from_width=92),
        Column("BY", 10, lambda row: row["created_by"], from_width=106, rank=1),
        Column("CAMPAIGN", 16, lambda row: row["campaign"] or "-", from_width=118, rank=1),
        Column("SOURCE", 16, lambda row: row["source"], extra=True),
    ]


class SuppressionsScreen(NewestScreen):
    CSS_PATH: ClassVar = ["view.tcss", "suppressions.tcss"]
    LIST = "suppressions"
    LANGUAGE = SUPPRESSIONS
    HINTS: ClassVar = ("view.filter",)

    def reads(self) -> Any:
        filter, before = self.filter, self.after[-1]
        return lambda reader, now: load(reader, now, filter, before)

    def crumb(self) -> str:
        return f"Campaigns > suppressions  {self.filter_text()}".rstrip()

    def body(self) -> Iterable[Widget]:
        yield Lines(id="head")
        yield Grid(id="list")
        yield Lines(id="note")

    def columns(self, now: int) -> list[Column]:
        return columns_at(now)

    def show(self, data: dict[str, Any], now: int) -> None:
        empty = f" Nobody is suppressed: {self.named('suppression.add')} adds an address, @domain or profile."
        nothing = ((" No suppression matches." if self.text else empty, ""),)
        self.show_table(data["rows"], lambda row: row["id"], now, nothing)
        self.tell_page(data)

    def redraw_for_cursor(self) -> None:
        row = self.query_one(Grid).current
        text = " - ".join(part for part in (row["source"], row["note"]) if part) if row else ""
        line = ((" NOTE ", "head"), (fit(text, self.size.width - 7), "")) if text else ()
        self.query_one("#note", Lines).show([line])

    def written(self) -> Written:
        filter = self.filter
        return lambda reader, now: map(json_of, every(reader, SuppressionQuery(filter, now)))

    def targets(self) -> list[Target]:
        own = Target("suppressions", {"value": ""})
        row = self.query_one(Grid).current if self.data is not None else None
        return [Target("suppression", {**row, "name": row["value"], **self.off()}), own] if row else [own]
