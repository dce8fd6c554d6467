"""The timeline of a campaign: what was sent, planned against actual, and what comes, in pages both ways from now."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from storage.reader import Reader
from storage.sends import FROM_NOW_BACK, FROM_THE_NEXT, Place, coming, past
from tui.actions import Row
from tui.foreseeing import expect
from tui.format import ago, clock, off_plan, soon, span, zone_word
from tui.screens.view import PAGE
from tui.theme import job_mark
from tui.widgets.columns import Column

JUST_SENT = 3
"""Rows of the past above the next ones on the page that begins at now."""
NOW = ("now", FROM_THE_NEXT)


class Pages:
    """Which page of a timeline is shown. Each step back or forth begins where the last page ended."""

    def __init__(self) -> None:
        self._turned: list[tuple[str, Place]] = [NOW]

    @property
    def here(self) -> tuple[str, Place]:
        """`now`, `past` or `coming`, and where it begins."""
        return self._turned[-1]

    def turn(self, by: int, data: Row) -> str:
        """Go to the later (1) or the earlier (-1) page, out of what the present one has read; why not, or ""."""
        way = "coming" if by > 0 else "past"
        if self.here[0] not in ("now", way):
            self._turned.pop()
            return ""
        further = data.get(way)
        if further is None:
            return "nothing is planned later than what this page ends with" if by > 0 else "nothing was sent earlier"
        self._turned.append((way, Place(*further)))
        return ""


def load(reader: Reader, campaign: Row, here: tuple[str, Place], starts: Mapping[int, int]) -> Row:
    """The rows of one page in the order of time, and where the pages beside it begin (`past`, `coming`; None: none).
    `starts`: when what comes is expected to begin, as `Foresight.starts` has it."""
    kind, place = here
    found: Row = {"rows": []}
    if kind != "coming":
        begin, most = (place, PAGE) if kind == "past" else (FROM_NOW_BACK, JUST_SENT)
        queues = [one["id"] for one in campaign["accounts"]]
        page = past(reader, campaign["id"], queues, before=begin, limit=most)
        found = {"rows": page.rows, "past": page.further and tuple(page.further)}
    if kind != "past":
        page = coming(reader, campaign["id"], after=place, limit=PAGE)
        expect(page.rows, starts, campaign["last_start"])
        found = {**found, "rows": [*found["rows"], *page.rows], "coming": page.further and tuple(page.further)}
    return found


def timeline_columns(now: int) -> list[Column]:
    def state(row: Row) -> tuple[str, str]:
        mark = job_mark({**row, "error": row["error_key"]}, now)
        return f"{mark.glyph} {mark.word}", mark.style

    def moment(row: Row) -> str:
        at = row["begun_at"] if "begun_at" in row else row["expected_at"] or row["due_at"]
        return f"{clock(at, now, seconds=True)}{zone_word(at)}"

    def plan(row: Row) -> str:
        if "later" in row:
            return off_plan(row["later"])
        if row["expected_at"] is not None:
            return off_plan(row["expected_at"] - row["due_at"])
        return soon(row["due_at"], now) if row["due_at"] > now else f"{ago(row['due_at'], now)} overdue"

    return [
        Column("TIME", 20 if zone_word(now) else 16, moment),
        Column("GAP", 8, lambda row: "-" if row["gap"] is None else span(row["gap"]), right=True),
        Column("PLAN", 13, plan),
        Column("STATE", 11, state),
        Column("TRY", 3, lambda row: str(row.get("number", row["attempts"])), right=True),
        Column("ACCOUNT", 16, lambda row: row["account"], from_width=100),
        Column("RECIPIENT", 0, lambda row: row["address"] or "-"),
    ]


def key_of(row: Row) -> Hashable:
    """A message that is tried again stands in the past and in what comes."""
    return ("timeline", row.get("attempt_id", 0), row["id"])
