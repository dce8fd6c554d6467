"""The engine as one thing: owns the store, supervises the loops, drains on request."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import approving
from engine.accounts import Account
from engine.channels.channel import Channel
from engine.channels.make import make_channel
from engine.clock import Clock, SystemClock
from engine.composer import Composer, Letters
from engine.config import Config, allow_listed
from engine.control import all_actions
from engine.control.actions import Context
from engine.inbound.watching import Mailboxes
from engine.loop_lag import LoopLag
from engine.overflow import Overflow
from engine.presence import Presence
from engine.processors.registry import Registry
from engine.recovery import recover
from engine.routes import make_ready
from engine.rules import Rules
from engine.runner import QueueRunner
from engine.scheduler import Scheduler
from engine.schedules import Schedules
from engine.sequences import Sequences
from engine.socket import ControlServer, socket_path
from engine.task_runner import TaskRunner
from engine.unipile_account import UnipileAccount
from engine.watch import Watch, Watched
from storage.model import SECOND, Actor
from storage.nouns import Queue
from storage.sqlite import SqliteStore
from storage.work_terms import CHANNEL

log = logging.getLogger("paceline.engine")

IDLE_LOOK = SECOND // 5

all_actions()


def _tending(name: str) -> str:
    """The task beside an account's runner; no account's name holds a blank."""
    return f"tending {name}"


def _working(queue: str) -> str:
    """The task of a queue of background jobs."""
    return f"jobs of {queue}"


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
        self._runners: dict[str, QueueRunner] = {}
        self._retiring: dict[str, tuple[QueueRunner, asyncio.Task[None]]] = {}
        self._work: dict[str, TaskRunner] = {}
        """Runners of background jobs, by queue."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._draining = asyncio.Event()
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
            self._watch = Watch(self.store, self.clock, self._watched)
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
        await self._set_runners()
        await self._set_work()
        await self._mailboxes.set(self.config.inbox if self._sends else {})
        self._tasks["scheduler"] = asyncio.create_task(self.scheduler.run(), name="scheduler")

    async def _set_runners(self) -> None:
        """One runner per account. A reload lets those whose account changed finish what they have in flight, and
        starts their successors then: nobody waits for a slow server here."""
        wanted = self.config.accounts if self._sends else {}
        for name, runner in list(self._runners.items()):
            if name in wanted and wanted[name] == runner.account:
                runner.tune(await self._rules(wanted[name]))
                continue
            runner.drain()
            del self._runners[name]
            await self._leave(name)
            task = self._tasks.pop(name)
            if runner.in_flight:
                self._retiring[name] = (runner, asyncio.create_task(self._retire(name, task)))
            else:
                await task
        for name, account in wanted.items():
            if name in self._runners or name in self._retiring:
                continue
            rules = await self._rules(account)
            queue = await self.context.queue_of(account)
            channel = self._channels(account)
            runner = QueueRunner(
                queue,
                account,
                rules,
                store=self.store,
                channel=channel,
                letters=Letters(
                    self.composer, prepare=self._prepare, may_reach=self._may_reach(account), clock=self.clock
                ),
                on_change=self.scheduler.books_changed,
                clock=self.clock,
                rng=random.Random(),  # noqa: S311 - jitter
            )
            self._runners[name] = runner
            if isinstance(account, UnipileAccount):
                self._tend(account, queue, channel)
            self._tasks[name] = asyncio.create_task(runner.run(), name=f"runner-{name}")

    async def _set_work(self) -> None:
        """One runner per queue of background jobs; one that the configuration no longer names ends what it has."""
        names = self.config.jobs.queue_names()
        for name, runner in self._work.items():
            if name not in names:
                runner.drain()
        store_id = hashlib.sha256(await self.store.token_secret()).hexdigest()[:12]
        for name in names:
            task = self._tasks.get(_working(name))
            if task is not None and not task.done():
                if not self._draining.is_set():
                    self._work[name].go_on()
                continue
            runner = TaskRunner(
                await self.store.ensure_queue(name, CHANNEL),
                control=self.context,
                registry=self._registry,
                store_id=store_id,
                settings=lambda: self.config.jobs,
                on_change=self.scheduler.books_changed,
                clock=self.clock,
                rng=random.Random(),  # noqa: S311 - jitter
            )
            self._work[name] = runner
            self._tasks[_working(name)] = asyncio.create_task(runner.run(), name=f"jobs-{name}")

    def _tend(self, account: UnipileAccount, queue: Queue, channel: Channel) -> None:
        """Give a LinkedIn channel its memory, and look after what it leaves open."""
        from engine.channels.unipile.session import UnipileChannel
        from engine.channels.unipile.tending import Tending

        if isinstance(channel, UnipileChannel):
            tending = Tending(
                queue,
                channel,
                account.look_up_cap,
                store=self.store,
                clock=self.clock,
                on_change=self.scheduler.books_changed,
            )
            self._tasks[_tending(account.name)] = asyncio.create_task(tending.run(), name=f"tending-{account.name}")

    async def _leave(self, name: str) -> None:
        """No longer look after an account; what it was asked is not waited for."""
        if (task := self._tasks.pop(_tending(name), None)) is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _retire(self, name: str, task: asyncio.Task[None]) -> None:
        await asyncio.gather(task, return_exceptions=True)
        del self._retiring[name]
        if not self._draining.is_set():
            await self._set_runners()

    async def _rules(self, account: Account) -> Rules:
        """What holds for an account now; its limits are kept in the store, for whoever explains them."""
        queue = await self.context.queue_of(account)
        limits = await self.context.limits_of(account)
        await self.store.set_limits(queue.id, limits.to_dict())
        defaults = self.config.defaults
        return Rules(
            limits,
            account.retry_policy(defaults),
            account.cooling_ladder(defaults),
            account.alarm_rules(self.config.alarms),
        )

    def _may_reach(self, account: Account) -> Callable[[str], bool]:
        if account.channel == "outbox":
            return lambda address: True
        return lambda address: allow_listed(self.config, address)

    async def _prepare(self, campaign_id: int) -> None:
        await make_ready(self.store, self.composer, self.config, campaign_id)

    # hooks of control

    def wake(self) -> None:
        self.scheduler.wake()
        for runner in self._all_runners():
            runner.ask_again()
        self._wake_runners()

    def _wake_runners(self) -> None:
        for runner in self._everyone():
            runner.wake()

    def _all_runners(self) -> list[QueueRunner]:
        return [*self._runners.values(), *(runner for runner, _ in self._retiring.values())]

    def _everyone(self) -> list[QueueRunner | TaskRunner]:
        return [*self._all_runners(), *self._work.values()]

    def _watched(self) -> list[Watched]:
        return [Watched(runner.queue.id, runner.rules) for runner in self._all_runners()]

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
            "queues": [
                {
                    "queue": name,
                    "state": runner.health.state.value,
                    "in_flight": runner.in_flight,
                    "concurrency": runner.rules.limits.concurrency,
                    "places": runner.places,
                    "throttle": runner.feedback.throttle,
                    "min_gap": runner.rules.limits.min_gap,
                    "caps": [list(cap) for cap in runner.rules.limits.ceilings(self.clock.now())],
                    "limits": runner.rules.limits.to_dict(),
                    "held_by": runner.blocked_by,
                    "trouble": runner.health.trouble or runner.trouble,
                }
                for name, runner in sorted(self._runners.items())
            ],
            "kinds": self._registry.kinds(),
            "work": [
                {
                    "queue": name,
                    "in_flight": runner.in_flight,
                    "concurrency": runner.concurrency,
                    "ageing": self.config.jobs.ageing,
                    "trouble": runner.trouble,
                }
                for name, runner in sorted(self._work.items())
                if runner.concurrency
            ],
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
        await self._set_runners()
        await self._set_work()
        await self._mailboxes.set(config.inbox if self._sends else {})
        self.wake()
        return {"accounts": sorted(config.accounts), "message": f"reloaded {config.path}"}

    async def tuned(self, queue: str) -> None:
        runner = self._runners.get(queue)
        if runner is not None:
            runner.tune(await self._rules(runner.account))

    def end_job(self, job_id: int, by: str) -> bool:
        return any(runner.end_job(job_id, by) for runner in self._work.values())

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
        finally:
            await self._shut_down()
        for task in self._tasks.values():
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    async def _supervise(self, until_idle: bool) -> None:
        while not self._draining.is_set():
            if any(task.done() for name, task in self._tasks.items() if not self._left(name)):
                return
            if until_idle and await self._idle():
                return
            await self.clock.wait(self._draining, IDLE_LOOK if until_idle else SECOND)

    def _left(self, name: str) -> bool:
        """Whether a task may end: that of a queue of background jobs which the configuration no longer named."""
        return name.startswith(_working("")) and self._work[name.removeprefix(_working(""))].draining

    async def _idle(self) -> bool:
        if self.in_flight():
            return False
        queues = [runner.queue.id for runner in self._everyone()]
        return not await self.store.runnable(queues, stuck=self._sequences.stuck)

    async def _shut_down(self) -> None:
        self.drain("ended")
        await self._mailboxes.stop()
        for name, runner in list(self._runners.items()):
            runner.drain()
            await self._leave(name)
        for work in self._work.values():
            work.drain()
        running = {*self._runners, *map(_working, self._work)}
        runner_tasks = [task for name, task in self._tasks.items() if name in running]
        retiring = [task for _, task in self._retiring.values()]
        await asyncio.gather(*runner_tasks, *retiring, return_exceptions=True)
        await self.server.stop()
        self._lag.stop()
        self.scheduler.stop()
        await asyncio.gather(self._tasks["scheduler"], return_exceptions=True)
        self.running = False
        await self._close_books()

    async def _close_books(self) -> None:
        try:
            if self._cut:
                await self.store.rescue(everything=True)
            await self.store.settle()
        finally:
            await self.store.close(note=self._why)
