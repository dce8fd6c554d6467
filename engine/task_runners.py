"""The runners of all queues of background jobs: one each, begun and left as the configuration names them, drained."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable
from typing import Any

from engine.control.actions import Context
from engine.task_runner import TaskRunner
from storage.work_terms import CHANNEL


class TaskRunners:
    """None before the first `set`. `on_change` tells the scheduler that books changed; once `ending` is set no runner
    that was left goes on."""

    def __init__(self, *, on_change: Callable[[], None], ending: asyncio.Event) -> None:
        self._on_change = on_change
        self._ending = ending
        self.runners: dict[str, TaskRunner] = {}
        """By queue, those included that the configuration no longer names: they end what they have."""
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def set(self, context: Context) -> None:
        """One runner per queue that the configuration names; the others begin nothing more."""
        names = context.config.jobs.queue_names()
        for name, runner in self.runners.items():
            if name not in names:
                runner.drain()
        store_id = hashlib.sha256(await context.store.token_secret()).hexdigest()[:12]
        for name in names:
            task = self._tasks.get(name)
            if task is not None and not task.done():
                if not self._ending.is_set():
                    self.runners[name].go_on()
                continue
            runner = TaskRunner(
                await context.store.ensure_queue(name, CHANNEL),
                control=context,
                registry=context.registry,
                store_id=store_id,
                settings=lambda: context.config.jobs,
                on_change=self._on_change,
                clock=context.clock,
                rng=random.Random(),  # noqa: S311 - jitter
            )
            self.runners[name] = runner
            self._tasks[name] = asyncio.create_task(runner.run(), name=f"jobs-{name}")

    def every(self) -> list[TaskRunner]:
        return list(self.runners.values())

    def end_job(self, job_id: int, by: str) -> bool:
        """Ask a running job to end; False when none of them runs it."""
        return any(runner.end_job(job_id, by) for runner in self.runners.values())

    def status(self, ageing: int) -> list[dict[str, Any]]:
        """What `engine status` shows of each queue that has places, by name; `ageing` as `[jobs]` has it (us)."""
        return [
            {
                "queue": name,
                "in_flight": runner.in_flight,
                "concurrency": runner.concurrency,
                "ageing": ageing,
                "trouble": runner.trouble,
            }
            for name, runner in sorted(self.runners.items())
            if runner.concurrency
        ]

    # their end

    def ended(self) -> bool:
        """Whether one ended that nobody drained."""
        return any(task.done() and not self.runners[name].draining for name, task in self._tasks.items())

    def tasks(self) -> list[asyncio.Task[None]]:
        """The loop of each queue."""
        return list(self._tasks.values())

    def drain(self) -> None:
        """Begin nothing more; `finish` waits for what is under way."""
        for runner in self.runners.values():
            runner.drain()

    async def finish(self) -> None:
        """Until what runs has ended or was given back."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
