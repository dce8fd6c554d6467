"""The engine as one thing: owns the store, supervises the loops, drains on request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import approving
from engine.accounts import Account
from engine.channels.channel import Channel
from engine.channels.make import make_channel
from engine.clock import Clock, SystemClock
from engine.composer import Composer
from engine.config import Config
from engine.control import all_actions
from engine.control.actions import Context
from engine.inbound.watching import Mailboxes
from engine.loop_lag import LoopLag
from engine.overflow import Overflow
from engine.presence import Presence
from engine.processors.registry import Registry
from engine.queue_runners import QueueRunners
from engine.recovery import recover
from engine.runner import QueueRunner
from engine.scheduler import Scheduler
from engine.schedules import Schedules
from engine.sequences import Sequences
from engine.socket import ControlServer, socket_path
from engine.task_runner import TaskRunner
from engine.task_runners import TaskRunners
from engine.watch import Watch
from storage.model import SECOND, Actor
from storage.sqlite import SqliteStore

log = logging.getLogger("paceline.engine")

IDLE_LOOK = SECOND // 5

all_actions()


class Engine:
    """One engine over one database. `start`, then `run` until drained; `stop` cuts.

    `load_config` is called at start and on reload. Role: `engine` (headless) or `console` (embedded). One that does
    not send (`sends`) runs background jobs and nothing else.
    """

    def __init__(
        self,
        database: Path,
        load_config: Callable[[], Config],
        *,
        role: str = "engine",
        clock: Clock | None = None,
        channels: Callable[[Account], Channel] = make_channel,
        create: bool = False,
        read_only: bool = False,
        registry: Registry | None = None,
        sends: bool = True,
    ) -> None:
        self.database = database
        self.clock = clock or SystemClock()
        self._load_config = load_config
        self._role = role
        self._channels = channels
        self._create = create
        self._read_only = read_only
        self._registry = registry or Registry()
        self._sends = sends
        self._draining = asyncio.Event()
        self.queues = QueueRunners(sends=sends, on_change=self._books_changed, ending=self._draining)
        self.work = TaskRunners(on_change=self._books_changed, ending=self._draining)
        self._why = ""
        self._started_at = 0
        self.running = False
        self._cut = False
        self._lag = LoopLag()
        self._presence = Presence()

    async def start(self) -> None:
        """Take the lock, open the store, settle what a dead engine left, listen, begin.

        Raises LockHeldError, StoreError or UsageError, each with its remedy; nothing is left behind then.
        """
        self.config = self._load_config()
        path = socket_path(self.database)
        self.store = await SqliteStore.open(
            self.database, role=self._role, now=self.clock.now, socket_path=str(path), create=self._create
        )
        try:
            self._started_at = self.clock.now()
            self.composer = Composer()
            self.context = Context(
                self.store,
                self.clock,
                self.config,
                self.composer,
                self._channels,
                self,
                self._read_only,
                self._registry,
            )
            self._sequences = Sequences(self.context)
            self.scheduler = Scheduler(
                self.store,
                self.clock,
                wake_runners=self._wake_runners,
                owned=self.store.lock.still_ours,
                note=self._note,
                watch=self._each_minute,
                sequences=self._sequences,
                schedules=Schedules(self.context),
                held=self._held,
            )
            self._watch = Watch(self.store, self.clock, self.queues.watched)
            self._overflow = Overflow(self.context)
            await recover(self.store, self.clock)
            self._mailboxes = Mailboxes(
                self.store, self.clock, accounts=lambda: self.config.accounts, on_change=self.wake
            )
            self.server = ControlServer(path, self.context)
            await self.server.start()
        except BaseException:
            await self.store.close(note="could not start")
            raise
        self.running = True
        self._lag.start()
        await approving.recheck_senders(self.context)
        await self.queues.set(self.context)
        await self.work.set(self.context)
        await self._mailboxes.set(self.config.inbox if self._sends else {})
        self._scheduling = asyncio.create_task(self.scheduler.run(), name="scheduler")

    # hooks of control

    def wake(self) -> None:
        self.scheduler.wake()
        for runner in self.queues.every():
            runner.ask_again()
        self._wake_runners()

    def _wake_runners(self) -> None:
        for runner in self._everyone():
            runner.wake()

    def _everyone(self) -> list[QueueRunner | TaskRunner]:
        return [*self.queues.every(), *self.work.every()]

    def _books_changed(self) -> None:
        self.scheduler.books_changed()

    async def _each_minute(self) -> None:
        await self._watch.look()
        await self._overflow.look()

    def _held(self) -> frozenset[int]:
        return frozenset().union(*(runner.held for runner in self._everyone()))

    def status(self) -> dict[str, Any]:
        """What `engine status` shows beside the store's own facts."""
        return {
            "running": True,
            "role": self._role,
            "sends": self._sends,
            "draining": self._draining.is_set(),
            "why": self._why,
            "epoch": self.store.epoch,
            "started_at": self._started_at,
            "commits": self.store.writer.commits,
            "store_trouble": self.store.trouble,
            "in_flight": self.in_flight(),
            "loop_lag": self._lag.read(),
            "attached": self._presence.attached(self.clock.now()),
            "rounds": self.scheduler.rounds(),
            "queues": self.queues.status(self.clock.now()),
            "kinds": self._registry.kinds(),
            "work": self.work.status(self.config.jobs.ageing),
        }

    def attend(self, console: str, actor: Actor) -> None:
        self._presence.seen(console, actor, self.clock.now())

    def drain(self, why: str) -> None:
        """Begin nothing more and end when what is in flight has its answer."""
        if not self._draining.is_set():
            self._why = why
            self._draining.set()

    def cut(self, why: str) -> None:
        """A second signal: do not wait for what is in flight; it becomes `uncertain` before the engine ends."""
        self._cut = True
        self.drain(why)
        for runner in self._everyone():
            runner.cut()

    async def reload(self) -> dict[str, Any]:
        config = self._load_config()
        self.config = self.context.config = config
        self.composer.forget()
        await approving.recheck_senders(self.context)
        await self.queues.set(self.context)
        await self.work.set(self.context)
        await self._mailboxes.set(config.inbox if self._sends else {})
        self.wake()
        return {"accounts": sorted(config.accounts), "message": f"reloaded {config.path}"}

    async def tuned(self, queue: str) -> None:
        await self.queues.tuned(self.context, queue)

    def end_job(self, job_id: int, by: str) -> bool:
        return self.work.end_job(job_id, by)

    def under_way(self) -> frozenset[int]:
        return self._held()

    # life

    def in_flight(self) -> int:
        return sum(runner.in_flight for runner in self._everyone())

    def _note(self) -> tuple[str, str]:
        return ("draining" if self._draining.is_set() else "running", self._why)

    async def run(self, *, until_idle: bool = False) -> None:
        """Until drained (or nothing can run without a person); then finish what is in flight and close.

        Raises what ended a loop when one failed: a stale epoch, a bug.
        """
        try:
            await self._supervise(until_idle)
            # Before the end, which leaves what is tended beside an account.
            loops = (*self.queues.tasks(), *self.work.tasks(), self._scheduling)
        finally:
            await self._shut_down()
        for task in loops:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    async def _supervise(self, until_idle: bool) -> None:
        while not self._draining.is_set():
            if self.queues.ended() or self.work.ended() or self._scheduling.done():
                return
            if until_idle and await self._idle():
                return
            await self.clock.wait(self._draining, IDLE_LOOK if until_idle else SECOND)

    async def _idle(self) -> bool:
        if self.in_flight():
            return False
        queues = [runner.queue.id for runner in self._everyone()]
        return not await self.store.runnable(queues, stuck=self._sequences.stuck)

    async def _shut_down(self) -> None:
        self.drain("ended")
        await self._mailboxes.stop()
        await self.queues.drain()
        self.work.drain()
        await asyncio.gather(self.queues.finish(), self.work.finish())
        await self.server.stop()
        self._lag.stop()
        self.scheduler.stop()
        await asyncio.gather(self._scheduling, return_exceptions=True)
        self.running = False
        await self._close_books()

    async def _close_books(self) -> None:
        try:
            if self._cut:
                await self.store.rescue(everything=True)
            await self.store.settle()
        finally:
            await self.store.close(note=self._why)
