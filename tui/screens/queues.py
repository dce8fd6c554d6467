"""View 6: every account's queue, what holds it, what its caps have left; and one queue with its last attempts."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual.widget import Widget

from engine.planning.limits import Limits
from storage.errors import NotFoundError
from storage.model import DAY
from storage.queue_facts import caps_used, last_attempts, last_failures, latency, next_due, next_work_due
from storage.reader import Reader
from storage.work_facts import oldest_waiting
from tui.actions import Row, Target
from tui.explaining import asked_by
from tui.format import plural
from tui.link import LinkState
from tui.pace import limits_of
from tui.screens.queue_words import attempt_line, columns_at, facts_of, is_of_work, reason_line
from tui.screens.view import ViewScreen
from tui.widgets.columns import Item, Sections, Table, blank, header, heading
from tui.widgets.grid import Grid
from tui.widgets.lines import Lines

if TYPE_CHECKING:
    from engine.explain.asking import Asking


def facts(reader: Reader, row: Row, now: int, link: LinkState, questions: Asking) -> Row:
    """A queue's row with its caps, latency, what the engine says of it (`engine`, {} where none told) and what holds
    it (`why`), and when something is `due` (us; None: nothing waits); of a queue of background jobs `oldest`, the due
    time of what waits longest, in place of caps."""
    if is_of_work(row):
        oldest = oldest_waiting(reader, row["id"])
        told: Row = next((one for one in link.status.get("work", ()) if one["queue"] == row["name"]), {})
        return {
            **row,
            "engine": told,
            "caps": [],
            "latency": {"n": 0, "p50": None, "p95": None},
            "due": next_work_due(reader, row["id"]) if oldest is None else oldest,
            "oldest": oldest,
            "why": questions.queue(row["name"]).brief(),
        }
    engine = limits_of(link.status).get(row["name"], {})
    # Without an engine that tells, what the last one wrote.
    caps = engine["caps"] if engine else Limits.from_dict(row["limits"]).ceilings(now) if row["limits"] else ()
    return {
        **row,
        "engine": engine,
        "caps": caps_used(reader, row["id"], caps, now),
        "latency": latency(reader, row["id"], now),
        "due": next_due(reader, row["id"]),
        "why": questions.queue(row["name"]).brief(),
    }


def load(reader: Reader, now: int, link: LinkState) -> list[Row]:
    failures: dict[int, Row] = {}
    for failure in last_failures(reader, now - DAY):
        failures.setdefault(failure["queue_id"], failure)
    questions = asked_by(reader, now, link)
    return [
        {**facts(reader, row, now, link, questions), "last_failure": failures.get(row["id"])} for row in reader.queues()
    ]


def load_one(reader: Reader, now: int, name: str, link: LinkState) -> Row:
    row = next((row for row in reader.queues() if row["name"] == name), None)
    if row is None:
        raise NotFoundError(f"there is no queue '{name}'", hint="see `paceline queue list`")
    failures = last_failures(reader, now - DAY, row["id"])
    return {
        **facts(reader, row, now, link, asked_by(reader, now, link)),
        "last_failure": failures[0] if failures else None,
        "failures": failures,
        "attempts_log": last_attempts(reader, row["id"]),
    }


class QueuesScreen(ViewScreen):
    CSS_PATH: ClassVar = ["view.tcss", "queues.tcss"]
    MODE = "queues"

    def reads(self) -> Any:
        link = self.console.link
        return lambda reader, now: load(reader, now, link.state)

    def crumb(self) -> str:
        return "Queues"

    def body(self) -> Iterable[Widget]:
        yield Lines(id="head")
        yield Grid(id="list")
        yield Lines(id="facts")

    def show(self, data: list[Row], now: int) -> None:
        self.crumb_right = plural(len(data), "queue")
        columns = columns_at(now)
        nothing = ((" No queue yet: every account of the configuration gets one when an engine starts", ""),)
        self.query_one("#head", Lines).show([header(columns, self.size.width) if data else nothing])
        self.query_one(Grid).show(Table(columns, data, lambda row: row["id"]))
        self.redraw_for_cursor()

    def redraw_for_cursor(self) -> None:
        row = self.query_one(Grid).current
        lines = facts_of(row, self.console.present(), self.size.width, self.named) if row else []
        self.query_one("#facts", Lines).show(lines)

    def targets(self) -> list[Target]:
        row = self.query_one(Grid).current
        return [Target("queue", row)] if row else []

    def opens(self) -> ViewScreen | None:
        row = self.query_one(Grid).current
        return QueueScreen(row["name"]) if row else None


class QueueScreen(ViewScreen):
    """One queue: its facts, why messages failed in it, and its last attempts."""

    CSS_PATH: ClassVar = ["view.tcss", "queues.tcss"]
    MODE = "queues"

    def __init__(self, name: str) -> None:
        super().__init__()
        self._queue = name

    def token(self) -> Hashable:
        return ("queue", self._queue)

    def reads(self) -> Any:
        name, link = self._queue, self.console.link
        return lambda reader, now: load_one(reader, now, name, link.state)

    def crumb(self) -> str:
        return f"Queues > {self._queue}"

    def body(self) -> Iterable[Widget]:
        yield Lines(id="facts")
        yield Grid(id="log")

    def show(self, data: Row, now: int) -> None:
        self.query_one("#facts", Lines).show(facts_of(data, now, self.size.width, self.named))
        self.query_one(Grid).show(Sections(self._items(data, now)))

    def _items(self, data: Row, now: int) -> list[Item]:
        failures, attempts = data["failures"], data["attempts_log"]
        runs = "RUNS" if is_of_work(data) else "ATTEMPTS"
        items = [blank(), heading("FAILURES of 24 hours" if failures else "FAILURES    none in 24 hours")]
        items += [Item(partial(reason_line, row, now), ("reason", row["raw_key"]), ("reason", row)) for row in failures]
        items += [blank(), heading(f"LAST {runs}" if attempts else f"LAST {runs}    none among the newest of all")]
        items += [Item(partial(attempt_line, row, now), ("attempt", row["id"]), ("attempt", row)) for row in attempts]
        return items

    def targets(self) -> list[Target]:
        return [Target("queue", self.data)] if self.data else []

    def opens(self) -> ViewScreen | None:
        from tui.screens.failures import JobsScreen
        from tui.screens.job import JobScreen

        entry = self.query_one(Grid).current
        if entry is None:
            return None
        kind, row = entry
        if kind == "attempt":
            return JobScreen(row["job_id"], self.crumb())
        states = ("failed", "uncertain", "held", "pending")
        return JobsScreen(row["error_key"], states=states, error_key=row["raw_key"])
