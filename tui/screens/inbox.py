"""What came back: bounces, complaints and replies in pages by id, narrowed by the filter language."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual.widget import Widget

from storage.filter_languages import INBOX
from storage.filter_terms import Filter
from storage.inbox_pages import InboxQuery, count, every, page
from storage.reader import Reader
from tui.actions import Row, Target
from tui.format import clock, fit
from tui.screens.newest import NewestScreen
from tui.screens.view import PAGE, ViewScreen, Written
from tui.widgets.columns import Column
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines, plain

STYLES = {
    "bounce": "bad", "complaint": "bad", "unsubscribe": "warn", "delayed": "warn", "reply": "good", "accepted": "good",
    "auto_reply": "dim", "out_of_office": "dim", "delivered": "dim", "unknown": "dim", "unparsable": "warn",
}  # fmt: skip
EMPTY = (
    " Nothing came back yet.",
    "",
    " paceline inbox read PATH    reads a maildir, an mbox, a mail, a webhook payload",
    " [inbox.NAME]                of the configuration: an IMAP mailbox that the",
    "                             engine looks into by itself",
)


def load(reader: Reader, now: int, filter: Filter, before: int) -> dict[str, Any]:
    """`rows`: one page, the last one read first, from below an id (0: from the newest); `count`: how many match."""
    query = InboxQuery(filter, now)
    rows, _ = page(reader, query, before=before or None, limit=PAGE)
    return {"rows": rows, "count": str(count(reader, query))}


def answer(row: Row) -> str:
    """The code of what a server said: "550 5.1.1", "" where none was said."""
    return " ".join(str(part) for part in (row["code"] or "", row["enhanced"]) if part)


def told(row: Row, now: int) -> str:
    """What came back about a message, in one line."""
    return " ".join(part for part in (clock(row["at"], now), row["kind"], words(row)) if part)


def words(row: Row) -> str:
    """What the server said with its code, once, or else the subject."""
    said, code = row["diagnostic"] or row["subject"], answer(row)
    return said if code in said else f"{code} {said}".strip()


def columns_at(now: int) -> list[Column]:
    def kind(row: Row) -> tuple[str, str]:
        return row["kind"], STYLES.get(row["kind"], "")

    def effect(row: Row) -> tuple[str, str]:
        return row["effect"], "warn" if row["job_id"] is None else ""

    return [
        Column("WHEN", 14, lambda row: clock(row["at"], now), keep=True),
        Column("KIND", 13, kind, keep=True),
        Column("ADDRESS", 0, lambda row: row["address"] or "-", keep=True, least=16),
        Column("EFFECT", 10, effect, rank=4),
        Column("CAMPAIGN", 14, lambda row: row["campaign"] or "-", rank=3, from_width=74),
        Column("SUBJECT", 0, lambda row: row["subject"], rank=2, from_width=96, least=16),
        Column("CODE", 10, answer, rank=1, from_width=118),
        Column("BY", 10, lambda row: row["matched_by"] or "-", extra=True),
        Column("SOURCE", 16, lambda row: row["source"], extra=True),
    ]


class InboxScreen(NewestScreen):
    CSS_PATH: ClassVar = ["view.tcss", "inbox.tcss"]
    LIST = "inbox"
    LANGUAGE = INBOX
    HINTS: ClassVar = ("view.open", "view.filter")

    def reads(self) -> Any:
        filter, before = self.filter, self.after[-1]
        return lambda reader, now: load(reader, now, filter, before)

    def crumb(self) -> str:
        return f"Campaigns > what came back  {self.filter_text()}".rstrip()

    def body(self) -> Iterable[Widget]:
        yield Lines(id="head")
        yield Grid(id="list")
        yield Lines(id="words")

    def columns(self, now: int) -> list[Column]:
        return columns_at(now)

    def show(self, data: dict[str, Any], now: int) -> None:
        self.show_table(data["rows"], lambda row: row["id"], now, plain(" Nothing that came back matches."))
        empty = not data["rows"] and not self.text
        self.set_class(empty, "-empty")
        if empty:
            self.query_one("#head", Lines).show([plain(line) for line in EMPTY])
        self.tell_page(data)

    def redraw_for_cursor(self) -> None:
        """The words of the row under the cursor, which the narrow list has no room for."""
        row = self.query_one(Grid).current
        text = words(row) if row else ""
        line: Line = ((" SAID ", "head"), (fit(text, self.size.width - 7), "")) if text else ()
        self.query_one("#words", Lines).show([line])

    def written(self) -> Written:
        filter = self.filter
        return lambda reader, now: every(reader, InboxQuery(filter, now))

    def targets(self) -> list[Target]:
        row = self.query_one(Grid).current if self.data is not None else None
        return [Target("returned", row)] if row else []

    def opens(self) -> ViewScreen | None:
        from tui.screens.returned import ReturnedScreen

        row = self.query_one(Grid).current
        return ReturnedScreen(row["id"]) if row is not None else None
