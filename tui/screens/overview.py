"""View 1: is anything wrong, is it sending, how fast; and what needs a person, most urgent first."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.widget import Widget

from storage.model import HOUR, MINUTE
from storage.reader import Reader
from tui.actions import Row, Target
from tui.format import ago, bar, clock, count, fit, per_minute, percent, plural, rate, short, soon, span, spark
from tui.screens.failures import JobsScreen, grouped
from tui.screens.queues import QueueScreen
from tui.screens.view import ViewScreen
from tui.theme import JOBS
from tui.widgets.columns import Item, Sections, blank, heading
from tui.widgets.grid import Grid
from tui.widgets.lines import Line, Lines, Span, spread

SPARK_MINUTES = 60
ENDED = ("completed", "failed", "uncertain", "bounced", "skipped")


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that waits for a person. `target` is what actions and enter are for."""

    urgency: int
    glyph: str
    style: str
    what: str
    text: str
    at: int | None
    key: Hashable
    scope: str
    row: Row


def load(reader: Reader, now: int) -> dict[str, Any]:
    campaigns = reader.campaigns()
    for row in under_way(campaigns):
        row["rates"] = reader.rates(now - 10 * MINUTE, campaign_id=row["id"])
        row["due"] = reader.due(row["id"])
    return {
        "campaigns": campaigns,
        "counts": reader.counts(),
        "rates": reader.rates(now - (SPARK_MINUTES + 1) * MINUTE),
        "queues": reader.queues(),
        "failures": grouped(reader.failures()),
        "engine": reader.engine(),
        "events": [event for event in reader.events(limit=30) if event["actor"]][-4:],
        "at": now,
    }


def under_way(campaigns: list[Row]) -> list[Row]:
    """What runs or only stands still: a paused campaign stays in the list, where `P` lets it go on."""
    return [row for row in campaigns if row["state"] in ("active", "paused")]


def needs(data: dict[str, Any], now: int) -> list[Need]:
    """Everything that waits for a person, most urgent first."""
    found: list[Need] = []
    if data["engine"].get("paused"):
        found.append(Need(0, "|", "stopped", "everything", "is paused: E resumes all", None, "engine", "engine", {}))
    for row in data["queues"]:
        found += _of_queue(row, now)
    for row in data["campaigns"]:
        found += _of_campaign(row)
    for group in data["failures"]:
        if group["failed"]:
            text = f"failed: {group['error_key']}"
            what = plural(group["failed"], "job")
            found.append(Need(5, "!", "bad", what, text, group["last_at"], ("group", group["raw_key"]), "group", group))
    return sorted(found, key=lambda need: (need.urgency, -(need.at or 0)))


def _of_queue(row: Row, now: int) -> list[Need]:
    state, key = row["state"], ("queue", row["id"])
    reason = row["reason"] or "no reason given"
    if state in ("needs_attention", "restricted"):
        return [Need(1, "!", "bad", row["name"], f"stopped: {reason}", row["updated_at"], key, "queue", row)]
    if state == "cooling" and (row["until_at"] or 0) > now:
        text = f"cools, next try {soon(row['until_at'], now)}: {reason}"
        return [Need(4, "=", "paced", row["name"], text, row["updated_at"], key, "queue", row)]
    if state == "paused":
        return [Need(6, "|", "warn", row["name"], f"queue paused {reason}", row["updated_at"], key, "queue", row)]
    return []


def _of_campaign(row: Row) -> list[Need]:
    found = []
    if row["state"] == "paused" and row["pause_reason"] != "operator":
        text = f"paused by guard: {row['pause_detail'] or row['pause_reason']}"
        key = ("paused", row["id"])
        found.append(Need(1, "!", "bad", row["name"], text, row["updated_at"], key, "campaign", row))
    if n := row["counts"]["uncertain"]:
        text = f"uncertain in {row['name']}: sent or not?"
        key = ("uncertain", row["id"])
        found.append(Need(2, "?", "ask", plural(n, "job"), text, None, key, "uncertain", row))
    if (n := row["counts"]["held"]) and row["state"] not in ("cancelled",):
        text = f"held in {row['name']}: wait for a person"
        found.append(Need(3, "o", "warn", plural(n, "job"), text, None, ("held", row["id"]), "held", row))
    return found


def need_line(need: Need, now: int, width: int) -> Line:
    right = f"{clock(need.at, now)} {ago(need.at, now):>6}" if need.at else ""
    room = width - 2 - 16 - len(right) - 1
    return (
        (f"{need.glyph} ", need.style),
        (fit(need.what, 15) + " ", ""),
        (fit(need.text, room) + " ", ""),
        (right, "dim"),
    )


def running_line(row: Row, now: int, width: int) -> Line:
    counts = row["counts"]
    done = row["total"] - counts["pending"] - counts["held"] - counts["processing"]
    speed = speed_of(row, now)
    cells, total = 10 if width < 100 else 24, count(row["total"])
    text = (
        f" {bar(done, row['total'], cells)} {percent(done, row['total']):>4} "
        f"{fit(f'{count(done)}/{total}', 13, right=True)} {fit(rate(speed), 7, right=True)} "
        f"{fit(eta(row, speed, now), 7, right=True)}"
    )
    failed: Span = (f"  fail {count(counts['failed'])}", "bad" if counts["failed"] else "dim")
    return ((fit(row["name"], max(12, width - len(text) - 14)), ""), (text, ""), failed)


