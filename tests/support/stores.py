"""A store with people and jobs in it, a clock that tests move, and a look inside.

Tests of the port ask `Desk` and nothing else, so that a later store runs them by one more entry in `OPENERS`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage.campaigns import CampaignSpec
from storage.dispatch_nouns import Claim, ClaimRequest, Finish, Intent, IntentRequest
from storage.events import Event
from storage.limits import Ceiling, GateLimits
from storage.model import MINUTE, SECOND, Actor, JobState, OutcomeClass, QueueState
from storage.nouns import Campaign, ClaimedJob, Queue, RecipientRow
from storage.reader import Reader
from storage.recipients import ImportSums, PlannedJob
from storage.sqlite import SqliteStore
from storage.store import Store

NOON = 1_700_000_000 * SECOND
LEASE = 20 * MINUTE
OPERATOR = Actor(user="ada", host="desk", via="cli")

Row = dict[str, Any]


class HandClock:
    """Wall time that moves only when a test moves it, both ways."""

    def __init__(self, start: int = NOON) -> None:
        self.time = start

    def __call__(self) -> int:
        return self.time

    def step(self, by: int) -> int:
        self.time += by
        return self.time


def said(kind: str = "test", **more: Any) -> Event:
    """An event by a person."""
    return Event(kind, f"ada did {kind}", actor=OPERATOR, **more)


async def open_sqlite(path: Path, now: Callable[[], int], *, create: bool = False) -> SqliteStore:
    return await SqliteStore.open(path, role="engine", now=now, create=create)


async def kill_sqlite(store: Store) -> None:
    """End a store as SIGKILL would: nothing more is written, the kernel frees the lock."""
    assert isinstance(store, SqliteStore)
    await store.writer.stop()
    await store._connection.close()
    store.lock.release()


@dataclass(frozen=True)
class Opener:
    """How one kind of store is opened, killed and looked into."""

    open: Callable[..., Awaitable[Store]]
    kill: Callable[[Store], Awaitable[None]]
    look: Callable[[Path], Reader]


OPENERS = {"sqlite": Opener(open_sqlite, kill_sqlite, Reader)}


@dataclass
class Batch:
    """A campaign with jobs: what `Desk.campaign` made."""

    campaign: Campaign
    step_id: int
    batch_id: int
    jobs: list[int] = field(default_factory=list)

    @property
    def id(self) -> int:
        return self.campaign.id


class Desk:
    """One open store, its clock, and short words for what tests do most."""

    def __init__(self, opener: Opener, path: Path, store: Store, clock: HandClock, queue: Queue) -> None:
        self.opener = opener
        self.path = path
        self.store = store
        self.clock = clock
        self.queue = queue
        self.look = opener.look(path)

    @classmethod
    async def open(cls, kind: str, path: Path) -> Desk:
        opener = OPENERS[kind]
        clock = HandClock()
        store = await opener.open(path, clock, create=True)
        return cls(opener, path, store, clock, await store.ensure_queue("mail", "smtp"))

    async def close(self) -> None:
        self.look.close()
        await self.store.close()

    async def kill(self) -> None:
        """SIGKILL, then a new engine opens the store: a new epoch, nothing rescued yet."""
        await self.opener.kill(self.store)
        self.store = await self.opener.open(self.path, self.clock)

    # campaigns

    async def draft(self, name: str = "spring", **more: Any) -> Campaign:
        spec = CampaignSpec(
            **{
                "name": name,
                "queue_id": self.queue.id,
                "pacing": {"mode": "blast"},
                "settings": {},
                "seed": 7,
                "concurrency": 50,
                "subject": "Hello",
                "text": "Hello {{ name }}",
            }
            | more
        )
        return await self.store.create_campaign(spec, said("campaign.created"))

    async def people(self, campaign_id: int, keys: Sequence[str]) -> int:
        """Import these addresses; returns the import's id."""
        import_id = await self.store.begin_import(campaign_id, "people.csv", "", "ada")
        rows = [RecipientRow(n, f"{key}@example.org", f"{key}@example.org", {"n": n}) for n, key in enumerate(keys, 1)]
        taken = len(await self.store.add_recipients(import_id, rows))
        sums = ImportSums(len(rows), len(rows) - taken, 0, taken, 0)
        await self.store.finish_import(import_id, sums, said("recipients.imported", campaign_id=campaign_id))
        return import_id

    async def load(
        self, campaign: Campaign, *, dues: Sequence[int] = (), gaps: Sequence[int] = (), held: str = ""
    ) -> Batch:
        """Plan everybody without a job, under a batch that is still loading. Without `dues` all are due now."""
        step_id = (await self.store.get_steps(campaign.id))[0].id
        batch_id = await self.store.begin_batch(campaign.id, "start", campaign.name, "ada")
        after = n = 0
        while people := await self.store.unplanned(campaign.id, step_id, after):
            jobs = []
            for person, *_ in people:
                due = dues[n] if dues else self.clock()
                gap = gaps[n] if gaps else 0
                detail = f"missing field: {held}" if held else ""
                jobs.append(PlannedJob(person, due, gap, f"<{campaign.id}.{person}@example.org>", held, detail))
                n += 1
            await self.store.add_jobs(batch_id, campaign, step_id, jobs)
            after = people[-1][0]
        made = [row["id"] for row in self.look.jobs(batch_id=batch_id, limit=5_000)]
        return Batch(campaign, step_id, batch_id, made)

    async def begin_campaign(self, batch: Batch) -> Batch:
        """The last steps of a start: batch ready, campaign active, jobs released."""
        await self.store.finish_batch(batch.batch_id)
        batch.campaign = await self.store.activate_campaign(
            batch.id, said("campaign.started"), execution="start", queued=len(batch.jobs)
        )
        after: int | None = 0
        while after is not None:
            after = await self.store.release_slice(batch.batch_id, after)
        return batch

    async def campaign(
        self,
        people: int = 3,
        *,
        name: str = "spring",
        dues: Sequence[int] = (),
        gaps: Sequence[int] = (),
        held: str = "",
        **more: Any,
    ) -> Batch:
        """A started campaign whose jobs can be claimed when due."""
        draft = await self.draft(name, **more)
        await self.people(draft.id, [f"{name}-{n}" for n in range(people)])
        return await self.begin_campaign(await self.load(draft, dues=dues, gaps=gaps, held=held))

    async def settled_campaign(self, state: JobState = JobState.FAILED, people: int = 1, **more: Any) -> Batch:
        """A started campaign whose jobs all ended in `state`."""
        batch = await self.campaign(people, **more)
        for job in (await self.claim()).jobs:
            await self.send(job, state)
        return batch

    # dispatch

    async def claim(self, room: int = 100, *, queue_id: int = 0, **more: Any) -> Claim:
        now = self.clock()
        wanted = ClaimRequest(queue_id or self.queue.id, room, now, now + LEASE, **limited(more))
        return await self.store.claim(lambda: wanted)

    async def claim_one(self, **more: Any) -> ClaimedJob:
        (job,) = (await self.claim(1, **more)).jobs
        return job

    def ask(self, job: ClaimedJob, **more: Any) -> Awaitable[Intent]:
        """Ask the gate."""
        request = IntentRequest(job.id, job.lease, self.store.epoch, self.clock(), **limited(more))
        return self.store.begin_attempt(request)

    async def intent(self, job: ClaimedJob, **more: Any) -> int:
        """An intent that must be granted: its attempt's id."""
        intent = await self.ask(job, **more)
        assert intent.attempt_id is not None, intent.refused
        return intent.attempt_id

    def end(self, job: ClaimedJob, attempt_id: int | None, state: JobState, **more: Any) -> Awaitable[bool]:
        return self.end_on(self.store, job, attempt_id, state, **more)

    def end_on(
        self, store: Store, job: ClaimedJob, attempt_id: int | None, state: JobState, **more: Any
    ) -> Awaitable[bool]:
        """Report an end to a store that may not be the present one."""
        return store.finish_attempt(ending(job, attempt_id, state, self.clock(), **more))

    async def send(self, job: ClaimedJob, state: JobState = JobState.COMPLETED, **more: Any) -> int:
        """Intent and outcome; returns the attempt's id."""
        attempt_id = await self.intent(job)
        assert await self.end(job, attempt_id, state, **more)
        return attempt_id

    # a look inside

    def job(self, job_id: int) -> Row:
        return self.look.job(job_id)

    def state(self, job_id: int) -> str:
        return str(self.job(job_id)["state"])

    def attempts(self, job_id: int) -> list[Row]:
        return list(self.job(job_id)["attempts_log"])

    def counts(self, scope: str = "all", scope_id: int = 0) -> dict[str, int]:
        """Jobs by state, states without jobs left out."""
        return {state: n for state, n in self.look.counts(scope, scope_id).items() if n and state != "retry"}

    def campaign_row(self, name: str = "spring") -> Row:
        return self.look.campaign(name)

    def queue_row(self) -> Row:
        return next(row for row in self.look.queues() if row["id"] == self.queue.id)

    def addresses(self, jobs: Sequence[ClaimedJob]) -> list[str]:
        return [job.address.partition("@")[0] for job in jobs]

    async def set_queue(self, state: QueueState, **more: Any) -> bool:
        return await self.store.set_queue_state(self.queue.id, state, event=said("queue"), **more)


