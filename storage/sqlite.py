"""The embedded store: one SQLite file in WAL mode, one lock holder, one Writer.

`synchronous=FULL`: with NORMAL a power cut forgets sends that left. All waiting requests share a commit.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import storage
from storage import (
    acts,
    campaign_states,
    campaigns,
    cancels,
    edits,
    endings,
    executions,
    gate,
    migrate,
    person_edit,
    promotion,
    queues,
    recipients,
    retries,
    undo,
    upkeep,
)
from storage.dispatch_nouns import Claim, ClaimRequest, Finish, Intent, IntentRequest
from storage.errors import StaleEpochError, StoreError
from storage.events import Event, add_event
from storage.files import backup, file_uri
from storage.lock import OwnerLock
from storage.model import CampaignState, PauseReason, QueueState
from storage.nouns import Campaign, Queue, RecipientRow, Step
from storage.place import Ballast, check_place, check_writable
from storage.reader import Reader
from storage.sqlite_alarms import SqliteAlarms
from storage.sqlite_approvals import SqliteApprovals
from storage.sqlite_people import SqlitePeople
from storage.sqlite_schedules import SqliteSchedules
from storage.sqlite_tasks import SqliteTasks
from storage.tx import Tx
from storage.writer import Writer, WriterConnection, describe

T = TypeVar("T")

FULL = "the disk is full: nothing new begins, what already left is still recorded"

BUSY_TIMEOUT_MS = 15_000
"""How long a commit waits while another program (a backup tool, a database browser) holds the file."""


class SqliteStore(SqliteAlarms, SqliteApprovals, SqlitePeople, SqliteSchedules, SqliteTasks):
    """`storage.store.Store` on SQLite. Open with `SqliteStore.open`; the caller owns the lock's life."""

    def __init__(
        self, path: Path, lock: OwnerLock, connection: WriterConnection, epoch: int, now: Callable[[], int]
    ) -> None:
        self.path = path
        self.ballast = Ballast(path)
        self.ballast.fill()
        self.writer = Writer(connection, epoch, on_full=self.ballast.spend)
        self._connection = connection
        self._epoch = epoch
        self._now = now
        self._lock = lock

    @classmethod
    async def open(
        cls, path: Path, *, role: str, now: Callable[[], int], socket_path: str = "", create: bool = False
    ) -> SqliteStore:
        """Take the lock, check and migrate the file, and begin a new epoch.

        `role`: engine, console or command. Raises LockHeldError naming the holder, StoreError for a store that
        is missing (unless `create`), damaged, emptied or newer: never makes an empty one in its place.
        """
        check_place(path, create=create)
        check_writable(path)
        lock = OwnerLock.acquire(path, role=role, socket_path=socket_path, now=now())
        try:
            connection, epoch = await cls._connect(path, role=role, now=now(), create=create)
        except BaseException:
            lock.release()
            raise
        store = cls(path, lock, connection, epoch, now)
        store.writer.start()
        return store

    @staticmethod
    async def _connect(path: Path, *, role: str, now: int, create: bool) -> tuple[WriterConnection, int]:
        if create:
            # 0600 from its first byte: created here, because SQLite would follow the umask.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        # WriterConnection is aiosqlite's own connection class with one more method; its `connect()` builds the base.
        connection = WriterConnection(lambda: _raw_connection(path), iter_chunk_size=64)
        await connection
        try:
            epoch = await connection.run(lambda raw: _prepare(raw, path, role=role, now=now, create=create))
        except sqlite3.Error as error:
            await connection.close()
            failure = describe(error)
            raise StoreError(f"{path}: {failure.message}", hint=failure.hint) from error
        except BaseException:
            await connection.close()
            raise
        return connection, epoch

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def idle(self) -> bool:
        return self.writer.idle

    @property
    def lock(self) -> OwnerLock:
        return self._lock

    async def close(self, *, note: str = "") -> None:
        """Finish what waits, mark this engine stopped, give the lock back."""
        try:
            await self.heartbeat("stopped", note)
        except (StoreError, StaleEpochError):
            pass
        finally:
            await self.writer.stop()
            await self._connection.close()
            self._lock.release()

    async def heartbeat(self, state: str, note: str = "") -> None:
        await self.writer.submit(lambda tx: queues.heartbeat(tx, self._epoch, self._now(), state, note))

    async def read(self, look: Callable[[Reader], T]) -> T:
        def run() -> T:
            with Reader(self.path) as reader:
                return look(reader)

        return await asyncio.to_thread(run)

    # dispatch

    @property
    def trouble(self) -> str:
        """Why nothing can be recorded or begun now ("" when all is well)."""
        if self.writer.failure is not None:
            return self.writer.failure.message
        return FULL if self.ballast.spent else ""

    async def claim(self, ask: Callable[[], ClaimRequest]) -> Claim:
        # A full disk stops new work first; the room that is left belongs to the results of what already left.
        if self.ballast.spent and not await asyncio.to_thread(self.ballast.fill):
            raise StoreError(FULL, hint="free space on the disk: sending goes on by itself")

        def late() -> Callable[[Tx], Claim]:
            request = ask()
            return lambda tx: gate.claim_and_begin(tx, request)

        return await self.writer.submit_late(late)

    def expect(self, n: int) -> None:
        self.writer.expect(n)

    def begin_attempt(self, request: IntentRequest) -> Awaitable[Intent]:
        return self.writer.submit_many(gate.begin_attempts, request)

    def finish_attempt(self, end: Finish) -> Awaitable[bool]:
        return self.writer.submit_many(endings.finish_attempts, end, keep=True)

    async def hand_back(self, jobs: Sequence[tuple[int, int]]) -> int:
        return await self.writer.submit(lambda tx: endings.hand_back(tx, tuple(jobs), self._now()))

    async def promote(self) -> tuple[int, int | None]:
        return await self.writer.submit(lambda tx: promotion.promote(tx, self._now()), hot=True)

    async def rescue(self, *, everything: bool, held: frozenset[int] = frozenset()) -> endings.Rescued:
        return await self.writer.submit(lambda tx: endings.rescue(tx, self._now(), everything=everything, held=held))

    # queues

    async def ensure_queue(self, name: str, channel: str) -> Queue:
        return await self.writer.submit(lambda tx: queues.ensure_queue(tx, name, channel, self._now()))

    async def get_queue(self, name: str) -> Queue | None:
        return await self.writer.submit(lambda tx: queues.get_queue(tx, name))

    async def set_queue_state(
        self,
        queue_id: int,
        state: QueueState,
        *,
        reason: str = "",
        until: int | None = None,
        cooling_step: int = 0,
        event: Event | None = None,
    ) -> bool:
        return await self.writer.submit(
            lambda tx: queues.set_queue_state(
                tx,
                queue_id,
                state,
                self._now(),
                reason=reason,
                until=until,
                cooling_step=cooling_step,
                event=event,
            )
        )

    async def set_limits(self, queue_id: int, limits: dict[str, Any]) -> None:
        await self.writer.submit(lambda tx: queues.set_limits(tx, queue_id, limits))

    async def set_tuning(self, queue_id: int, tuning: dict[str, Any], event: Event) -> Queue:
        return await self.writer.submit(lambda tx: queues.set_tuning(tx, queue_id, tuning, event, self._now()))

    async def active_campaigns(self, queue: str) -> list[str]:
        return await self.writer.submit(lambda tx: queues.active_campaigns(tx, queue))

    async def set_throttle(self, queue_id: int, throttle: int, event: Event) -> None:
        await self.writer.submit(lambda tx: queues.set_throttle(tx, queue_id, throttle, event, self._now()))

    async def set_engine_paused(self, paused: bool, event: Event) -> bool:
        return await self.writer.submit(lambda tx: queues.set_engine_paused(tx, paused, event, self._now()))

    # campaigns

    async def create_campaign(self, spec: campaigns.CampaignSpec, event: Event) -> Campaign:
        return await self.writer.submit(lambda tx: campaigns.create_campaign(tx, spec, event, self._now()))

    async def get_campaign(self, name: str | int) -> Campaign:
        return await self.writer.submit(lambda tx: campaigns.get_campaign(tx, name))

    async def get_steps(self, campaign_id: int) -> list[Step]:
        return await self.writer.submit(lambda tx: campaigns.get_steps(tx, campaign_id))

    async def pause_campaign(self, campaign_id: int, reason: PauseReason, detail: str, event: Event) -> Campaign:
        return await self.writer.submit(
            lambda tx: campaign_states.pause_campaign(tx, campaign_id, reason, detail, event, self._now())
        )

    async def activate_campaign(
        self,
        campaign_id: int,
        event: Event | None,
        *,
        execution: str = "",
        queued: int = 0,
        batch_id: int = 0,
        user: str = "",
    ) -> Campaign:
        def run(tx: Tx) -> Campaign:
            now = self._now()
            active = campaign_states.activate_campaign(
                tx, campaign_id, event, now, batch_id=batch_id, resume=execution == "resume"
            )
            if batch_id:
                recipients.finish_batch(tx, batch_id)
            if execution and active.state is CampaignState.ACTIVE:
                asked = user or (event.actor.user if event else "")
                executions.begin_execution(tx, campaign_id, execution, queued, asked, now)
            return active

        return await self.writer.submit(run)

    async def cancel_campaign(self, campaign_id: int, event: Event) -> Campaign:
        return await self.writer.submit(lambda tx: campaign_states.cancel_campaign(tx, campaign_id, event, self._now()))

    async def undo_cancel(self, campaign_id: int, event: Event, grace: int) -> Campaign:
        return await self.writer.submit(
            lambda tx: campaign_states.undo_cancel(tx, campaign_id, event, self._now(), grace)
        )

    async def set_live(self, campaign_id: int, live: bool, event: Event) -> Campaign:
        return await self.writer.submit(lambda tx: campaign_states.set_live(tx, campaign_id, live, event, self._now()))

    async def set_replanning(self, campaign_id: int, on: bool) -> None:
        await self.writer.submit(lambda tx: campaign_states.set_replanning(tx, campaign_id, on, self._now()))

    async def edit_campaign(self, campaign_id: int, edit: edits.Edit, event: Event) -> Campaign:
        return await self.writer.submit(lambda tx: edits.edit_campaign(tx, campaign_id, edit, event, self._now()))

    async def tune_campaign(self, campaign_id: int, tuning: edits.Tuning, event: Event) -> Campaign:
        return await self.writer.submit(lambda tx: edits.tune_campaign(tx, campaign_id, tuning, event, self._now()))

    async def set_pacing(self, campaign_id: int, pacing: dict[str, Any], concurrency: int, event: Event) -> Campaign:
        return await self.writer.submit(
            lambda tx: edits.set_pacing(tx, campaign_id, pacing, concurrency, event, self._now())
        )

    # imports and plans

    async def begin_import(self, campaign_id: int, source: str, sha256: str, actor: str) -> int:
        return await self.writer.submit(
            lambda tx: recipients.begin_import(tx, campaign_id, source, sha256, actor, self._now())
        )

    async def add_recipients(self, import_id: int, rows: Sequence[RecipientRow]) -> list[int]:
        return await self.writer.submit(lambda tx: recipients.add_recipients(tx, import_id, rows, self._now()))

    async def finish_import(self, import_id: int, sums: recipients.ImportSums, event: Event) -> None:
        await self.writer.submit(lambda tx: recipients.finish_import(tx, import_id, sums, event, self._now()))

    async def import_sources(self, campaign_id: int) -> list[str]:
        return await self.writer.submit(lambda tx: recipients.import_sources(tx, campaign_id))

    async def reopen_import(self, campaign_id: int, import_id: int, event: Event) -> int:
        return await self.writer.submit(lambda tx: edits.reopen_import(tx, campaign_id, import_id, event, self._now()))

    async def remove_import_slice(self, import_id: int) -> bool:
        return await self.writer.submit(lambda tx: recipients.remove_import_slice(tx, import_id))

    async def get_person(self, campaign_id: int, key: str) -> person_edit.Person:
        return await self.writer.submit(lambda tx: person_edit.get_person(tx, campaign_id, key))

    async def edit_person(
        self, before: person_edit.Person, after: person_edit.Person, event: Event
    ) -> person_edit.PersonChanged:
        return await self.writer.submit(lambda tx: person_edit.edit_person(tx, before, after, event, self._now()))

    async def unplanned(self, campaign_id: int, step_id: int, after: int) -> list[recipients.Unplanned]:
        return await self.writer.submit(lambda tx: recipients.unplanned(tx, campaign_id, step_id, after))

    async def begin_batch(self, campaign_id: int | None, kind: str, name: str, actor: str) -> int:
        return await self.writer.submit(
            lambda tx: recipients.begin_batch(tx, campaign_id, kind, name, actor, self._now())
        )

    async def add_jobs(
        self, batch_id: int, campaign: Campaign, step_id: int, jobs: Sequence[recipients.PlannedJob]
    ) -> None:
        await self.writer.submit(
            lambda tx: recipients.add_jobs(
                tx, batch_id, campaign.id, step_id, campaign.queue_id, campaign.priority, jobs, self._now()
            )
        )

    async def finish_batch(self, batch_id: int) -> None:
        await self.writer.submit(lambda tx: recipients.finish_batch(tx, batch_id))

    async def release_slice(self, batch_id: int, after: int) -> int | None:
        return await self.writer.submit(lambda tx: recipients.release_slice(tx, batch_id, after, self._now()))

    async def remove_batch_slice(self, batch_id: int) -> bool:
        return await self.writer.submit(lambda tx: recipients.remove_batch_slice(tx, batch_id))

    async def loading(self, campaign_id: int) -> tuple[list[int], list[int]]:
        return await self.writer.submit(lambda tx: recipients.loading(tx, campaign_id))

    async def unfinished(self) -> tuple[list[int], list[int], list[int], list[int]]:
        return await self.writer.submit(recipients.unfinished)

    async def waiting(
        self, campaign_id: int, after: tuple[int, int], *, fields: Sequence[str] = ()
    ) -> list[recipients.Waiting]:
        return await self.writer.submit(lambda tx: recipients.waiting(tx, campaign_id, after, fields=fields))

    async def move(self, rows: Sequence[tuple[int, int, int]]) -> None:
        await self.writer.submit(lambda tx: recipients.move(tx, rows, self._now()))

    # upkeep

    async def settle(self) -> upkeep.Settled:
        return await self.writer.submit(lambda tx: upkeep.settle(tx, self._now()))

    async def skip_cancelled(self, grace: int) -> tuple[int, int | None]:
        def run(tx: Tx) -> tuple[int, int | None]:
            now = self._now()
            skipped, next_campaign = upkeep.skip_cancelled(tx, now, grace)
            ended, next_act = cancels.end_graces(tx, now, grace)
            return skipped + ended, min((at for at in (next_campaign, next_act) if at is not None), default=None)

        return await self.writer.submit(run)

    async def runnable(self, queue_ids: Sequence[int], *, stuck: frozenset[int] = frozenset()) -> int:
        return await self.writer.submit(lambda tx: upkeep.runnable(tx, queue_ids, stuck, self._now()))

    async def job_campaigns(self, ids: Sequence[int]) -> dict[int, int | None]:
        return await self.writer.submit(lambda tx: acts.campaigns_of(tx, ids))

    async def homes_of(self, campaign_id: int, ids: Sequence[int], *, fields: Sequence[str] = ()) -> list[retries.Home]:
        return await self.writer.submit(lambda tx: retries.homes_of(tx, campaign_id, ids, fields))

    async def retry_jobs(self, slots: Sequence[tuple[acts.Seen, int, int]], tell: acts.Tell) -> acts.Acted:
        return await self.writer.submit(lambda tx: retries.retry(tx, slots, tell, self._now()))

    async def cancel_jobs(self, jobs: Sequence[acts.Seen], tell: acts.Tell) -> acts.Acted:
        return await self.writer.submit(lambda tx: cancels.cancel(tx, jobs, tell, self._now()))

    async def undo_act(self, event_id: int, tell: acts.Tell, grace: int) -> acts.Acted:
        return await self.writer.submit(lambda tx: undo.undo(tx, event_id, tell, self._now(), grace))

    async def resolve(self, job_id: int, *, sent: bool, event: Event) -> int | None:
        def run(tx: Tx) -> int | None:
            campaign_id = upkeep.resolve(tx, job_id, sent=sent, now=self._now())
            add_event(tx, campaigns.with_campaign(event, campaign_id), self._now())
            return campaign_id

        return await self.writer.submit(run)

    async def recount(self) -> list[tuple[int, int, int, str, str, int, int]]:
        return await self.writer.submit(upkeep.recount)

    async def add_event(self, event: Event) -> None:
        await self.writer.submit(lambda tx: add_event(tx, event, self._now()))


