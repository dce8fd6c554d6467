"""A small store with a bit of everything, made through control and the store's own port, at fixed times."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from engine.channels.make import make_channel
from engine.composer import Composer
from engine.config import load_config
from engine.control import actions, all_actions
from engine.control.actions import Context
from storage.dispatch_nouns import ClaimRequest, Finish, IntentRequest
from storage.errors import PacelineError
from storage.model import DAY, HOUR, MINUTE, SECOND, Actor, JobState, OutcomeClass, PauseReason, QueueState
from storage.sqlite import SqliteStore
from tui.link import ATTACHED, LinkState

NOON = 1_767_225_600 * SECOND + 14 * HOUR + 2 * MINUTE
"""2026-01-01 14:02:00 UTC: the present of every picture."""

CONFIG = """\
environment = "dev"
[accounts.smtp-eu-1]
channel = "outbox"
folder = "out"
from_name = "Ana"
from_address = "ana@example.com"
[accounts.smtp-eu-2]
channel = "smtp"
host = "127.0.0.1"
port = 2525
tls = "none"
from_name = "Ana"
from_address = "ana@example.com"
"""

ANA = Actor("ana", "mail-1", "console")


class Moment:
    """The world's clock: stands until it is moved."""

    def __init__(self, at: int = NOON) -> None:
        self.at = at

    def now(self) -> int:
        return self.at

    def monotonic(self) -> int:
        return self.at

    async def sleep(self, duration: int) -> None:
        self.at += duration

    async def wait(self, event: asyncio.Event, timeout: int | None) -> bool:
        return event.is_set()


class World:
    """One store that a test fills by the same doors as the program. Close it when done."""

    def __init__(self, folder: Path) -> None:
        all_actions()
        self.database = folder / "paceline.db"
        self.config_path = folder / "paceline.toml"
        self.config_path.write_text(CONFIG)
        self.clock = Moment()
        self.loop = asyncio.new_event_loop()
        self.store = self.run(SqliteStore.open(self.database, role="command", now=self.clock.now, create=True))
        self.context = Context(self.store, self.clock, load_config(self.config_path), Composer(), make_channel)

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def call(self, action: str, **args: Any) -> dict[str, Any]:
        return self.run(actions.call(self.context, action, args, ANA))

    def close(self) -> None:
        self.run(self.store.close(note="test"))
        self.loop.close()

    def campaign(
        self,
        name: str,
        people: int,
        *,
        account: str = "smtp-eu-1",
        start: bool = True,
        pacing: dict[str, Any] | None = None,
    ) -> None:
        """A campaign with `people` invented recipients, started unless told otherwise."""
        self.call(
            "campaign.new", name=name, account=account, subject="Hello {{ first_name }}", text="Hi {{ first_name }}",
            pacing=pacing or {"mode": "steady", "rate": "60/min"}, seed=7,
        )  # fmt: skip
        self.people(name, [f"{first}.{i:03d}@example.org" for i, first in zip(range(people), _names(), strict=False)])
        if start:
            self.call("campaign.live", name=name)
            self.call("campaign.start", name=name)

    def people(self, name: str, addresses: list[str], **fields: Any) -> None:
        begun = self.call("recipients.begin", campaign=name, source="people.csv")["import_id"]
        rows = [
            (i + 2, a, a.lower(), {"first_name": a.split(".")[0].title(), **fields}) for i, a in enumerate(addresses)
        ]
        self.call("recipients.rows", import_id=begun, rows=rows)
        n = len(rows)
        self.call(
            "recipients.commit",
            import_id=begun,
            campaign=name,
            rows=n,
            imported=n,
            rejected=0,
            duplicates=0,
            source="people.csv",
        )

    def send(self, queue: str, outcomes: list[dict[str, Any]], *, step: int = SECOND) -> None:
        """Let the next due messages of a queue end one after the other, each `step` after the one before."""
        queue_id = self.run(self.store.get_queue(queue)).id
        for outcome in outcomes:
            self.clock.at += step
            now = self.clock.at
            self.run(self.store.promote())
            claim = self.run(self.store.claim(partial(ClaimRequest, queue_id, 1, now, now + MINUTE)))
            assert claim.jobs, f"nothing can be claimed: {claim.blocked_by}"
            job = claim.jobs[0]
            intent = self.run(self.store.begin_attempt(IntentRequest(job.id, job.lease, self.store.epoch, now)))
            if outcome.get("fly"):
                continue
            self.run(
                self.store.finish_attempt(Finish(job.id, job.lease, intent.attempt_id, now, intent_at=now, **outcome))
            )


MX = "mx.example.org"
SENT = {
    "state": JobState.COMPLETED, "outcome": OutcomeClass.ACCEPTED, "code": 250, "phase": "content", "server": MX,
    "reply": "2.0.0 Ok: queued as 4F2", "duration": 120_000, "content_sent": True,
}  # fmt: skip
UNKNOWN = {
    "state": JobState.FAILED, "outcome": OutcomeClass.PERMANENT, "code": 550, "enhanced": "5.1.1", "phase": "rcpt",
    "reply": "5.1.1 <nobody@example.org>: Recipient address rejected: User unknown in virtual mailbox table",
    "error_key": "550 5.1.1 user unknown", "server": MX, "duration": 80_000,
}  # fmt: skip
FULL = {
    "state": JobState.FAILED, "outcome": OutcomeClass.TRANSIENT, "code": 452, "enhanced": "4.2.2", "phase": "rcpt",
    "reply": "4.2.2 The mailbox is full", "error_key": "452 4.2.2 mailbox full", "server": MX, "duration": 90_000,
}  # fmt: skip
DOUBT = {
    "state": JobState.UNCERTAIN, "outcome": OutcomeClass.UNCERTAIN, "phase": "content", "server": MX,
    "reply": "connection lost after the content", "error_key": "connection lost", "duration": 30 * SECOND,
    "content_sent": True,
}  # fmt: skip
FIELD = {"state": JobState.HELD, "reason": "field", "counts_try": False, "error_key": "missing field: company"}