OUTCOMES = {
    JobState.COMPLETED: OutcomeClass.ACCEPTED,
    JobState.PENDING: OutcomeClass.TRANSIENT,
    JobState.FAILED: OutcomeClass.PERMANENT,
    JobState.HELD: OutcomeClass.CONFIGURATION,
    JobState.UNCERTAIN: OutcomeClass.UNCERTAIN,
}


def limited(more: dict[str, Any]) -> dict[str, Any]:
    """A request's fields: what limits the queue becomes its `limits`; caps may be (n, period) pairs."""
    named = {name: more.pop(name) for name in ("min_gap", "domain_gap", "caps", "warmup") if name in more}
    if "caps" in named:
        named["caps"] = tuple(Ceiling(*cap) for cap in named["caps"])
    return {**more, "limits": GateLimits(**named)} if named else more


def ending(job: ClaimedJob, attempt_id: int | None, state: JobState, now: int, **more: Any) -> Finish:
    """What became of a claim, with a believable reply for its state."""
    outcome = OUTCOMES.get(state) if attempt_id is not None else None
    accepted = state is JobState.COMPLETED
    values: dict[str, Any] = {
        "job_id": job.id,
        "lease": job.lease,
        "attempt_id": attempt_id,
        "now": now,
        "state": state,
        "intent_at": now if attempt_id is not None else None,
        "outcome": outcome,
        "phase": "content" if accepted or state is JobState.UNCERTAIN else "rcpt",
        "code": 250 if accepted else 550,
        "reply": "250 ok" if accepted else f"550 {state.value}",
        "error_key": "" if accepted else f"why {state.value}",
        "content_sent": accepted or state is JobState.UNCERTAIN,
        "reason": "configuration" if state is JobState.HELD else "cancelled" if state is JobState.SKIPPED else "",
        "duration": 5_000,
    }
    return Finish(**(values | more))
