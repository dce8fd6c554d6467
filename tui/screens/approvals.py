"""View 5: every message that is held for a person, and under the cursor the message itself, as it will be sent.

Those that wait for approval are approved, rejected and written anew here, one after the other or as a marked set; what
is held for another reason says which, and a retry frees it once that is mended. A filter with a state of its own
(`state:skipped`) shows what was decided, by whom and when.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, ClassVar

from textual.timer import Timer
from textual.widget import Widget

from engine.config import Config
from engine.senders import senders_of
from storage.approval_facts import beside, letter
from storage.errors import PacelineError
from storage.filter_terms import Filter, States
from storage.jobs_plan import states_named
from storage.reader import Reader
from tui.actions import Row, Target
from tui.cli.previewing import preview_of_job
from tui.format import ago, clock, fit, soon, wrap
from tui.lookup import action
from tui.screens.jobs import AllJobsScreen
from tui.screens.message import MessageScreen, approval_targets, standing
from tui.screens.view import ViewScreen
from tui.widgets.columns import Column
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines

REST = 0.15
"""Seconds that the cursor rests on a row before its message is made."""
TEXT_LINES = 60
"""Lines of a message that the pane can hold on the tallest usual screen."""


def with_approvals(reader: Reader, now: int, data: Row) -> Row:
    """What was read of a window of jobs, each row with what was asked and said about it, and the time of the look."""
    said = beside(reader, [row["id"] for row in data["rows"]])
    campaigns = reader.campaigns()
    whole = [
        row["name"] for row in campaigns
        if row["approval"] == "campaign" and row["approved_at"] is None and row["state"] == "paused"
    ]  # fmt: skip
    versions = {row["name"]: row["version"] for row in campaigns}
    rows = [
        {**row, **said.get(row["id"], {}), "looked_at": now, "campaign_version": versions.get(row["campaign"])}
        for row in data["rows"]
    ]
    return {**data, "rows": rows, "whole": whole}


def load_preview(reader: Reader, now: int, job_id: int, config: Callable[[], Config]) -> Row:
    """The message of one job: `{id, lease, campaign_version, looked_at, senders (by account), subject, text (its first
    lines)}`, or `why` it cannot be made."""
    job = reader.job(job_id)
    campaign = reader.campaign(job["campaign"])
    found = {"id": job_id, "lease": job["lease"], "campaign_version": campaign["version"], "looked_at": now}
    try:
        read = config()
        shown = preview_of_job(campaign, job, letter(reader, job_id), read, now=now)
    except PacelineError as error:
        return {**found, "why": f"{error.message}{f' - {error.hint}' if error.hint else ''}"}
    subject = next((value for name, value in shown.headers if name.lower() == "subject"), "")
    found["senders"] = senders_of(campaign["settings"], [job["queue"]], read)
    return {**found, "subject": subject, "text": (shown.text or shown.html_text).rstrip().split("\n")[:TEXT_LINES]}


def columns_at(now: int) -> list[Column]:
    def what(row: Row) -> tuple[str, str]:
        return (row["reason"], "warn") if row["state"] == "held" else (row["decision"] or row["state"], "")

    def since(row: Row) -> str:
        return ago(row.get("asked_at") or row["updated_at"], now)

    def said(row: Row) -> str:
        by = f"by {row['decided_by']} {clock(row['decided_at'], now)}" if row.get("decided_by") else ""
        own = "own text" if row.get("written_by") else ""
        return "; ".join(filter(None, (by, row.get("note") or row["error"] or row["error_key"], own))) or "-"

    return [
        Column("ID", 7, lambda row: str(row["id"]), keep=True),
        Column("HELD FOR", 13, what, keep=True),
        Column("SINCE", 7, since, right=True, from_width=98, rank=5),
        Column("EXPIRES", 9, lambda row: _expires(row, now), rank=6),
        Column("CAMPAIGN", 16, lambda row: row["campaign"] or "-", from_width=98, rank=4, most=32),
        Column("RECIPIENT", 20, lambda row: row["address"] or "-", rank=7, most=40),
        Column("NOTE", 0, said, keep=True),
        Column("STEP", 4, lambda row: str(row["step"] or "-"), right=True, rank=1, extra=True),
        Column("QUEUE", 14, lambda row: row["queue"], rank=2, extra=True),
    ]


def _expires(row: Row, now: int) -> tuple[str, str]:
    at = row.get("expires_at")
    if at is None or row["state"] != "held" or row["reason"] != "approval":
        return "-", "dim"
    return soon(at, now), "warn" if at - now < 24 * 3_600_000_000 else ""


def shows(message: Row | None, row: Row) -> bool:
    """Whether a message that was made is that of this row as it stands: another text of its own raises the job's lease,
    another template or sender the campaign's version."""
    same = ("id", "lease", "campaign_version")
    return message is not None and all(message.get(name) == row.get(name) for name in same)


