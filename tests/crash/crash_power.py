"""Power loss: what of the store's files is left when the machine stops between any two writes.

With `synchronous=FULL` everything up to an acknowledged commit is on the disk when its caller hears of it. So every
state of the disk after that moment holds the log at least up to there, cut anywhere later, in the middle of a frame
too; and while a checkpoint runs, any mixture of old and new pages of the database beside a whole log.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from storage.cap_room import CapRoom
from storage.dispatch_nouns import ClaimRequest, Finish, IntentRequest
from storage.model import MINUTE, JobState, OutcomeClass
from storage.nouns import ClaimedJob
from storage.sqlite import SqliteStore
from storage.tx import Tx
from storage.upkeep import recount
from tests.crash.crash_world import World, now_us

WAL_HEADER = 32
FRAME_HEADER = 24

Facts = dict[int, tuple[str, bool]]
"""Job -> the last state that a caller was told of, and whether it was told of an intent."""


@dataclass(frozen=True)
class Moment:
    """The files and what was acknowledged when one commit had just been acknowledged."""

    database: bytes
    wal: bytes
    told: Facts


class _Files:
    """Reads the store's files through descriptors that stay open: closing one would drop SQLite's own locks."""

    def __init__(self, database: Path) -> None:
        self._fds = [os.open(path, os.O_RDONLY) for path in (database, Path(f"{database}-wal"))]

    def read(self) -> tuple[bytes, bytes]:
        database, wal = (os.pread(fd, os.fstat(fd).st_size, 0) for fd in self._fds)
        return database, wal

    def close(self) -> None:
        for fd in self._fds:
            os.close(fd)


async def live(world: World, *, checkpoint_pages: int) -> list[Moment]:
    """Send everybody of this world, without a wire, in groups of changing size; a moment after each commit."""
    store = await SqliteStore.open(world.database, role="engine", now=now_us)
    raw = store.writer._connection
    await raw.execute(f"PRAGMA wal_autocheckpoint = {checkpoint_pages}")
    assert (await (await raw.execute("PRAGMA synchronous")).fetchone())[0] == 2, "the Writer must run with FULL"
    files = _Files(world.database)
    moments: list[Moment] = []
    told: Facts = {}

    def note(jobs: list[ClaimedJob], state: str, intent: bool) -> None:
        told.update({job.id: (state, intent) for job in jobs})
        moments.append(Moment(*files.read(), dict(told)))

    size = 0
    while True:
        size = size % 7 + 1
        now = now_us()
        claim = await store.claim(lambda size=size, now=now: ClaimRequest(1, size, now, now + MINUTE))
        jobs = list(claim.jobs)
        if not jobs:
            break
        note(jobs, "processing", intent=False)
        asked = [store.begin_attempt(IntentRequest(job.id, job.lease, store.epoch, now)) for job in jobs]
        intents = await asyncio.gather(*asked)
        note(jobs, "processing", intent=True)
        for part in (slice(None, None, 2), slice(1, None, 2)):
            done = list(zip(jobs[part], intents[part], strict=True))
            ends = [_end(job, intent.attempt_id, now) for job, intent in done]
            assert all(await asyncio.gather(*(store.finish_attempt(end) for end in ends)))
            if done:
                note([job for job, _ in done], "completed", intent=True)
    files.close()
    await store.close()
    return moments


def _end(job: ClaimedJob, attempt_id: int | None, now: int) -> Finish:
    return Finish(
        job.id, job.lease, attempt_id, now, JobState.COMPLETED,
        intent_at=now, outcome=OutcomeClass.ACCEPTED, phase="content", code=250, content_sent=True,
    )  # fmt: skip


def cuts(wal: bytes, start: int, rng: random.Random) -> Iterator[int]:
    """Every frame boundary from `start` on, and one place inside each frame."""
    page = struct.unpack(">I", wal[8:12])[0]
    frame = page + FRAME_HEADER
    for at in range(WAL_HEADER + (start - WAL_HEADER) // frame * frame, len(wal) + 1, frame):
        if at >= start:
            yield at
        inside = at + rng.randrange(1, frame)
        if start <= inside < len(wal):
            yield inside


def mixed(before: bytes, after: bytes, rng: random.Random) -> bytes:
    """A database in the middle of a checkpoint: each page old or new."""
    page = struct.unpack(">H", after[16:18])[0]
    page = 65_536 if page == 1 else page
    pages = []
    for at in range(0, len(after), page):
        old = before[at : at + page]
        pages.append(old if len(old) == page and rng.random() < 0.5 else after[at : at + page])
    return b"".join(pages)


def problems_of(folder: Path, database: bytes, wal: bytes, told: Facts) -> list[str]:
    """Open what the power cut left, as the next start would; what of the acknowledged facts is missing."""
    path = folder / "cut.db"
    for ending in ("-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)
    path.write_bytes(database)
    Path(f"{path}-wal").write_bytes(wal)
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        states = dict(connection.execute("SELECT id, state FROM jobs").fetchall())
        intents = {row[0] for row in connection.execute("SELECT job_id FROM attempts")}
        ended = {row[0] for row in connection.execute("SELECT job_id FROM attempts WHERE outcome = 'accepted'")}
        found = [f"counter {key} is off: {rest}" for *key, rest in recount(Tx(connection, set(), CapRoom()))]
    for job, (state, intent) in told.items():
        if state == "completed" and (states[job] != "completed" or job not in ended):
            found.append(f"job {job}: its outcome was acknowledged, and the store says {states[job]}")
        elif states[job] not in ("processing", "completed"):
            found.append(f"job {job}: its claim was acknowledged, and the store says {states[job]}")
        if intent and job not in intents:
            found.append(f"job {job}: its intent was acknowledged and is gone: it would be sent again")
    return found


def power_cuts(world: World, folder: Path, seed: int = 1) -> tuple[int, list[str]]:
    """One long log, cut at every place after each acknowledged commit; returns how many cuts and the problems."""
    rng = random.Random(seed)
    moments = asyncio.run(live(world, checkpoint_pages=0))
    last = moments[-1]
    assert all(last.wal.startswith(moment.wal) for moment in moments), "a log that only grows"
    tried, found = 0, []
    # The state at one cut must hold all that was acknowledged before it, so each cut is judged once, by the latest.
    for moment, following in zip(moments, [*moments[1:], last], strict=True):
        for at in cuts(last.wal[: len(following.wal)], len(moment.wal), rng):
            tried += 1
            found += problems_of(folder, moment.database, last.wal[:at], moment.told)
    return tried, found


def checkpoint_cuts(world: World, folder: Path, seed: int = 1) -> tuple[int, list[str]]:
    """A log that is checkpointed and begun anew all the time: cuts in it, and pages written or not."""
    rng = random.Random(seed)
    moments = asyncio.run(live(world, checkpoint_pages=16))
    tried, found = 0, []
    for moment, following in pairwise(moments):
        tried += 1
        found += problems_of(folder, moment.database, moment.wal, moment.told)
        if moment.wal[:WAL_HEADER] == following.wal[:WAL_HEADER]:
            # The same log goes on: a checkpoint may have copied any of its pages.
            tried += 1
            found += problems_of(folder, mixed(moment.database, following.database, rng), following.wal, following.told)
    assert len({moment.wal[16:24] for moment in moments}) > 3, "the log was begun anew"
    return tried, found
