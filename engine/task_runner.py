"""One queue of background jobs: claim what can start now, run it, record. The only part that may begin such work.

Like a queue of messages it claims no more than it has room for, so that a waiting job waits for its queue and its
priority counts until it begins. A job under way keeps its lease by being renewed.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from engine.clock import Clock
from engine.control.actions import Context
from engine.job_settings import JobsTable
from engine.processors.context import RunContext
from engine.processors.registry import Registry
from engine.task_run import ended_early, run_task
from storage.errors import DamagedStoreError, PacelineError, StaleEpochError
from storage.model import MINUTE, SECOND, Effect, JobState
from storage.nouns import Queue
from storage.tasks import ClaimedTask, TaskClaim, TaskEnd

log = logging.getLogger("paceline.jobs")

LEASE = MINUTE
RENEW = LEASE // 3
CANCEL_GRACE = 10 * SECOND
"""How long a job that was asked to end may take to find a good place, before it is ended where it is."""
SLICE = 0.002
"""Seconds of runs that never wait before everything else on the loop has its turn. While their outcomes are committed
the next ones run."""
DRAIN_GRACE = 5 * SECOND
"""How long an engine that ends waits for a job that may be begun again; one that must not is waited for to its end."""


Ending = Literal["", "timeout", "asked", "back", "lost"]
"""Why a run was ended where it was: its time was over, somebody asked, its engine ends, its lease was lost."""


@dataclass(slots=True, eq=False)
class _Run:
    """One job under way. Times are monotonic (us); `worker` is None until it begins."""

    task: ClaimedTask
    context: RunContext
    deadline: int
    worker: asyncio.Task[None] | None = None
    end_by: int | None = None
    ending: Ending = ""

    @property
    def due(self) -> int:
        return self.deadline if self.end_by is None else min(self.deadline, self.end_by)

    @property
    def again(self) -> bool:
        """Whether it may simply be begun again."""
        return self.worker is None or self.task.effect != Effect.UNREPEATABLE

    def end(self, why: Ending) -> None:
        """End it where it is; a processor that catches that is asked again later."""
        self.ending = why
        if self.worker is not None:
            self.worker.cancel()


class TaskRunner:
    """Runs one queue's background jobs until drained. `on_change` tells the scheduler that books changed; `settings`
    gives the configuration as it is now."""

    def __init__(
        self,
        queue: Queue,
        *,
        control: Context,
        registry: Registry,
        store_id: str,
        settings: Callable[[], JobsTable],
        on_change: Callable[[], None],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.queue = queue
        self._control = control
        self._store = control.store
        self._registry = registry
        self._store_id = store_id
        self._settings = settings
        self._on_change = on_change
        self._clock = clock
        self._rng = rng
        self._wake = asyncio.Event()
        self._running: dict[int, _Run] = {}
        self._claimed: deque[_Run] = deque()
        """Of those, the ones that no worker has begun."""
        self._workers: set[asyncio.Task[None]] = set()
        self._next_worker: asyncio.Task[None] | None = None
        """A worker that has not begun: at most one."""
        self._ended: list[TaskEnd] = []
        """Outcomes of this turn of the loop: their places are taken until they are on their way to the store."""
        self._recording: dict[asyncio.Future[list[bool]], list[TaskEnd]] = {}
        self._back: list[ClaimedTask] = []
        self._draining = self._cut = False
        self._drain_by = 0
        self._renew_at = self._look_at = 0
        self.trouble = ""
        """Why nothing could begin although the queue is healthy: the store."""

    @property
    def in_flight(self) -> int:
        """Jobs under way, and those whose outcome is not in the books yet."""
        return len(self._running) + len(self._ended) + sum(map(len, self._recording.values()))

    @property
    def concurrency(self) -> int:
        return self._settings().queue_names().get(self.queue.name, 0)

    @property
    def held(self) -> frozenset[int]:
        """Jobs under way here, whatever the wall clock says of their leases."""
        recording = [end.task.id for ends in self._recording.values() for end in ends]
        return frozenset((*self._running, *recording, *(end.task.id for end in self._ended)))

    @property
    def _room(self) -> int:
        return 0 if self._draining else self.concurrency - len(self._running) - len(self._ended)

    @property
    def draining(self) -> bool:
        return self._draining

    def wake(self) -> None:
        self._wake.set()

    def end_job(self, job_id: int, by: str) -> bool:
        """Ask a running job to end; False when it does not run here."""
        run = self._running.get(job_id)
        if run is None:
            return False
        run.context.who_asked = by
        run.context.asked_to_end.set()
        if run.task.effect != Effect.UNREPEATABLE:
            # One that must not run twice is never ended where it is: nobody would know what it did.
            run.end_by = self._clock.monotonic() + CANCEL_GRACE
            self._look_at = min(self._look_at, run.end_by)
        self.wake()
        return True

    async def run(self) -> None:
        """Until drained; then what may be begun again is given back, and the rest finished."""
        while True:
            await self._begin()
            await self._finish()
            if self._draining:
                return

    async def _begin(self) -> None:
        while not self._draining:
            await self._look()

    async def _look(self) -> None:
        self._wake.clear()
        try:
            await self._keep()
            if await self._claim() and self._room > 0:
                return
        except (StaleEpochError, DamagedStoreError):
            raise
        except PacelineError as error:
            self.trouble = error.message
        await self._clock.wait(self._wake, self._sleep())

    async def _claim(self) -> int:
        """Claim what can begin; how many."""
        settings = self._settings()
        if self._room <= 0:
            return 0
        claimed = await self._store.claim_tasks(lambda: self._request(settings))
        self.trouble = ""
        now = self._clock.monotonic()
        for task in claimed:
            run = _Run(task, RunContext(task, self._control, store_id=self._store_id), now + task.timeout)
            self._running[task.id] = run
            self._claimed.append(run)
            self._look_at = min(self._look_at, run.deadline)
        if claimed:
            self._need_worker()
        return len(claimed)

    def _request(self, settings: JobsTable) -> TaskClaim:
        now = self._clock.now()
        suspect = not any(run.task.suspect for run in self._running.values())
        return TaskClaim(self.queue.id, self._room, now, now + LEASE, settings.ageing, self._store.epoch, suspect)

    # workers

    def _need_worker(self) -> None:
        if self._next_worker is None:
            self._next_worker = asyncio.create_task(self._work(), name=f"jobs-{self.queue.name}-worker")
            self._workers.add(self._next_worker)
            self._next_worker.add_done_callback(self._workers.discard)

    def _begun(self) -> None:
        self._next_worker = None

    async def _work(self) -> None:
        """Run what is claimed, one after the other as long as nothing waits: a task of its own for each run that never
        waits was a third of its cost. Once one has waited, the next worker has taken over."""
        self._begun()
        me, loop = asyncio.current_task(), asyncio.get_running_loop()
        began = loop.time()
        while self._claimed and not self._draining:
            run = self._claimed.popleft()
            if self._claimed:
                self._need_worker()
            successor = self._next_worker
            run.worker = me
            run.deadline = self._clock.monotonic() + run.task.timeout
            await self._run(run)
            if successor is None or self._next_worker is not successor or loop.time() - began >= SLICE:
                return

    async def _run(self, run: _Run) -> None:
        task, backoff = run.task, self._settings().backoff
        end: TaskEnd | None = None
        try:
            end = await run_task(self._registry, run.context, backoff, self._rng)
        except asyncio.CancelledError:
            if run.ending == "":
                raise
            if run.ending in ("timeout", "asked"):
                timed_out = run.ending == "timeout"
                end = ended_early(run.context, timed_out=timed_out, backoff=backoff, rng=self._rng)
        finally:
            del self._running[task.id]
        if run.ending == "lost":
            self._wake.set()
            return
        if end is None or (run.ending == "back" and run.again and end.state is not JobState.COMPLETED):
            if run.again:
                self._back.append(task)
            self._wake.set()
            return
        if not self._ended:
            asyncio.get_running_loop().call_soon(self._record)
        self._ended.append(end)

    # outcomes

    def _record(self) -> None:
        """Send the outcomes of a turn of the loop to the store. The Writer keeps order: a claim asked for from here on
        is committed with them or after them, so their places are free exactly when they are durable."""
        ends, self._ended = self._ended, []
        self._wake.set()
        try:
            recording = asyncio.ensure_future(self._store.finish_tasks(ends))
        except PacelineError as error:
            self._unrecorded(ends, error)
            return
        self._recording[recording] = ends
        recording.add_done_callback(self._recorded)

    def _recorded(self, recording: asyncio.Future[list[bool]]) -> None:
        ends = self._recording.pop(recording)
        if self._draining:
            self._wake.set()
        if recording.cancelled():
            return
        if (error := recording.exception()) is not None:
            self._unrecorded(ends, error)
            return
        for end, held in zip(ends, recording.result(), strict=True):
            if not held:
                log.warning("job %s: its lease was lost before it ended", end.task.id)
        self._on_change()

    def _unrecorded(self, ends: list[TaskEnd], error: BaseException) -> None:
        # The rows stay under their leases, and recovery decides by their effect.
        self.trouble = error.message if isinstance(error, PacelineError) else str(error)
        log.error("%d jobs from job %s on: %s", len(ends), ends[0].task.id, self.trouble)

    # time

    def _sleep(self) -> int:
        """How long to wait (us) when nothing happens: to the next time limit, lease or look."""
        waits = [self._settings().poll]
        if self._running:
            waits.append(min(self._renew_at, self._look_at) - self._clock.monotonic())
        return max(1_000, min(waits))

    async def _keep(self) -> None:
        """Hold the leases of what runs, and end what ran too long."""
        now = self._clock.monotonic()
        if not self._running or now < min(self._renew_at, self._look_at):
            return
        for run in self._running.values():
            if run.worker is None:
                continue
            if now >= run.deadline:
                # A processor that catches its end is asked again.
                run.deadline = now + CANCEL_GRACE
                run.end("timeout")
            elif run.end_by is not None and now >= run.end_by:
                run.end_by = now + CANCEL_GRACE
                run.end("asked")
        self._look_at = min(run.due for run in self._running.values())
        if now >= self._renew_at:
            self._renew_at = now + RENEW
            held = [(run.task.id, run.task.lease) for run in self._running.values()]
            for lost in await self._store.renew_leases(held, self._clock.now() + LEASE):
                if lost in self._running:
                    # Somebody else may run it by now: this run records nothing any more.
                    self._running[lost].end("lost")

    # the end

    def drain(self) -> None:
        """Begin nothing more. `run` returns when what must not run twice has ended; the rest is given back."""
        if not self._draining:
            self._draining = True
            self._drain_by = self._clock.monotonic() + DRAIN_GRACE
            self._wake.set()

    def go_on(self) -> None:
        """The queue is wanted again before its drain was over."""
        self._draining = self._cut
        if self._claimed:
            self._need_worker()
        self._wake.set()

    def cut(self) -> None:
        """End now: what may be begun again is given back, of the rest nobody knows."""
        self._cut = True
        self.drain()
        for run in self._running.values():
            run.end("back")

    async def _finish(self) -> None:
        while self._draining and (self._running or self._ended or self._recording):
            self._wake.clear()
            self._give_up_claimed()
            left = self._drain_by - self._clock.monotonic()
            if left <= 0:
                for run in self._running.values():
                    if run.again and run.ending != "back":
                        run.end("back")
            try:
                await self._keep()
            except PacelineError as error:
                self.trouble = error.message
            await self._clock.wait(self._wake, min(self._sleep(), left) if left > 0 else self._sleep())
        back, self._back = self._back, []
        if back:
            await self._store.give_back(back)

    def _give_up_claimed(self) -> None:
        """What no worker has begun goes back, even what must not run twice."""
        while self._claimed:
            run = self._claimed.popleft()
            del self._running[run.task.id]
            self._back.append(run.task)
            self._wake.set()
