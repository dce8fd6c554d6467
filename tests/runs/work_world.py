"""A world with background jobs whose processors are told what to do."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from engine.processors.context import RunContext
from engine.processors.processor import (
    Again,
    Done,
    Doubtful,
    Empty,
    Held,
    NotDone,
    Outcome,
    Payload,
    Permanent,
    Processor,
)
from engine.processors.registry import Registry
from storage.last_run import FINISHED, STARTED
from storage.model import SECOND, Effect
from tests.runs.run_world import World


class Script(Payload):
    """What a run does: `takes` seconds, then each try ends as the next word of `ends` says, the last one for good."""

    name: str = ""
    takes: float = 0
    ends: tuple[str, ...] = ("done",)
    looks: bool = False
    """Whether it looks once a second if it is to end."""
    items: int = 0
    at_once: int = 50


class Scripted(Processor[Script]):
    kind = "scripted"
    about = "does what its payload says"
    payload = Script
    ledger: ClassVar[list[str]] = []
    """Names in the order in which they began."""
    finished: ClassVar[list[str]] = []
    together: ClassVar[dict[str, int]] = {"now": 0, "most": 0}

    async def run(self, context: RunContext, payload: Script) -> Outcome:
        self.ledger.append(payload.name)
        self.together["now"] += 1
        self.together["most"] = max(self.together.values())
        try:
            return await self._run(context, payload)
        finally:
            self.together["now"] -= 1

    async def _run(self, context: RunContext, payload: Script) -> Outcome:
        if payload.items:
            return await self._items(context, payload)
        left = round(payload.takes * SECOND)
        while left > 0:
            step = min(left, SECOND) if payload.looks else left
            await context.clock.sleep(step)
            left -= step
            if payload.looks:
                context.check()
        self.finished.append(payload.name)
        return _ended(payload.ends[min(context.task.attempts, len(payload.ends) - 1)])

    async def _items(self, context: RunContext, payload: Script) -> Outcome:
        async def one(item: int) -> int:
            await context.clock.sleep(round(payload.takes * SECOND))
            self.ledger.append(f"item {item}")
            if f"item {item}" in payload.ends:
                raise ValueError(f"item {item} is bad")
            return item * item

        mapped = await context.map(list(range(payload.items)), one, payload.at_once)
        return {"sum": sum(mapped.values.values()), "failed": mapped.failed, "known": mapped.known}


def _ended(word: str) -> Outcome:
    match word:
        case "done":
            return {"ok": True}
        case "nothing":
            return None
        case "empty":
            return Empty("there was nothing to do")
        case "flagged":
            return Done({"n": 1}, flag="fewer than expected")
        case "permanent":
            raise Permanent("no such customer")
        case "held":
            raise Held("configure the gateway")
        case "again":
            raise Again("the other side is busy", wait=7 * SECOND, counts=False)
        case "not done":
            raise NotDone("no connection")
        case "doubtful":
            raise Doubtful("no answer")
    raise RuntimeError(f"{word}")


class Once(Scripted):
    kind = "once"
    about = "must not run twice"
    effect = Effect.UNREPEATABLE


class Stubborn(Scripted):
    """Does not look, and catches its end once."""

    kind = "stubborn"
    about = "does not want to end"

    async def _run(self, context: RunContext, payload: Script) -> Outcome:
        try:
            return await super()._run(context, payload)
        except asyncio.CancelledError:
            await context.clock.sleep(3 * SECOND)
            raise


class WorkWorld(World):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.registry = Registry({kind.kind: kind for kind in (Scripted, Once, Stubborn)})
        Scripted.ledger.clear()
        Scripted.finished.clear()
        Scripted.together.update(now=0, most=0)

    async def add(
        self, name: str = "", *, kind: str = "scripted", job: dict[str, Any] | None = None, **script: Any
    ) -> int:
        """Make one job; `job`: the arguments of `job.add`, `script`: its payload."""
        made = await self.call("job.add", kind=kind, payload={"name": name, **script}, **(job or {}))
        return int(made["job_id"])

    def job(self, job_id: int) -> dict[str, Any]:
        [row] = self.read(
            lambda reader: reader.rows(
                "SELECT j.*, t.payload, t.rescues, t.result, t.flag, t.done, t.total, "
                f"{STARTED} AS started_at, {FINISHED} AS finished_at "
                "FROM jobs j JOIN tasks t ON t.job_id = j.id WHERE j.id = ?",
                (job_id,),
            )
        )
        return dict(row)

    def attempts(self, job_id: int) -> list[tuple[int, str, str]]:
        rows = self.read(
            lambda reader: reader.rows(
                "SELECT number, outcome, reply FROM attempts WHERE job_id = ? ORDER BY id", (job_id,)
            )
        )
        return [(row["number"], row["outcome"], row["reply"]) for row in rows]

    def true_books(self) -> None:
        """Counters of every kind equal a recount."""

        def look(reader: Any) -> None:
            assert reader.counter_drift() == []
            kept = {(row["kind"], row["state"]): row["n"] for row in reader.rows("SELECT * FROM kind_counters WHERE n")}
            counted = reader.rows("SELECT kind, state, count(*) AS n FROM jobs WHERE kind <> 'send' GROUP BY 1, 2")
            assert kept == {(row["kind"], row["state"]): row["n"] for row in counted}

        self.read(look)
