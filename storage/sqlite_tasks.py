"""What the embedded store is asked about background jobs. A part of `storage.sqlite`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from storage import pruning, stages, task_endings, tasks
from storage.events import Event, add_event
from storage.pruning import Pruned
from storage.recipients import begin_batch, finish_batch
from storage.tasks import ClaimedTask, Made, NewTask, TaskClaim, TaskEnd
from storage.tx import Tx
from storage.writer import Writer


class SqliteTasks:
    """The background jobs of `storage.store.Store`."""

    writer: Writer
    _now: Callable[[], int]
    _epoch: int

    async def enqueue(
        self, new: Sequence[NewTask], *, name: str, actor: str, tell: Callable[[list[Made]], Event] | None = None
    ) -> tuple[int, list[Made]]:
        def run(tx: Tx) -> tuple[int, list[Made]]:
            now = self._now()
            batch_id = begin_batch(tx, None, "enqueue", name, actor, now)
            made = tasks.add(tx, batch_id, new, now)
            if any(one.new for one in made):
                stages.stage_batch(tx, batch_id, go_on=False)
                finish_batch(tx, batch_id)
                if tell is not None:
                    add_event(tx, tell(made), now)
                return batch_id, made
            tx.execute("DELETE FROM batches WHERE id = ?", (batch_id,))
            return 0, made

        return await self.writer.submit(run)

    async def add_tasks(self, batch_id: int, new: Sequence[NewTask]) -> list[Made]:
        return await self.writer.submit(lambda tx: tasks.add(tx, batch_id, new, self._now(), loading=True))

    async def finish_enqueue(
        self, batch_id: int, *, go_on: bool, tell: Callable[[int, str], Event] | None = None
    ) -> None:
        def run(tx: Tx) -> None:
            row = tx.one("SELECT total, name, state FROM batches WHERE id = ?", (batch_id,))
            if not row["total"]:
                tx.execute("DELETE FROM batches WHERE id = ? AND state = 'loading'", (batch_id,))
                return
            stages.stage_batch(tx, batch_id, go_on=go_on)
            finish_batch(tx, batch_id)
            # A commit that is asked for twice is told once.
            if tell is not None and row["state"] == "loading":
                add_event(tx, tell(row["total"], row["name"]), self._now())

        await self.writer.submit(run)

    async def claim_tasks(self, ask: Callable[[], TaskClaim]) -> list[ClaimedTask]:
        def late() -> Callable[[Tx], list[ClaimedTask]]:
            request = ask()
            return lambda tx: tasks.claim(tx, request)

        return await self.writer.submit_late(late)

    def finish_tasks(self, ends: Sequence[TaskEnd]) -> Awaitable[list[bool]]:
        return self.writer.submit_many(task_endings.finish, (ends, self._epoch), keep=True)

    async def give_back(self, back: Sequence[ClaimedTask]) -> int:
        return await self.writer.submit(lambda tx: task_endings.hand_back(tx, back, self._now()))

    async def renew_leases(self, held: Sequence[tuple[int, int]], until: int) -> list[int]:
        return await self.writer.submit(lambda tx: task_endings.renew(tx, held, until))

    async def note_progress(self, task: ClaimedTask, done: int, total: int, note: str) -> None:
        await self.writer.submit(lambda tx: tasks.note_progress(tx, task.id, task.lease, done, total, note))

    async def ask_to_end(self, job_id: int, by: str) -> bool:
        return await self.writer.submit(lambda tx: tasks.ask_to_end(tx, job_id, by))

    async def items_done(self, job_id: int, name: str) -> dict[str, str]:
        return await self.writer.submit(lambda tx: tasks.items_done(tx, job_id, name))

    async def keep_items(self, task: ClaimedTask, name: str, items: Sequence[tuple[str, bool, str]]) -> bool:
        return await self.writer.submit(lambda tx: tasks.keep_items(tx, task.id, task.lease, name, items, self._now()))

    async def ladder(self, job_id: int, names: tuple[str, ...]) -> list[stages.Stage]:
        return await self.writer.submit(lambda tx: stages.ladder(tx, job_id, names))

    async def note_stage(self, task: ClaimedTask, stage: stages.Stage, events: Sequence[Event] = ()) -> bool:
        return await self.writer.submit(
            lambda tx: stages.note_stage(tx, task.id, task.lease, stage, events, self._now())
        )

    async def prune_jobs(self, before: int, after: int) -> Pruned:
        return await self.writer.submit(lambda tx: pruning.prune_jobs(tx, before, after))

    async def prune_firings(self, before: int, after: int) -> Pruned:
        return await self.writer.submit(lambda tx: pruning.prune_firings(tx, before, after))

    async def prune_events(self, before: int, after: int) -> Pruned:
        return await self.writer.submit(lambda tx: pruning.prune_events(tx, before, after))
