"""Background jobs to break: processors with a record of their own outside the store, an engine that runs them in a
process of its own and dies where it is told to, and the judge that puts record and store side by side.

    python -m tests.crash.crash_work DATABASE CONFIG RECORD [--point NAME --at N] [--lease SECONDS]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from engine.config import load_config
from engine.processors.context import RunContext
from engine.processors.pipeline import Course, Pipeline, StageCode, StageEnd
from engine.processors.processor import Done, Outcome, Payload, Processor
from engine.processors.registry import Registry
from engine.service import Engine
from storage.files import read_only_uri
from storage.model import SECOND, Effect
from storage.reader import Reader
from storage.sqlite import SqliteStore
from storage.tasks import NewTask
from storage.work_terms import CHANNEL
from tests.support import crashpoints
from tests.support.child import ROOT

CONFIG = """\
[jobs]
concurrency = 10

[jobs.backoff]
first = "1s"
jitter = 0
"""
ITEMS = 120
AT_ONCE = 4
TAKES = 0.02
"""Seconds that a job, an item or a stage takes: a kill finds each point occupied."""


class Told(Payload):
    name: str = ""


class Recording(Processor[Told]):
    """Writes each thing that it does with one `write` to a file: what the kernel has outlives the process."""

    payload = Told
    record: ClassVar[Path]
    passed: ClassVar[Callable[[str], None]] = staticmethod(lambda point: None)

    @classmethod
    def note(cls, *words: str) -> None:
        with cls.record.open("ab", buffering=0) as file:
            file.write((" ".join(words) + "\n").encode())


class Again(Recording):
    kind = "again"
    about = "may be repeated"

    async def run(self, context: RunContext, payload: Told) -> Outcome:
        self.passed("running, nothing done")
        await asyncio.sleep(TAKES)
        self.note("again", payload.name)
        self.passed("running, all done")
        return Done()


class Once(Recording):
    kind = "once"
    about = "must not be repeated"
    effect = Effect.UNREPEATABLE

    async def run(self, context: RunContext, payload: Told) -> Outcome:
        self.passed("running, nothing done")
        await asyncio.sleep(TAKES)
        self.note("once", payload.name)
        self.passed("running, all done")
        return Done()


class Many(Recording):
    kind = "many"
    about = "has items"

    async def run(self, context: RunContext, payload: Told) -> Outcome:
        async def one(item: int) -> int:
            await asyncio.sleep(TAKES)
            self.note("item", payload.name, str(item))
            self.passed("an item is done")
            return item

        mapped = await context.map(range(ITEMS), one, AT_ONCE)
        return {"sum": sum(mapped.values.values()), "known": mapped.known}


class Staged(Recording, Pipeline[Told]):  # type: ignore[misc]
    kind = "staged"
    about = "has stages"
    payload = Told
    stages = ("first", "second", "third")

    def steps(self) -> tuple[StageCode, ...]:
        return tuple(self._recorded(name) for name in self.stages)

    def _recorded(self, name: str) -> StageCode:
        async def stage(context: RunContext, payload: Told, course: Course) -> StageEnd:
            await asyncio.sleep(TAKES)
            self.note("stage", payload.name, name)
            self.passed("a stage is done")
            return StageEnd({name: 1})

        return stage


class Deadly(Recording):
    kind = "deadly"
    about = "ends its engine"

    async def run(self, context: RunContext, payload: Told) -> Outcome:
        self.note("deadly", payload.name)
        os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.Event().wait()
        return None


KINDS: dict[str, type[Processor[Any]]] = {kind.kind: kind for kind in (Again, Once, Many, Staged, Deadly)}
POINTS = (
    "before the claim's commit",
    "after the claim's commit",
    "running, nothing done",
    "running, all done",
    "an item is done",
    "items are kept",
    "a stage is done",
    "a stage is kept",
    "before the outcome's commit",
    "after the outcome's commit",
    "after the outcome's counters",
)


def _install(point: str, at: int) -> None:
    """Die by SIGKILL at the `at`th passage of a point."""
    from storage import task_endings, tasks

    left = at

    def passed() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def after(name: str) -> None:
        function = getattr(SqliteStore, name)

        async def wrapped(self: SqliteStore, *args: Any) -> Any:
            answer = await function(self, *args)
            if answer:
                passed()
            return answer

        setattr(SqliteStore, name, wrapped)

    match point:
        case "before the claim's commit":
            claim = tasks.claim

            def claimed(tx: Any, request: Any) -> Any:
                if found := claim(tx, request):
                    passed()
                return found

            tasks.claim = claimed
        case "after the claim's commit":
            after("claim_tasks")
        case "items are kept":
            after("keep_items")
        case "a stage is kept":
            after("note_stage")
        case "before the outcome's commit":
            crashpoints.before_commit(task_endings, "finish")(passed)
        case "after the outcome's commit":
            crashpoints.after_commit(task_endings, "finish")(passed)
        case "after the outcome's counters":
            crashpoints.inside_flush(passed)
        case _:
            Recording.passed = staticmethod(lambda here: passed() if here == point else None)


async def _run(database: Path, config: Path, until_idle: bool = True) -> None:
    engine = Engine(database, lambda: load_config(config), registry=Registry(KINDS))
    await engine.start()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, engine.drain, "SIGTERM")
    await engine.run(until_idle=until_idle)


_RUNNING = "SELECT j.kind FROM jobs j JOIN tasks t ON t.job_id = j.id WHERE j.state = 'processing'"
_KEPT = (
    "SELECT json_extract(t.payload, '$.name') AS name, i.key FROM task_items i JOIN tasks t ON t.job_id = i.job_id "
    "WHERE i.done = 1"
)


@dataclass
class WorkWorld:
    """One store with background jobs, and the record of what was done of them."""

    folder: Path
    settings: str = CONFIG

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.database = self.folder / "paceline.db"
        self.config = self.folder / "paceline.toml"
        self.record = self.folder / "record"
        self.config.write_text(self.settings)
        self.record.touch()

    def add(self, kind: str, n: int) -> None:
        """Make `n` jobs of a kind, named after it."""
        self.add_named([(kind, f"{kind}-{place}") for place in range(n)])

    def add_named(self, jobs: Sequence[tuple[str, str]]) -> None:
        """Make jobs, (kind, name) each, that are begun in this order."""
        asyncio.run(self._add(jobs))

    async def _add(self, jobs: Sequence[tuple[str, str]]) -> None:
        store = await SqliteStore.open(self.database, role="command", now=_now, create=not self.database.exists())
        queue = await store.ensure_queue("default", CHANNEL)
        new = [
            NewTask(kind, queue.id, 0, json.dumps({"name": name}), effect=KINDS[kind].effect.value)
            for kind, name in jobs
        ]
        await store.enqueue(new, name="jobs", actor="test")
        await store.close()

    def start(self, *more: str) -> subprocess.Popen[str]:
        """An engine in a process of its own; it ends when nothing can run any more, or with this process."""
        return subprocess.Popen(
            [
                sys.executable, "-m", "tests.crash.crash_work",
                str(self.database), str(self.config), str(self.record), *more,
            ],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with closing(sqlite3.connect(read_only_uri(self.database), uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(sql, values).fetchall()

    def done(self) -> Counter[str]:
        """What the record says was done, and how often."""
        return Counter(self.record.read_text().splitlines())

    def states(self) -> dict[str, str]:
        """State by the name of each job."""
        rows = self.rows(
            "SELECT json_extract(t.payload, '$.name') AS name, j.state FROM jobs j JOIN tasks t ON t.job_id = j.id"
        )
        return {row["name"]: row["state"] for row in rows}

    def running(self) -> Counter[str]:
        """How many of each kind were under way when the engine died."""
        return Counter(row["kind"] for row in self.rows(_RUNNING))

    def kept_items(self) -> frozenset[str]:
        """Items whose end is in the store, as the record names them."""
        return frozenset(f"item {row['name']} {row['key']}" for row in self.rows(_KEPT))

    def open_intents(self) -> frozenset[str]:
        """Jobs that must not run twice and may have run: a durable intent without an outcome."""
        rows = self.rows(
            "SELECT json_extract(t.payload, '$.name') AS name FROM jobs j JOIN tasks t ON t.job_id = j.id "
            "JOIN attempts a ON a.job_id = j.id AND a.lease = j.lease WHERE j.state = 'processing' "
            "AND a.outcome IS NULL"
        )
        return frozenset(row["name"] for row in rows)

    def problems(self, *, uncertain: frozenset[str]) -> list[str]:
        """Every sentence is a broken promise, when nothing runs any more; `uncertain`: exactly who must be."""
        done, states = self.done(), self.states()
        found = [
            f"{name}: left {state}" for name, state in states.items() if state in ("pending", "processing", "held")
        ]
        found += [f"{name}: {state}" for name, state in states.items() if state == "failed"]
        doubted = frozenset(name for name, state in states.items() if state == "uncertain")
        if doubted != uncertain:
            found.append(f"uncertain are {sorted(doubted)}, in the window were {sorted(uncertain)}")
        for name, state in states.items():
            kind = name.split("-")[0]
            times = done[f"{kind} {name}"]
            if kind == "once" and (times > 1 or (state == "completed" and times != 1)):
                found.append(f"{name}: {state}, and was done {times} times")
            if kind == "again" and times < 1:
                found.append(f"{name}: {state}, and was never done")
            if kind == "many":
                found += [f"{name}: item {i} was never done" for i in range(ITEMS) if not done[f"item {name} {i}"]]
            if kind == "staged":
                found += [
                    f"{name}: {stage} was never done" for stage in Staged.stages if not done[f"stage {name} {stage}"]
                ]
        with Reader(self.database) as reader:
            found += reader.counter_drift()
        return found


def _now() -> int:
    return time.time_ns() // 1_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.crash_work")
    parser.add_argument("database", type=Path)
    parser.add_argument("config", type=Path)
    parser.add_argument("record", type=Path)
    parser.add_argument("--point", default="")
    parser.add_argument("--at", type=int, default=1)
    parser.add_argument("--lease", type=float, default=0.0)
    given = parser.parse_args()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    Recording.record = given.record
    if given.point:
        _install(given.point, given.at)
    if given.lease:
        _shorten_leases(given.lease)
    asyncio.run(_run(given.database, given.config))


def _shorten_leases(seconds: float) -> None:
    from engine import scheduler, task_runner

    task_runner.LEASE = int(seconds * SECOND)
    scheduler.RESCUE = int(seconds * SECOND / 10)
    # The engine forgets what it has under way, as one does whose claims were rescued by another: the fence must hold.
    task_runner.TaskRunner.held = property(lambda self: frozenset())  # type: ignore[assignment,method-assign]


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    # The processors are those of this module under its real name, whichever way it was started.
    from tests.crash import crash_work

    crash_work.main()
    sys.stderr.flush()
    os._exit(0)
