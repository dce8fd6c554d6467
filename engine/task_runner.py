"""One queue of background jobs: claim what can start now, run it, record. The only part that may begin such work.

Like a queue of messages it claims no more than it has room for, so that a waiting job waits for its queue and its
priority counts until it begins. A job under way keeps its lease by being renewed.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from engine.clock import Clock
from engine.control.actions import Context
from engine.job_settings import JobsTable
from engine.processors.context import RunContext
from engine.processors.registry import Registry
from engine.task_run import ended_early, run_task
from storage.errors import DamagedStoreError, PacelineError, StaleEpochError
from storage.model import MINUTE, SECOND, Effect, Queue
from storage.tasks import ClaimedTask, TaskClaim

log = logging.getLogger("paceline.jobs")

LEASE = MINUTE
RENEW = LEASE // 3
CANCEL_GRACE = 10 * SECOND
"""How long a job that was asked to end may take to find a good place, before it is ended where it is."""
DRAIN_GRACE = 5 * SECOND
"""How long an engine that ends waits for a job that may be begun again; one that must not is waited for to its end."""


@dataclass(slots=True, eq=False)
class _Run:
    """One job under way. Times are monotonic (us)."""

    task: ClaimedTask
    context: RunContext
    job: asyncio.Task[None]
    deadline: int
    end_by: int | None = None
    timed_out: bool = False
    back: bool = False
    """It is to be given back: its engine ends."""


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
        self._recording: set[asyncio.Task[None]] = set()
        self._draining = self._cut = False
        self._drain_by: int | None = None
        self._renew_at = 0
        self.trouble = ""
        """Why nothing could begin although the queue is healthy: the store."""

    @property
    def in_flight(self) -> int:
        return len(self._running)

    @property
    def concurrency(self) -> int:
        return self._settings().queue_names().get(self.queue.name, 0)

    @property
    def held(self) -> frozenset[int]:
        """Jobs under way here, whatever the wall clock says of their leases."""
        return frozenset(self._running)

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
        self.wake()
        return True

    async def run(self) -> None:
        """Until drained; then what may be begun again is given back, and the rest finished."""
        while not self._draining:
            self._wake.clear()
            try:
                claimed = await self._step()
            except (StaleEpochError, DamagedStoreError):
                raise
            except PacelineError as error:
                self.trouble, claimed = error.message, 0
            if claimed and len(self._running) < self.concurrency:
                continue
            await self._clock.wait(self._wake, self._sleep())
            await self._keep()
        await self._finish()

    async def _step(self) -> int:
        """Begin what can begin; how many."""
        settings = self._settings()
        if len(self._running) >= self.concurrency:
            return 0
        claimed = await self._store.claim_tasks(lambda: self._request(settings))
        self.trouble = ""
        for task in claimed:
            self._start(task)
        return len(claimed)

    def _request(self, settings: JobsTable) -> TaskClaim:
        now = self._clock.now()
        room = 0 if self._draining else self.concurrency - len(self._running)
        return TaskClaim(self.queue.id, room, now, now + LEASE, settings.ageing, self._store.epoch)

    def _start(self, task: ClaimedTask) -> None:
        context = RunContext(task, self._control, store_id=self._store_id)
        job = asyncio.create_task(self._run(task, context), name=f"job-{task.id}")
        self._running[task.id] = _Run(task, context, job, self._clock.monotonic() + task.timeout)
        if self._cut:
            job.cancel()

    async def _run(self, task: ClaimedTask, context: RunContext) -> None:
        backoff = self._settings().backoff
        run: _Run | None = None
        try:
            try:
                end = await run_task(self._registry, context, backoff, self._rng)
            except asyncio.CancelledError:
                run = self._running[task.id]
                if run.back or not (run.timed_out or run.end_by is not None):
                    return
                end = ended_early(context, timed_out=run.timed_out, backoff=backoff, rng=self._rng)
            # The Writer keeps order: a claim asked for from here on is committed with this outcome or after it, so the
            # place is free for the next job exactly when this outcome is durable.
            recording = self._store.finish_tasks([end])
            self._leave(task)
            if not (await recording)[0]:
                log.warning("job %s: its lease was lost before it ended", task.id)
            self._on_change()
        except PacelineError as error:
            # The row stays under its lease, and recovery decides by its effect.
            self.trouble = error.message
            log.error("job %s: %s", task.id, error.message)
        finally:
            if run is None or not run.back:
                self._leave(task)

    def _leave(self, task: ClaimedTask) -> None:
        run = self._running.pop(task.id, None)
        if run is not None:
            self._recording.add(run.job)
            run.job.add_done_callback(self._recording.discard)
            self._wake.set()

    def _sleep(self) -> int:
        """How long to wait (us) when nothing happens: to the next time limit, lease or look."""
        now = self._clock.monotonic()
        waits = [self._settings().poll]
        if self._running:
            waits.append(self._renew_at - now)
            waits += [self._due(run) - now for run in self._running.values()]
        return max(1_000, min(waits))

    @staticmethod
    def _due(run: _Run) -> int:
        return run.deadline if run.end_by is None else min(run.deadline, run.end_by)

    async def _keep(self) -> None:
        """Hold the leases of what runs, and end what ran too long."""
        now = self._clock.monotonic()
        for run in list(self._running.values()):
            if now >= run.deadline:
                run.timed_out = True
                # A processor that catches its end is asked again.
                run.deadline = now + CANCEL_GRACE
                run.job.cancel()
            elif run.end_by is not None and now >= run.end_by:
                run.end_by = now + CANCEL_GRACE
                run.job.cancel()
        if self._running and now >= self._renew_at:
            self._renew_at = now + RENEW
            held = [(run.task.id, run.task.lease) for run in self._running.values()]
            for lost in await self._store.renew_leases(held, self._clock.now() + LEASE):
                if lost in self._running:
                    # Somebody else may run it by now: this run records nothing any more.
                    self._running[lost].job.cancel()

    def drain(self) -> None:
        """Begin nothing more. `run` returns when what must not run twice has ended; the rest is given back."""
        if not self._draining:
            self._draining = True
            self._drain_by = self._clock.monotonic() + DRAIN_GRACE
            self._wake.set()

    def cut(self) -> None:
        """End now: what may be begun again is given back, of the rest nobody knows."""
        self._cut = True
        self.drain()
        for run in self._running.values():
            run.back = True
            run.job.cancel()

    async def _finish(self) -> None:
        back: list[ClaimedTask] = []
        while self._running:
            self._wake.clear()
            now = self._clock.monotonic()
            late = self._drain_by is not None and now >= self._drain_by
            for run in list(self._running.values()):
                again = run.task.effect != Effect.UNREPEATABLE
                if late and again and not run.back:
                    run.back = True
                    run.job.cancel()
                if run.back and run.job.done():
                    del self._running[run.task.id]
                    if again:
                        back.append(run.task)
            if not self._running:
                break
            wait = RENEW if late else max(1_000, (self._drain_by or now) - now)
            if any(run.back for run in self._running.values()):
                wait = SECOND // 10
            await self._clock.wait(self._wake, wait)
            await self._keep()
        if self._recording:
            await asyncio.gather(*self._recording, return_exceptions=True)
        if back:
            await self._store.give_back(back)
