"""One job: what it is; every attempt with the server's own words, or what a background job is made of."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, ClassVar

from textual.widget import Widget

from storage.inbox_pages import about_job
from storage.model import SECOND
from storage.reader import Reader
from tui.actions import Row, Target
from tui.explaining import asked_by
from tui.format import clock, fit, soon, wrap
from tui.link import LinkState
from tui.lookup import KeyOf, job_targets
from tui.screens import job_work
from tui.screens.returned import ReturnedScreen, came_back
from tui.screens.view import ViewScreen
from tui.screens.why import why
from tui.theme import job_mark
from tui.widgets.columns import Item, Sections, blank, fixed, heading
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines


def load(reader: Reader, now: int, job_id: int, link: LinkState) -> Row:
    """A job with why it does not run now (`why`) and what came back about it (`came_back`); of a background job also
    all that `job_work.load` gives."""
    why_not = asked_by(reader, now, link).job(job_id).brief()
    row = reader.job(job_id)
    return {**row, "why": why_not, "came_back": about_job(reader, job_id), **job_work.load(reader, row, now)}


def facts(row: Row, now: int, width: int, named: KeyOf) -> list[Line]:
    """What it is, in seven lines."""
    if "task" in row:
        return job_work.facts(row, now, width, named)
    mark = job_mark(row, now)
    reason = f" ({row['reason']})" if row["reason"] else ""
    when = f"due {soon(row['due_at'], now)}" if row["state"] == "pending" else f"since {clock(row['updated_at'], now)}"
    return [
        ((" STATE    ", "head"), (f"{mark.glyph} {mark.word}{reason}", mark.style), (f"  {when}", "")),
        ((" WHY      ", "head"), (fit(why(row["why"], now, named), width - 10), "")),
        ((" TO       ", "head"), (row["address"] or "-", "")),
        ((" CAMPAIGN ", "head"), (f"{row['campaign'] or '-'}   queue {row['queue']}   kind {row['kind']}", "")),
        ((" ID       ", "head"), (row["message_id"] or "-", "")),
        (
            (" TRIES    ", "head"),
            (f"{row['attempts']} made, {row['tries']} of the present budget", ""),
            (f"   sent {clock(row['sent_at'], now)}" if row["sent_at"] else "", ""),
        ),
        ((" FIELDS   ", "head"), (_fields(row), "")),
    ]


def _fields(row: Row) -> str:
    return "  ".join(f"{key}={value}" for key, value in row.get("fields", {}).items() if not isinstance(value, list))


def said(attempt: Row) -> str:
    """The server's name and its own words."""
    words = attempt["reply"] or "nothing that was recorded"
    return f"{attempt['server'] or 'the server'}: {words}"


def attempt_items(row: Row, now: int, width: int) -> list[Item]:
    """The attempts, oldest first: when, what became of it, where, how long, and the reply in full."""
    items: list[Item] = []
    for attempt in row["attempts_log"]:
        code = f"{attempt['code'] or ''} {attempt['enhanced']}".strip()
        outcome = attempt["outcome"] or "no outcome recorded"
        style = "good" if outcome == "accepted" else "ask" if outcome in ("uncertain", "no outcome recorded") else "bad"
        took = f"{attempt['duration'] / SECOND:.3f} s"
        line: Line = (
            (f"#{attempt['number']:<3} {clock(attempt['intent_at'], now, seconds=True)}  ", ""),
            (fit(outcome, 13), style),
            (f" {fit(code, 10)} {fit(attempt['phase'], 8)} {took:>9}", ""),
        )
        items.append(fixed(line, ("attempt", attempt["id"]), attempt))
        for part in wrap(said(attempt), max(20, width - 8)):
            items.append(fixed(((f"      {part}", ""),)))
    return items


def detail(row: Row, now: int, width: int) -> list[Item]:
    """What stands below the facts: the attempts, and what came back; of a background job what it is made of."""
    if "task" in row:
        return job_work.items(row, now, width)
    log = row["attempts_log"]
    title = f"ATTEMPTS ({len(log)})" if log else "ATTEMPTS    none yet"
    return [blank(), heading(title), *attempt_items(row, now, width), *came_back(row["came_back"], now, width)]


class JobScreen(ViewScreen):
    CSS_PATH: ClassVar = ["view.tcss", "job.tcss"]
    MODE = "failures"
    HINTS: ClassVar = ()

    def __init__(self, job_id: int, path: str) -> None:
        super().__init__()
        self._job_id = job_id
        self._path = path

    def token(self) -> Hashable:
        return ("job", self._job_id)

    def reads(self) -> Any:
        job_id, link = self._job_id, self.console.link
        return lambda reader, now: load(reader, now, job_id, link.state)

    def crumb(self) -> str:
        return f"{self._path} > job {self._job_id}"

    def body(self) -> Iterable[Widget]:
        yield Lines(id="facts")
        yield Grid(id="attempts")

    def show(self, data: Row, now: int) -> None:
        self.query_one("#facts", Lines).show(facts(data, now, self.size.width, self.named))
        self.query_one(Grid).show(Sections(detail(data, now, self.size.width)))

    def targets(self) -> list[Target]:
        return job_targets(self.data) if self.data else []

    def opens(self) -> ViewScreen | None:
        row = self.query_one(Grid).current
        return ReturnedScreen(row["returned"]) if isinstance(row, dict) and "returned" in row else None
