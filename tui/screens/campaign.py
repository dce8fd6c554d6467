"""One campaign: counts that add up, pace wanted and reached, and its batches, timeline, failures, people, steps."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import cached_property
from typing import Any, ClassVar

from rich.cells import cell_len
from textual.widget import Widget

from engine.planning.pacing import Pacing
from storage.batch_facts import last_due_by_batch
from storage.model import MINUTE
from storage.queue_facts import add_limits
from storage.reader import Reader
from storage.sends import Place
from tui.actions import Row, Target
from tui.approval_words import approval_in_words
from tui.cli.step_rows import step_rows
from tui.explaining import asked_by
from tui.failure_groups import grouped
from tui.foreseeing import Foresight
from tui.format import bar, clock, count, percent, rate, soon
from tui.later import is_later
from tui.link import LinkState
from tui.pace import batch_finish, end_in_words, limits_of, speed_of
from tui.screens import timeline
from tui.screens.campaign_tabs import COLUMNS, TABS, key_of, tabs_of
from tui.screens.campaigns import done_of, mark_of
from tui.screens.failures import JobsScreen
from tui.screens.view import PAGE, ViewScreen
from tui.screens.why import why
from tui.theme import JOBS
from tui.widgets.columns import Table, header
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines, Span, labelled


def load(
    reader: Reader,
    now: int,
    name: str,
    tab: str,
    after: int,
    link: LinkState,
    foresight: Foresight,
    here: tuple[str, Place] = timeline.NOW,
) -> dict[str, Any]:
    campaign = reader.campaign(name)
    add_limits(reader, [campaign], limits_of(link.status), now)
    campaign["why"] = asked_by(reader, now, link).campaign(name).brief()
    campaign["rates"] = reader.rates(now - 10 * MINUTE, campaign_id=campaign["id"])
    if tab == "batches":
        rows = reader.batches(campaign_id=campaign["id"])
        _add_ends(reader, campaign, rows, now)
        for row in rows:
            failed = reader.jobs(states=("failed",), batch_id=row["id"], limit=1)
            row["last_error"] = failed[0]["error"] if failed else ""
            row["later"] = is_later(campaign, now)
    elif tab == "timeline":
        starts = foresight.starts(reader, campaign, now)
        return {"campaign": campaign, **timeline.load(reader, campaign, here, starts), "tab": tab}
    elif tab == "steps":
        rows = step_rows(reader, campaign)
    elif tab == "failures":
        rows = grouped(reader.failures(campaign_id=campaign["id"]))
    else:
        rows = reader.recipients(campaign["id"], after=after, limit=PAGE)
    return {"campaign": campaign, "rows": rows, "tab": tab}


def _add_ends(reader: Reader, campaign: Row, batches: list[Row], now: int) -> None:
    """`ends_at` of each batch (newest first): what older ones have open goes first."""
    last_due, ahead = last_due_by_batch(reader, campaign["id"]), 0
    for row in reversed(batches):
        row["ends_at"] = batch_finish(campaign, row, ahead, last_due.get(row["id"]), now)
        ahead += row["counts"]["pending"] + row["counts"]["processing"]


def _end_with(campaign: Row, batches: list[Row]) -> None:
    """The newest batch that has open messages ends with the campaign; of one that never ends, none is told to."""
    if campaign.get("never_open"):
        for row in batches:
            row["ends_at"] = None
        return
    last = next((row for row in batches if row["ends_at"] is not None), None)
    if last is not None and campaign.get("foreseen") is not None:
        last["ends_at"] = max(last["ends_at"], campaign["foreseen"])


def counts_line(row: Row, width: int) -> Line:
    """sent + failed + uncertain + bounced + left + skipped = total, with what is left told apart below. A
    narrow screen leaves out a zero of what is rare."""
    counts = row["counts"]
    left = counts["pending"] + counts["processing"] + counts["held"]
    entries = [
        ("completed", "sent", counts["completed"]), ("failed", "failed", counts["failed"]),
        ("uncertain", "uncertain", counts["uncertain"]), ("bounced", "bounced", counts["bounced"]),
        ("due", "left", left), ("skipped", "skipped", counts["skipped"]),
    ]  # fmt: skip
    spans: list[Span] = [("        ", "")]
    for state, word, n in entries:
        if width < 100 and not n and state == "bounced":
            continue
        mark = JOBS[state]
        spans += [(f"{mark.glyph} {word} {count(n)}", mark.style if n else "dim"), ("  ", "")]
    return tuple(spans)


def left_line(row: Row, now: int) -> Line:
    counts = row["counts"]
    parts = [f"in flight {count(counts['processing'])}", f"retry {count(counts['retry'])}"]
    if counts["held"]:
        parts.append(f"held {count(counts['held'])}")
    due = row["due"]
    return ((" LEFT   ", "head"), ("   ".join(parts), ""), (f"   next due {soon(due['first'], now)}", ""))


def _approval(row: Row, now: int) -> str:
    """Who must approve it, and of a whole campaign who did; "" where nobody must."""
    words = approval_in_words(row["approval"], row["approval_time"])
    if row["approved_at"] is not None:
        return f"   approved by {row['approved_by']} {clock(row['approved_at'], now)}"
    return f"   approval {words}" if words else ""


def _first_that_fits(texts: Sequence[str], width: int) -> str:
    """The first of these, the shortest last, that is not cut; the last one where all are."""
    return next((text for text in texts if cell_len(text) <= width), texts[-1])


def overview(row: Row, now: int, width: int, sentence: str) -> list[Line]:
    """The block above the tabs: seven rows, of which the last may be blank."""
    mark = mark_of(row, now)
    done, speed = done_of(row), speed_of(row, now)
    started = f" since {clock(row['started_at'], now)}" if row["started_at"] else ""
    reaches = ("live",) if row["live"] else ("not live: allow-list only", "not live")
    sums = f" {percent(done, row['total']):>4}   {count(done)} / {count(row['total'])}"
    active = row["state"] == "active"
    end = f"   {end_in_words(row, now)}" if active else ""
    pacing = Pacing.from_dict(row["pacing"])
    said = [
        f"{started}   QUEUE {row['account']}{channel}   {reach}{_approval(row, now)}"
        for reach in reaches
        for channel in (f" ({row['channel']})", "")
    ]
    state: Line = (
        (" STATE  ", "head"),
        (f"{mark.glyph} {mark.word}", mark.style),
        (_first_that_fits(said, width - 10 - len(mark.word)), ""),
    )
    got = f"   got {rate(speed)} (5m)" if active else ""
    people = f"   nobody imported yet: {row['recipients']}" if not row["recipients"] else ""
    before = f"   {count(row['recipients'])} recipients" if row["state"] == "draft" and row["recipients"] else people
    return [
        state,
        ((" DONE   ", "head"), (bar(done, row["total"], max(20, width - 50)), ""), (sums + end + before, "")),
        counts_line(row, width),
        left_line(row, now),
        ((" PACE   ", "head"), (f"want {pacing.describe()}{got}", "")),
        *labelled(" WHY    ", sentence, width, 2),
    ]


class CampaignScreen(ViewScreen):
    CSS_PATH: ClassVar = ["view.tcss", "campaign.tcss"]
    MODE = "campaigns"
    HINTS: ClassVar = ("view.open", "view.tab")

    def __init__(self, name: str, tab: str = "batches") -> None:
        super().__init__()
        self._campaign = name
        self._tab = tab
        self._pages = timeline.Pages()

    def token(self) -> Hashable:
        return ("campaign", self._campaign, self._tab, self.after[-1], self._pages.here)

    @cached_property
    def _foresight(self) -> Foresight:
        return Foresight(self.console.load_config)

    def reads(self) -> Any:
        name, tab, after, link = self._campaign, self._tab, self.after[-1], self.console.link
        here = self._pages.here
        foresight = self._foresight

        def loaded(reader: Reader, now: int) -> dict[str, Any]:
            data = load(reader, now, name, tab, after, link.state, foresight, here)
            foresight.add(reader, [data["campaign"]], now)
            if tab == "batches":
                _end_with(data["campaign"], data["rows"])
            return data

        return loaded

    def crumb(self) -> str:
        return f"Campaigns > {self._campaign}"

    def body(self) -> Iterable[Widget]:
        yield Lines(id="overview")
        yield Lines(id="tabs")
        yield Lines(id="head")
        yield Grid(id="rows")

    def page_rows(self) -> list[Row]:
        return self.data["rows"] if self.data and self._tab == "recipients" else []

    def show(self, data: dict[str, Any], now: int) -> None:
        campaign, width = data["campaign"], self.size.width
        sentence = why(campaign["why"], now, self.named)
        self.query_one("#overview", Lines).show(overview(campaign, now, width, sentence))
        self.query_one("#tabs", Lines).show([self._tabs()])
        self.crumb_right = self._crumb_right(data)
        columns = COLUMNS[data["tab"]](now)
        self.query_one("#head", Lines).show([header(columns, width) if data["rows"] else self._nothing(data["tab"])])
        self.query_one(Grid).show(Table(columns, data["rows"], key_of(data["tab"])))

    def _crumb_right(self, data: dict[str, Any]) -> str:
        if self._tab == "recipients":
            return self.page_text("recipient", data["campaign"]["recipients"])
        if self._tab == "timeline":
            return f"{self.named('view.previous_page')} earlier  {self.named('view.next_page')} later"
        return f"{self.named('view.tab')}: next pane"

    def action_turn_page(self, by: int) -> None:
        """A timeline turns both ways from now."""
        if self._tab != "timeline" or self.data is None or self.data["tab"] != self._tab:
            super().action_turn_page(by)
        elif problem := self._pages.turn(by, self.data):
            self.console.note(problem)
        else:
            self.watch_data()

    def _nothing(self, tab: str) -> Line:
        return ((f"   {TABS[tab]}", "dim"),)

    def _tabs(self) -> Line:
        spans: list[Span] = [(" ", "")]
        for tab in tabs_of(self.data["campaign"] if self.data else None):
            spans += [(f" {tab} " if tab != self._tab else f"[{tab}]", "tab" if tab == self._tab else ""), (" ", "")]
        return tuple(spans)

    def action_next_tab(self) -> None:
        names = tabs_of(self.data["campaign"] if self.data else None)
        self._tab = names[(names.index(self._tab) + 1) % len(names)]
        self.after = [0]
        self._pages = timeline.Pages()
        self.watch_data()

    def targets(self) -> list[Target]:
        if self.data is None:
            return []
        own = Target("campaign", self.data["campaign"])
        row = self.query_one(Grid).current
        if row is None or self.data["tab"] != self._tab:
            return [own]
        if self._tab == "failures":
            return [Target("group", row), own]
        if self._tab == "steps":
            campaign = self.data["campaign"]
            return [Target("step", {**campaign, "step": row["step"]}), Target("sequence", campaign), own]
        if self._tab == "recipients":
            person = Target("person", {**row, "campaign": self._campaign})
            return [*([Target("job", {**row, "id": row["job_id"]})] if row["job_id"] is not None else []), person, own]
        return [own]

    def opens(self) -> ViewScreen | None:
        from tui.screens.job import JobScreen

        row = self.query_one(Grid).current
        if row is None or self.data is None or self.data["tab"] != self._tab:
            return None
        campaign = self.data["campaign"]
        if self._tab == "batches":
            return BatchScreen(self._campaign, row["id"])
        if self._tab == "steps":
            from tui.screens.sequence_step import SequenceStepScreen

            return SequenceStepScreen(self._campaign, row["step"])
        if self._tab == "failures":
            return JobsScreen.of_group(row, campaign["id"])
        job_id = row["id"] if self._tab == "timeline" else row["job_id"]
        if job_id is None:
            self.console.note("not started: there is no message yet for this recipient")
            return None
        return JobScreen(job_id, self.crumb())


class BatchScreen(JobsScreen):
    """The jobs of one batch."""

    MODE = "campaigns"

    def __init__(self, campaign: str, batch_id: int) -> None:
        super().__init__(f"batch {batch_id}", states=())
        self._campaign = campaign
        self._batch_id = batch_id

    def token(self) -> Hashable:
        return ("batch", self._batch_id, self.after[-1])

    def reads(self) -> Any:
        batch_id, after = self._batch_id, self.after[-1]
        return lambda reader, now: reader.jobs(batch_id=batch_id, after=after, limit=PAGE)

    def crumb(self) -> str:
        return f"Campaigns > {self._campaign} > batch {self._batch_id}"
