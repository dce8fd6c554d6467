"""View 1: is anything wrong, is it sending, how fast; and what needs a person, most urgent first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, tzinfo
from functools import cached_property, partial
from typing import Any, ClassVar

from textual.events import Resize
from textual.widget import Widget

from storage.alarm_facts import open_alarms
from storage.approval_facts import waiting
from storage.event_pages import last_actions
from storage.health_facts import last_stopped, oldest_due, sizes
from storage.model import HOUR, MINUTE
from storage.queue_facts import add_limits
from storage.reader import Reader
from storage.schedule_facts import silent, troubled
from tui.actions import Row, Target
from tui.cli.times import midnight
from tui.failure_groups import grouped
from tui.foreseeing import Foresight
from tui.format import bar, clock, count, fit, per_minute, percent, short, spark
from tui.later import is_later
from tui.link import LinkState
from tui.pace import end_text, left_of, limits_of, meant, pace_text, planned, speed_of
from tui.screens import health_words, work_today
from tui.screens.needs import Need, in_order, need_line, needs
from tui.screens.queue_words import full_cap
from tui.screens.view import ViewScreen
from tui.theme import JOBS
from tui.widgets.columns import Item, Sections, blank, heading
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines, Span, spread, width_of

SPARK_MINUTES = 60
OPEN = ("processing", "retry", "failed", "uncertain")
MORE = ("held", "completed", "bounced", "skipped")
"""Shown where there is room: what is held or uncertain stands among the needs anyway."""
HEADINGS = 3
"""Rows of the list that are neither a need nor a campaign."""
RUNNING_SEEN, LEAST_NEEDS = 3, 3
MORE_NEEDS = Need(8, "", "", "", "", None, "more needs", "", {})


def load(reader: Reader, now: int, status: Row, zone: tzinfo = UTC) -> dict[str, Any]:
    """`status` is what the engine tells of itself, {} without one; today began in `zone`."""
    campaigns = reader.campaigns()
    limits = limits_of(status)
    running = under_way(campaigns)
    add_limits(reader, running, limits, now)
    for row in running:
        row["rates"] = reader.rates(now - 10 * MINUTE, campaign_id=row["id"])
        row["due"] = reader.due(row["id"])
    for row in campaigns:
        for state in ("uncertain", "held"):
            row[f"{state}_at"] = last_stopped(reader, row["id"], state) if row["counts"][state] else None
    return {
        "alarms": open_alarms(reader),
        "approvals": waiting(reader, now),
        "campaigns": campaigns,
        "counts": reader.counts(),
        "rates": reader.rates(now - (SPARK_MINUTES + 1) * MINUTE),
        "queues": reader.queues(),
        "schedules": troubled(reader),
        "silent": silent(reader, now),
        "failures": grouped(reader.failures()),
        "engine": reader.engine(),
        "status": {"store_trouble": status.get("store_trouble", "")},
        "planned": planned([row for row in campaigns if not is_later(row, now)], limits),
        "sizes": sizes(reader),
        "oldest": oldest_due(reader, now),
        "actions": last_actions(reader),
        "work": work_today.load(reader, now, midnight(zone, now) // HOUR * HOUR, status.get("kinds")),
    }


def under_way(campaigns: list[Row]) -> list[Row]:
    """What runs or only stands still: a paused campaign stays in the list, where `P` lets it go on."""
    return [row for row in campaigns if row["state"] in ("active", "paused")]


def is_paced(row: Row, now: int) -> bool:
    """Active, with messages that are due and wait for caps: those of every account that has some of it left."""
    overdue = (row["due"]["first"] or now + 1) <= now
    return row["state"] == "active" and overdue and full_cap(row, now) is not None


def running_line(row: Row, now: int, width: int) -> Line:
    counts = row["counts"]
    done = row["total"] - counts["pending"] - counts["held"] - counts["processing"]
    cells, total = 8 if width < 100 else 24, count(row["total"])
    end = "paused" if row["state"] == "paused" else end_text(row, now)
    stands = is_later(row, now) or not left_of(row)  # nothing of it is meant to leave now, so row 1 counts none either
    text = (
        f" {bar(done, row['total'], cells)} {percent(done, row['total']):>4} "
        f"{fit(f'{count(done)}/{total}', 13, right=True)} "
        f"{pace_text(speed_of(row, now), None if stands else meant(row), brief=True):>11} {fit(end, 6, right=True)}"
    )
    failed: Span = (f" fail {fit(count(counts['failed']), 5)}", "bad" if counts["failed"] else "dim")
    return ((fit(row["name"], max(12, width - len(text) - 11)), ""), (text, ""), failed)


def campaigns_line(data: dict[str, Any], now: int) -> Line:
    states = [row["state"] for row in data["campaigns"]]
    running = under_way(data["campaigns"])
    paced, later = (sum(holds(row, now) for row in running) for holds in (is_paced, is_later))
    ended = states.count("completed") + states.count("cancelled")
    text = (
        f"> running {states.count('active') - later}{f' (= paced {paced})' if paced else ''}  "
        f"| paused {states.count('paused')}  @ later {later}  . draft {states.count('draft')}  + ended {ended}"
    )
    return ((" CAMPAIGNS  ", "head"), (text, ""))


def jobs_line(counts: dict[str, int], working: int, width: int) -> Line:
    """Every job by its state; `working` of those in flight are background jobs, which send nothing."""
    counts = {**counts, "processing": counts["processing"] - working}
    marks = [(JOBS[key], counts[key]) for key in (*OPEN, *(MORE if width >= 120 else ()))]
    first: Line = ((" JOBS       ", "head"), (f". waiting {short(counts['pending'] - counts['retry'])}", ""))
    line = first
    for gap in ("   ", "  ", " ") if width >= 140 else ("  ", " "):
        line = first
        for mark, n in marks:
            line = (*line, (gap, ""), (f"{mark.glyph} {mark.word} {short(n)}", mark.style if n else "dim"))
        if width_of(line) <= width:
            break
    return line


def summary(data: dict[str, Any], link: LinkState, now: int, width: int) -> list[Line]:
    minutes = {row["minute"]: row for row in data["rates"]}
    room = min(SPARK_MINUTES, width - 32)
    times = [now // MINUTE * MINUTE - (room - 1 - i) * MINUTE for i in range(room)]
    sent = [minutes[at]["sent"] if at in minutes else 0 for at in times]
    fail = [minutes[at]["failed"] + minutes[at]["other"] if at in minutes else 0 for at in times]
    reached = pace_text(per_minute(data["rates"], now, over=MINUTE), data["planned"])
    return [
        campaigns_line(data, now),
        jobs_line(data["counts"], data["work"]["totals"]["processing"] if data["work"] else 0, width),
        health_words.summary(data["oldest"], data["sizes"], link, now),
        work_today.today(data["work"], now, width),
        ((" sent/min   ", "head"), (spark(sent), "good"), (f"  now {reached}", "")),
        ((" fail/min   ", "head"), (spark(fail, max([*sent, *fail])), "bad"), (f"  now {fail[-1]}", "")),
        (),
    ]


def last_line(actions: list[Row], now: int, width: int) -> Line:
    """Who did what last, newest first, as many as fit."""
    spans: list[Span] = [(" LAST ACTION", "head")]
    room = width - 12
    for event in actions:
        text = f"  {clock(event['at'], now)} {said(event)}"
        if len(spans) > 1 and len(text) > room:
            break
        spans.append((fit(text, min(room, len(text))), ""))
        room -= len(text)
    return tuple(spans) if actions else (*spans, ("  none yet", "dim"))


def said(event: Row) -> str:
    """The sentence of an event, with who did it."""
    who, text = event["actor"] or "engine", event["text"]
    return text if text.startswith(f"{who} ") else f"{who}: {text}"


class OverviewScreen(ViewScreen):
    CSS_PATH: ClassVar = ["view.tcss", "overview.tcss"]
    MODE = "overview"

    def __init__(self) -> None:
        super().__init__()
        self._all = False
        """Whether every need is shown, however low the screen is."""

    @cached_property
    def _foresight(self) -> Foresight:
        return Foresight(self.console.load_config)

    def reads(self) -> Any:
        link, zone = self.console.link, self.console.zone
        return self._foresight.adding("campaigns", lambda reader, now: load(reader, now, link.state.status, zone))

    def crumb(self) -> str:
        return "Overview"

    def body(self) -> Iterable[Widget]:
        yield Lines(id="summary")
        yield Grid(id="needs")
        yield Lines(id="last")

    def show(self, data: dict[str, Any], now: int) -> None:
        width = self.size.width
        self.query_one("#summary", Lines).show(summary(data, self.console.link.state, now, width))
        self.query_one(Grid).show(Sections(self._items(data, now)))
        self.query_one("#last", Lines).show([last_line(data["actions"], now, width)])

    def _items(self, data: dict[str, Any], now: int) -> list[Item]:
        found = in_order([*needs(data, now, self.named), *work_today.needs(data["work"], now)])
        running = under_way(data["campaigns"])
        title = f" NEEDS YOU ({len(found)})" if found else " NEEDS YOU   nothing"
        opens = ((f"{self.named('view.open')}: open it ", "dim"),) if found else ()
        items = [Item(lambda width: spread(((title, "head"),), opens, width))]
        shown = found[: self._room(len(found), len(running))]
        items += [Item(partial(need_line, need, now), need.key, need) for need in shown]
        if more := len(found) - len(shown):
            rest = f"  and {count(more)} more: {self.named('view.open')} shows them"
            items.append(Item(lambda width: ((rest, "dim"),), MORE_NEEDS.key, MORE_NEEDS))
        items += [blank(), heading("RUNNING" if running else "RUNNING     nothing: no campaign is active or paused")]
        items += [
            Item(
                partial(running_line, row, now),
                ("running", row["id"]),
                Need(9, "", "", row["name"], "", None, row["id"], "campaign", row),
            )
            for row in running
        ]
        return items

    def _room(self, found: int, running: int) -> int:
        """How many needs are shown, so that what runs stays in sight on a low screen."""
        room = self.query_one(Grid).size.height - HEADINGS - min(running, RUNNING_SEEN)
        return found if self._all or found <= room else max(LEAST_NEEDS, room - 1)

    def action_open(self) -> None:
        if self._need() is MORE_NEEDS:
            self._all = True
            self.redraw()
        else:
            super().action_open()

    def on_resize(self, event: Resize) -> None:
        super().on_resize(event)
        self._all = False

    def _need(self) -> Need | None:
        found: Need | None = self.query_one(Grid).current
        return found

    def targets(self) -> list[Target]:
        need = self._need()
        if need is None or need.scope in ("", work_today.WORK):
            return []
        if need.scope in ("uncertain", "held", "approvals"):
            return [Target("campaign", need.row)]
        alarm = [Target("alarm", need.alarm)] if need.alarm is not None else []
        return [Target(need.scope, need.row), *alarm]

    def opens(self) -> ViewScreen | None:
        from storage.filter_terms import quoted
        from tui.screens.approvals import ApprovalsScreen
        from tui.screens.campaign import CampaignScreen
        from tui.screens.failures import JobsScreen
        from tui.screens.jobs import AllJobsScreen
        from tui.screens.queues import QueueScreen
        from tui.screens.schedule_form import ScheduleFormScreen

        need = self._need()
        if need is None:
            return None
        if need.scope == work_today.WORK:
            return AllJobsScreen(need.row["filter"])
        if need.scope == "approvals":
            return ApprovalsScreen(f"campaign:{quoted(need.row['name'])}")
        if need.scope == "schedule":
            return ScheduleFormScreen(need.row["name"])
        if need.scope == "campaign":
            return CampaignScreen(need.row["name"])
        if need.scope in ("uncertain", "held"):
            return JobsScreen(f"{need.row['name']} > {need.scope}", states=(need.scope,), campaign_id=need.row["id"])
        if need.scope == "group":
            return JobsScreen(need.row["error_key"], states=("failed",), error_key=need.row["raw_key"])
        if need.scope == "queue":
            return QueueScreen(need.row["name"])
        return None
