"""One message that waits for approval, whole: as it would leave, with what was asked and said about it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, ClassVar

from textual.widget import Widget

from engine.senders import senders_of
from storage.approval_facts import beside, letter
from storage.errors import PacelineError
from storage.reader import Reader
from tui.actions import Row, Target
from tui.cli.previewing import preview_of_job
from tui.format import ago, clock, soon, wrap
from tui.lookup import job_targets
from tui.safe_text import safe_text
from tui.screens.view import ViewScreen
from tui.screens.working import in_words
from tui.widgets.columns import Item, Sections
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines

FIRST = ("from", "to", "reply-to", "subject")
LONGEST = 10_000
"""Characters of one line."""


def approval_targets(row: Row) -> list[Target]:
    """What the actions of a message are for: its approval while it waits for one, then the job and its person."""
    waits = row["state"] == "held" and row["reason"] == "approval"
    return [*([Target("approval", row)] if waits else []), *job_targets(row)]


def standing(row: Row, now: int) -> str:
    """What was asked and said about a message, in words; "" for one that nobody was asked about."""
    if not row.get("asked_at"):
        return ""
    if row["decision"]:
        by = f" by {row['decided_by']}" if row["decided_by"] else ""
        said = f"{row['decision']}{by} {clock(row['decided_at'], now, relative=False)}"
    else:
        ends = f", expires {soon(row['expires_at'], now)}" if row["expires_at"] else ""
        said = f"waits since {clock(row['asked_at'], now, relative=False)} ({ago(row['asked_at'], now)}){ends}"
    own = f"own text by {row['written_by']}" if row["written_by"] else ""
    return "; ".join(filter(None, (said, own, row["note"])))


class MessageScreen(ViewScreen):
    CSS_PATH: ClassVar = ["view.tcss", "form.tcss", "message.tcss"]
    MODE = "approvals"
    HINTS: ClassVar = ()

    def __init__(self, job_id: int) -> None:
        super().__init__()
        self._job_id = job_id

    def token(self) -> Hashable:
        return ("message", self._job_id)

    def reads(self) -> Any:
        job_id, config = self._job_id, self.console.load_config
        return lambda reader, now: load(reader, now, job_id, config)

    def crumb(self) -> str:
        return f"Approvals > job {self._job_id}"

    def body(self) -> Iterable[Widget]:
        yield Lines(id="head")
        yield Grid(id="form")

    def show(self, data: Row, now: int) -> None:
        width = self.size.width
        head: list[Line] = [((" APPROVAL ", "head"), (standing(data, now) or data["state"], ""))]
        self.query_one("#head", Lines).show(head)
        lines = [data["why"]] if data["why"] else data["lines"]
        items: list[Item] = []
        for line in lines:
            for part in wrap(line, width - 4) if line.strip() else [""]:
                items.append(_item(part, "bad" if data["why"] else "", len(items)))
        self.query_one(Grid).show(Sections(items))

    def targets(self) -> list[Target]:
        return approval_targets(self.data) if self.data else []


def load(reader: Reader, now: int, job_id: int, config: Any) -> Row:
    """A job as `Reader.job` gives it, what was said about it, and its message as `lines` (or `why` it has none)."""
    job = reader.job(job_id)
    said = beside(reader, [job_id]).get(job_id, {})
    row = {**job, **said, "looked_at": now, "lines": [], "why": ""}
    try:
        campaign, known = reader.campaign(job["campaign"]), config()
        shown = preview_of_job(campaign, job, letter(reader, job_id), known, now=now)
    except PacelineError as error:
        return {**row, "why": f"This message cannot be made: {in_words(error)}"}
    lines = [f"{name}: {value}" for name, value in shown.headers if name.lower() in FIRST]
    row["senders"] = senders_of(campaign["settings"], [job["queue"]], known)
    body = (shown.text or shown.html_text).split("\n")
    return {**row, "lines": [safe_text(line, LONGEST) for line in (*lines, "", *body)]}


def _item(text: str, style: str, key: int) -> Item:
    return Item(lambda width: ((text, style),), key, None)