def preview_lines(row: Row | None, shown: Row | None, now: int, width: int, height: int) -> list[Line]:
    """The message under the cursor, as much of it as there is room for."""
    if row is None:
        return []
    lines: list[Line] = [((" " + "-" * (width - 2), "dim"),)]
    if said := standing(row, now):
        lines.append(((" APPROVAL ", "head"), (fit(said, width - 11), "")))
    lines.append(((" TO       ", "head"), (fit(row["address"] or "-", width - 11), "")))
    if shown is None or not shows(shown, row):
        return [*lines, (("          the message is being made ...", "dim"),)]
    if "why" in shown:
        why = wrap(f"cannot be made: {shown['why']}", width - 11)
        return [*lines, ((" MESSAGE  ", "head"), (why[0], "")), *(((f"          {more}", ""),) for more in why[1:])]
    lines += [((" SUBJECT  ", "head"), (fit(shown["subject"], width - 11), "")), ()]
    room = height - len(lines)
    body = [part for text in shown["text"] for part in (wrap(text, width - 4) if text.strip() else [""])]
    if len(body) > room > 0:
        body = [*body[: room - 1], "... enter shows all of it"]
    return lines + [((f"   {text}", ""),) for text in body]


class ApprovalsScreen(AllJobsScreen):
    CSS_PATH: ClassVar = ["view.tcss", "approvals.tcss"]
    MODE = "approvals"
    LIST = "approvals"
    HINTS: ClassVar[tuple[str, ...]] = ("view.open", "view.filter", "mark.one")

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self._message: Row | None = None
        self._rest: Timer | None = None

    # what is read

    def wanted(self) -> Filter:
        """What is held, unless the filter names a state."""
        if states_named(self.filter) is None:
            return Filter((*self.filter.terms, States(("held",))))
        return self.filter

    def token(self) -> Hashable:
        return ("approvals", super().token())

    def reads(self) -> Any:
        jobs = super().reads()
        return lambda reader, now: with_approvals(reader, now, jobs(reader, now))

    def crumb(self) -> str:
        return f"Approvals  {self.filter_text() or 'held messages'}".rstrip()

    def body(self) -> Iterable[Widget]:
        yield Lines(id="head")
        yield Grid(id="jobs")
        yield Lines(id="preview")

    # what is shown

    def columns(self, now: int) -> list[Column]:
        return columns_at(now)

    def nothing(self) -> Line:
        whole = self.data["whole"] if self.data else []
        if whole and not self.text:
            named = f"{', '.join(whole[:3])}{', ...' if len(whole) > 3 else ''}"
            return ((f" As a whole: {named}: {self.named('campaign.approve')} in view 2 approves a campaign.", "warn"),)
        return ((" No message matches." if self.text else " Nothing is held: no message waits for a person.", ""),)

    def follow(self, row: Row | None) -> None:
        self._draw_preview()
        if row is None or shows(self._message, row):
            return
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(REST, self._make)

    def _draw_preview(self) -> None:
        if (pane := self.query_one_optional("#preview", Lines)) is None:  # left while the message was being made
            return
        row = self.query_one(Grid).current
        pane.show(preview_lines(row, self._message, self.console.present(), self.size.width, pane.size.height))

    def _make(self) -> None:
        row = self.query_one(Grid).current
        if row is not None:
            self.run_worker(self._made(row["id"]), group="preview", exclusive=True)

    async def _made(self, job_id: int) -> None:
        config = self.console.load_config
        try:
            self._message = await self.console.read_once(lambda reader, now: load_preview(reader, now, job_id, config))
        except PacelineError as error:
            self._message = {"id": job_id, "lease": -1, "why": error.message}
        if self.is_current:
            self._draw_preview()

    # acting

    def action_press(self, id: str) -> None:
        """A yes to one message goes on to the next at once: the list follows when the engine has answered."""
        row = self.query_one(Grid).current
        one = id == "approval.approve" and row is not None and not self.marks.any
        goes_on = one and self.targets()[0].scope == "approval" and not action(id).off(row, self.console.situation())
        super().action_press(id)
        if goes_on:
            self.query_one(Grid).action_move("down")

    def targets(self) -> list[Target]:
        row = self.query_one(Grid).current
        off = {"off": self.filter_off()} if self.broken else {}
        found = [Target("asked", target.row) for target in super().targets() if target.scope == "marked"]
        found += [target for target in super().targets() if target.scope == "marked"]
        if row is None:
            return found
        # A yes is to the message that stands there, made when it was made, and not to the list, which is read again.
        seen = {}
        if self._message and shows(self._message, row):
            seen = {"looked_at": self._message["looked_at"], "senders": self._message.get("senders")}
        return [*found, *approval_targets({**row, **seen, **off})]

    def opens(self) -> ViewScreen | None:
        row = self.query_one(Grid).current
        if row is not None and row.get("asked_at"):
            return MessageScreen(row["id"])
        from tui.screens.job import JobScreen

        return JobScreen(row["id"], "Approvals") if row else None