def speed_of(row: Row, now: int) -> float:
    """The rate that a campaign reaches, since it last began or was resumed."""
    return per_minute(row["rates"], now, since=max(row["started_at"] or 0, row["updated_at"]))


def eta(row: Row, speed: float, now: int) -> str:
    """When the last message leaves: by its plan, or by the rate that is reached where that is slower."""
    if row["state"] == "paused":
        return "paused"
    left = row["counts"]["pending"] + row["counts"]["processing"]
    last = row.get("due", {}).get("last")
    if not left or (last is None and not speed):
        return "-"
    by_plan = max(0, (last or now) - now)
    # In its first half minute a run has no rate to speak of.
    by_rate = int(left / speed * MINUTE) if speed and now - row["updated_at"] > MINUTE // 2 else 0
    longest = max(by_plan, by_rate)
    return span(longest if longest < HOUR else longest // MINUTE * MINUTE)


def summary(data: dict[str, Any], now: int, width: int) -> list[Line]:
    states = [row["state"] for row in data["campaigns"]]
    counts = data["counts"]
    waiting = counts["pending"] - counts["retry"]
    minutes = {row["minute"]: row for row in data["rates"]}
    this = now // MINUTE * MINUTE
    room = min(SPARK_MINUTES, width - 30)
    span_ = [this - (room - 1 - i) * MINUTE for i in range(room)]
    sent = [minutes[at]["sent"] if at in minutes else 0 for at in span_]
    fail = [minutes[at]["failed"] + minutes[at]["other"] if at in minutes else 0 for at in span_]
    opened: list[Span] = [(" OPEN       ", "head"), (f". waiting {short(waiting)}   ", "")]
    ended: list[Span] = [(" ENDED      ", "head")]
    for spans, keys in ((opened, ("processing", "retry", "held")), (ended, ENDED)):
        for key in keys:
            mark = JOBS[key]
            spans += [
                (f"{mark.glyph} {mark.word} {short(counts[key])}", mark.style if counts[key] else "dim"),
                ("   ", ""),
            ]
    speed = per_minute(data["rates"], now, over=MINUTE)
    campaigns = (
        f"> running {states.count('active')}  | paused {states.count('paused')}  . draft {states.count('draft')}  "
        f"+ ended {states.count('completed') + states.count('cancelled')}"
    )
    return [
        ((" CAMPAIGNS  ", "head"), (campaigns, "")),
        tuple(opened),
        tuple(ended),
        (),
        ((" sent/min   ", "head"), (spark(sent), "good"), (f"  now {speed:.0f}", "")),
        (
            (" fail/min   ", "head"),
            (spark(fail, max([*sent, *fail])), "bad"),
            (f"  now {fail[-1]}", ""),
        ),
        (),
    ]  # fmt: skip


class OverviewScreen(ViewScreen):
    CSS_PATH: ClassVar = ["view.tcss", "overview.tcss"]
    MODE = "overview"

    def reads(self) -> Any:
        return load

    def crumb(self) -> str:
        return "Overview"

    def body(self) -> Iterable[Widget]:
        yield Lines(id="summary")
        yield Grid(id="needs")
        yield Lines(id="last")

    def show(self, data: dict[str, Any], now: int) -> None:
        width = self.size.width
        self.query_one("#summary", Lines).show(summary(data, now, width))
        self.query_one(Grid).show(Sections(self._items(data, now)))
        self.query_one("#last", Lines).show([self._last(data["events"], now, width)])

    def _items(self, data: dict[str, Any], now: int) -> list[Item]:
        found = needs(data, now)
        running = under_way(data["campaigns"])
        items = [heading(f"NEEDS YOU ({len(found)})" if found else "NEEDS YOU   nothing")]
        items += [Item(lambda width, need=need: need_line(need, now, width), need.key, need) for need in found]
        items += [blank(), heading("RUNNING" if running else "RUNNING     nothing: no campaign is active or paused")]
        items += [
            Item(
                lambda width, row=row: running_line(row, now, width),
                ("running", row["id"]),
                Need(9, "", "", row["name"], "", None, row["id"], "campaign", row),
            )
            for row in running
        ]
        return items

    def _last(self, events: list[Row], now: int, width: int) -> Line:
        spans: list[Span] = []
        for event in reversed(events):
            text = f"  {clock(event['at'], now)} {event['text']}"
            if spans and sum(len(t) for t, _ in spans) + len(text) > width - 14:
                break
            spans.append((text, ""))
        return spread(((" LAST ACTION", "head"), *spans), (), width)

    def _need(self) -> Need | None:
        return self.query_one(Grid).current

    def targets(self) -> list[Target]:
        need = self._need()
        if need is None:
            return []
        if need.scope in ("uncertain", "held"):
            return [Target("campaign", need.row)]
        return [Target(need.scope, need.row)]

    def opens(self) -> ViewScreen | None:
        from tui.screens.campaign import CampaignScreen

        need = self._need()
        if need is None:
            return None
        if need.scope == "campaign":
            return CampaignScreen(need.row["name"])
        if need.scope in ("uncertain", "held"):
            return JobsScreen(f"{need.row['name']} > {need.scope}", states=(need.scope,), campaign_id=need.row["id"])
        if need.scope == "group":
            return JobsScreen(need.row["error_key"], states=("failed",), error_key=need.row["raw_key"])
        if need.scope == "queue":
            return QueueScreen(need.row["name"])
        return None
