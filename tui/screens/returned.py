"""One thing that came back: what it is, which message it is about and how that was found, what followed, its words."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, ClassVar

from textual.widget import Widget

from storage.errors import NotFoundError
from storage.inbox_facts import inbox_one
from storage.reader import Reader
from tui.actions import Row, Target
from tui.format import clock, fit, wrap
from tui.screens.inbox import STYLES, answer, told
from tui.screens.view import ViewScreen
from tui.widgets.columns import Item, Sections, blank, fixed, heading
from tui.widgets.grid import Grid
from tui.widgets.lines import Line

NAME = 13
"""Cells of a fact's name."""
FOLLOWED = {
    "bounced": "the message counts as bounced",
    "stopped": "the person's sequence ended",
    "suppressed": "the address is contacted no more; no message of ours was found",
    "noted": "noted, nothing else changed",
    "kept": "kept as it is, nothing changed",
}
"""What an effect means, in words."""


def load(reader: Reader, inbox_id: int) -> Row:
    """Everything that was read of it. Raises NotFoundError."""
    row = inbox_one(reader, inbox_id)
    if row is None:
        raise NotFoundError(f"there is nothing of number {inbox_id} in the inbox", hint=":inbox lists what came back")
    return row


def came_back(rows: list[Row], now: int, width: int) -> list[Item]:
    """What came back about a message or a person, a line each that enter opens; nothing where nothing did."""
    if not rows:
        return []
    items = [blank(), heading("CAME BACK")]
    for row in rows:
        line: Line = ((f"   {fit(told(row, now), max(20, width - 6))}", STYLES.get(row["kind"], "")),)
        items.append(fixed(line, ("returned", row["id"]), {**row, "returned": row["id"]}))
    return items


def facts(row: Row, now: int, width: int) -> list[Item]:
    """What is known of it, one fact a line; long ones go on below."""
    job = f"{row['job_id']} ({row['job_state']})" if row["job_id"] else "none of ours was found"
    by = f", found by its {row['matched_by']}" if row["matched_by"] else ""
    shown = (
        ("kind", row["kind"], STYLES.get(row["kind"], "")),
        ("at", clock(row["at"], now, seconds=True), ""),
        ("read", f"{clock(row['read_at'], now, seconds=True)} from {row['source'] or '-'}", ""),
        ("from", row["address"] or "-", ""),
        ("subject", row["subject"] or "-", ""),
        ("message", f"{job}{by}", "" if row["job_id"] else "warn"),
        ("person", row["person"] or "-", ""),
        ("campaign", row["campaign"] or "-", ""),
        ("followed", FOLLOWED.get(row["effect"], row["effect"]), ""),
        ("code", answer(row), ""),
        ("server said", row["diagnostic"], ""),
        ("kept", f"{row['kept']:,} octets: paceline inbox show {row['id']} --raw" if row["kept"] else "", ""),
    )
    items = []
    for name, value, style in shown:
        if not value:
            continue
        for i, part in enumerate(wrap(str(value), max(20, width - NAME - 5))):
            line: Line = ((f"   {fit(name if i == 0 else '', NAME)} ", "head"), (part, style))
            items.append(fixed(line, (name, i)))
    return items


class ReturnedScreen(ViewScreen):
    MODE = "campaigns"
    HINTS: ClassVar = ()

    def __init__(self, inbox_id: int) -> None:
        super().__init__()
        self._inbox_id = inbox_id

    def token(self) -> Hashable:
        return ("returned", self._inbox_id)

    def reads(self) -> Any:
        inbox_id = self._inbox_id
        return lambda reader, now: load(reader, inbox_id)

    def crumb(self) -> str:
        return f"Campaigns > what came back > {self._inbox_id}"

    def body(self) -> Iterable[Widget]:
        yield Grid(id="facts")

    def show(self, data: Row, now: int) -> None:
        width = self.size.width
        open_job = f"{self.named('view.open')} the message  " if data["job_id"] else ""
        self.crumb_right = f"{open_job}{self.named('app.back')} close"
        items = [heading("WHAT CAME BACK"), *facts(data, now, width)]
        parts = wrap(data["text"], max(20, width - 6)) if data["text"].strip() else []
        items += [blank(), heading("ITS WORDS" if parts else "ITS WORDS    none were read")]
        items += [fixed(((f"   {part}", ""),), ("text", i)) for i, part in enumerate(parts)]
        self.query_one(Grid).show(Sections(items))

    def targets(self) -> list[Target]:
        return [Target("returned", self.data)] if self.data else []

    def action_open(self) -> None:
        if self.data is not None and not self.data["job_id"]:
            self.console.note("no message of ours was found for this")
        else:
            super().action_open()

    def opens(self) -> ViewScreen | None:
        from tui.screens.job import JobScreen

        return JobScreen(self.data["job_id"], self.crumb()) if self.data else None