def later(now: int) -> dict[str, Any]:
    """Greylisted: tried again in four minutes."""
    return {
        "state": JobState.PENDING, "outcome": OutcomeClass.TRANSIENT, "code": 451, "enhanced": "4.7.1", "server": MX,
        "phase": "rcpt", "reply": "4.7.1 Greylisted, please try again in 240 seconds", "duration": 70_000,
        "error_key": "451 4.7.1 greylisted", "due_at": now + 4 * MINUTE,
    }  # fmt: skip


def _names() -> list[str]:
    rng = random.Random(3)
    return [rng.choice(["ada", "ben", "kim", "max", "zoe", "tom", "eva", "dan", "fay", "quy"]) for _ in range(1_000)]


def busy(folder: Path) -> World:
    """The world of the pictures: two running campaigns, one paused by a guard, a draft, an ended and a cancelled one,
    a cooling queue, and one of every outcome."""
    world = World(folder)
    world.clock.at = NOON - 2 * DAY
    world.campaign("winback", 6, pacing={"mode": "blast", "concurrency": 10, "batch_delay": "1s"})
    world.send("smtp-eu-1", [SENT, SENT, SENT, SENT, UNKNOWN, SENT])
    world.run(world.store.settle())
    world.clock.at = NOON - HOUR
    world.campaign("spring-sale", 40, account="smtp-eu-2")
    world.send("smtp-eu-2", [SENT] * 8 + [UNKNOWN] * 3, step=20 * SECOND)
    spring = world.run(world.store.get_campaign("spring-sale"))
    from storage.events import Event

    world.run(
        world.store.pause_campaign(
            spring.id,
            PauseReason.BOUNCES,
            "hard bounces 5.2% > 5%",
            Event("campaign.paused", "engine paused spring-sale"),
        )
    )
    world.campaign("reminder-q3", 12, start=False)
    world.campaign("test-ana", 3)
    world.send("smtp-eu-1", [SENT])
    world.call("campaign.cancel", name="test-ana")
    world.clock.at = NOON - 12 * MINUTE
    world.campaign("newsletter-38", 120, pacing={"mode": "steady", "rate": "10/min"})
    outcomes: list[dict[str, Any]] = []
    for i in range(60):
        outcomes.append(
            UNKNOWN if i % 13 == 5 else FULL if i % 20 == 7 else DOUBT if i == 33 else FIELD if i == 45 else SENT
        )
    outcomes[50] = later(NOON)
    world.send("smtp-eu-1", outcomes, step=11 * SECOND)
    world.send("smtp-eu-1", [{"fly": True}], step=10 * SECOND)
    world.clock.at = NOON - 3 * MINUTE
    world.campaign("receipts", 50, pacing={"mode": "human", "gap_min": "15m", "gap_max": "90m"})
    queue = world.run(world.store.get_queue("smtp-eu-2"))
    world.clock.at = NOON - MINUTE
    world.run(
        world.store.set_queue_state(
            queue.id, QueueState.COOLING, reason="421 rate limited", until=NOON + 42 * SECOND, event=None
        )
    )
    world.clock.at = NOON
    return world


def acted(done: int, *left: tuple[int, bool, str]) -> dict[str, Any]:
    """What control answers to an act on jobs: `left` is (job, changed, why) each."""
    changed = sum(changed for _, changed, _ in left)
    return {
        "success": True, "done": done, "changed": changed, "refused": len(left) - changed, "events": [41], "until": {},
        "left": [{"job": job, "changed": changed, "why": why} for job, changed, why in left],
        "message": f"{done} acted on",
    }  # fmt: skip


class RecordingLink:
    """In place of an engine: remembers what was asked and answers what it is told."""

    def __init__(self, state: LinkState | None = None) -> None:
        self._state = state or LinkState(ATTACHED, 4120, "mail-1")
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, dict[str, Any] | PacelineError] = {}
        self.flying = 0
        self.own = False
        """Whether what happens with Ana's name may be this console's own doing."""
        self.drained: list[str] = []
        self.on_call: Callable[[str, dict[str, Any]], None] = lambda action, args: None

    @property
    def state(self) -> LinkState:
        told = self.answers.get("engine.status", {})
        return replace(self._state, status=told if self._state.usable and isinstance(told, dict) else {})

    @state.setter
    def state(self, state: LinkState) -> None:
        self._state = state

    @property
    def actor(self) -> Actor:
        return ANA

    def acted_lately(self) -> bool:
        return self.own

    def look(self, now: int) -> LinkState:
        return self.state

    def look_now(self) -> None:
        self.calls.append(("look_now", {}))

    def call(self, action: str, args: dict[str, Any]) -> Future[dict[str, Any]]:
        self.calls.append((action, args))
        self.on_call(action, args)
        future: Future[dict[str, Any]] = Future()
        answer = self.answers.get(action, {"success": True, "message": f"{action} done"})
        if action in ("job.retry", "job.cancel") and action not in self.answers:
            answer = acted(len(args["seen"]))
        if isinstance(answer, PacelineError):
            future.set_exception(answer)
        else:
            future.set_result(answer)
        return future

    def start_here(self) -> None:
        self.calls.append(("start_here", {}))

    def in_flight(self) -> int:
        return self.flying

    def drain(self, why: str) -> None:
        self.drained.append(why)

    def cut(self, why: str) -> None:
        self.drained.append(f"cut: {why}")

    def join(self, limit: float) -> bool:
        return True

    def close(self) -> None:
        return