def _raw_connection(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file_uri(path, "rw"), uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000)
    connection.row_factory = sqlite3.Row
    return connection


def _prepare(raw: sqlite3.Connection, path: Path, *, role: str, now: int, create: bool) -> int:
    fresh = create and path.stat().st_size == 0
    if not fresh:
        migrate.check_identity(raw, path)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute("PRAGMA synchronous = FULL")
    raw.execute("PRAGMA foreign_keys = ON")
    raw.execute("PRAGMA journal_size_limit = 67108864")
    # Pages of the log before they are copied into the file: 16 MB. A page that changes often is then copied once for
    # many changes (measured: an eighth less for a large start than with SQLite's 1,000).
    raw.execute("PRAGMA wal_autocheckpoint = 4000")
    raw.execute("PRAGMA temp_store = MEMORY")
    raw.execute("PRAGMA cache_size = -65536")
    if not fresh and migrate.version_of(raw) < migrate.migrations()[-1].number:
        backup(raw, path.with_name(f"{path.name}.before-{migrate.migrations()[-1].number:04d}"))
    migrate.apply(raw, now)
    epoch = raw.execute(
        "INSERT INTO engines (role, host, pid, version, state, started_at, heartbeat_at) "
        "VALUES (?, ?, ?, ?, 'running', ?, ?)",
        (role, socket.gethostname(), os.getpid(), storage.__version__, now, now),
    ).lastrowid
    return int(epoch or 0)
