"""Random lives of a store: people and engines come and go, clocks jump, late answers arrive.

After every step the books are right, nobody is lost, nothing is sent twice, and no gate was passed while closed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.planning.limits import Limits
from engine.replanning import replan
from storage.acts import Seen
from storage.fixed_set import of_campaign
from storage.model import HOUR, MINUTE, SECOND, CampaignState, JobState, OutcomeClass, PauseReason, QueueState
from storage.nouns import Campaign, ClaimedJob
from tests.support.stores import Desk, Row, said

T = TypeVar("T")
CI = os.environ.get("HYPOTHESIS_PROFILE", "ci") == "ci"
GRACE = 10 * SECOND
GAP = 30 * SECOND
CAPS = ((4, MINUTE), (12, HOUR))
NAMES = ("blast", "human")
SENT = ("completed", "bounced")
FATES = {
    OutcomeClass.ACCEPTED: JobState.COMPLETED,
    OutcomeClass.TRANSIENT: JobState.PENDING,
    OutcomeClass.ACCOUNT: JobState.PENDING,
    OutcomeClass.ROUTE: JobState.PENDING,
    OutcomeClass.PERMANENT: JobState.FAILED,
    OutcomeClass.CONTENT: JobState.FAILED,
    OutcomeClass.CONFIGURATION: JobState.HELD,
    OutcomeClass.UNCERTAIN: JobState.UNCERTAIN,
    OutcomeClass.NEEDLESS: JobState.SKIPPED,
}

names = st.sampled_from(NAMES)
picks = st.integers(0, 20)


@dataclass
class Flight:
    """A claim as its runner's task holds it."""

    job: ClaimedJob
    attempt_id: int | None = None


class StoreMachine(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="paceline-machine-"))
        self.desk: Desk = self.run(Desk.open("sqlite", self.folder / "paceline.db"))
        self.people = 0
        self.seen: tuple[int, list[Row]] | None = None
        self.flying: list[Flight] = []
        self.lost: list[Flight] = []
        self.known: set[int] = set()
        self.uncertain: set[int] = set()
        self.resolved: set[int] = set()
        self.steps_back = 0
        self.grants: dict[int, tuple[int, int]] = {}
        self.human_starts: list[tuple[int, int]] = []
        human = {"mode": "human", "gap_min": GAP, "gap_max": 2 * GAP}
        self.run(self.desk.draft("blast", concurrency=4))
        self.run(self.desk.draft("human", pacing=human, priority=6))
        for name in NAMES:
            self.add_people(name, 4)
            self.start(name)

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.run(self.desk.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def campaign(self, name: str) -> Campaign:
        return self.run(self.desk.store.get_campaign(name))

    # what people do

    @rule(name=names, n=st.integers(1, 4))
    def add_people(self, name: str, n: int) -> None:
        campaign = self.campaign(name)
        if campaign.state is CampaignState.CANCELLED:
            return
        keys = [f"p{self.people + i}" for i in range(n)]
        self.people += n
        self.run(self.desk.people(campaign.id, keys))
        if campaign.state is not CampaignState.DRAFT:
            self.run(self._plan(campaign))

    @rule(name=names)
    def start(self, name: str) -> None:
        campaign = self.campaign(name)
        if campaign.state in (CampaignState.DRAFT, CampaignState.ACTIVE, CampaignState.COMPLETED):
            self.run(self._plan(campaign))

    async def _plan(self, campaign: Campaign) -> None:
        """As control does it: a batch, the state, the release."""
        store = self.desk.store
        step = (await store.get_steps(campaign.id))[0]
        n = len(await store.unplanned(campaign.id, step.id, 0))
        if not n:
            return
        now = self.desk.clock()
        human = campaign.name == "human"
        dues = [now + i * GAP if human else now + i % 3 * SECOND for i in range(n)]
        batch = await self.desk.load(campaign, dues=dues, gaps=[GAP if human else 0] * n)
        await store.finish_batch(batch.batch_id)
        if campaign.state is not CampaignState.PAUSED:
            await store.activate_campaign(campaign.id, said(), execution="start", queued=n)
        after: int | None = 0
        while after is not None:
            after = await store.release_slice(batch.batch_id, after)
        self.known |= set(batch.jobs)

    @rule(name=names, chance=st.integers(0, 2))
    def pause(self, name: str, chance: int) -> None:
        campaign = self.campaign(name)
        if campaign.state is CampaignState.ACTIVE and not chance:
            self.run(self.desk.store.pause_campaign(campaign.id, PauseReason.OPERATOR, "", said()))

    @rule(name=names)
    def resume(self, name: str) -> None:
        campaign = self.campaign(name)
        if campaign.state is CampaignState.PAUSED:
            self.run(replan(self.desk.store, campaign, {campaign.queue_id: Limits()}, now=self.desk.clock()))
            self.run(self.desk.store.activate_campaign(campaign.id, said(), execution="resume"))

    @rule(name=names, chance=st.integers(0, 3))
    def cancel(self, name: str, chance: int) -> None:
        """Seldom: nothing more happens in a cancelled campaign."""
        campaign = self.campaign(name)
        if campaign.state in (CampaignState.ACTIVE, CampaignState.PAUSED) and not chance:
            self.run(self.desk.store.cancel_campaign(campaign.id, said()))

    @rule(name=names)
    def undo_cancel(self, name: str) -> None:
        campaign = self.campaign(name)
        row = self.desk.campaign_row(name)
        within = self.desk.clock() - (row["cancelled_at"] or 0) < GRACE
        if campaign.state is CampaignState.CANCELLED and within and row["before_cancel"] not in ("", "over"):
            self.run(self.desk.store.undo_cancel(campaign.id, said(), GRACE))

    @rule(chance=st.integers(0, 3))
    def pause_everything(self, chance: int) -> None:
        self.run(self.desk.store.set_engine_paused(not chance, said()))

    @rule(state=st.sampled_from([*[QueueState.READY] * 12, *QueueState]))
    def set_queue(self, state: QueueState) -> None:
        until = self.desk.clock() + MINUTE if state is QueueState.COOLING else None
        self.run(self.desk.set_queue(state, until=until))

    @rule(name=names)
    def retry(self, name: str) -> None:
        campaign = self.campaign(name)
        if campaign.state is CampaignState.CANCELLED:
            return
        store = self.desk.store
        fixed = of_campaign(self.desk.look, campaign.id, ()).jobs
        if n := len(fixed):
            now = self.desk.clock()
            slots = [(Seen(*job), now + i * SECOND, 0) for i, job in enumerate(fixed.part(0, n))]
            acted = self.run(store.retry_jobs(slots, lambda n: said(n=n)))
            assert (acted.n, acted.left) == (n, ())
            if campaign.state is not CampaignState.PAUSED:
                self.run(store.activate_campaign(campaign.id, None, execution="retry", queued=n, user="ada"))

    @precondition(lambda self: self.uncertain)
    @rule(pick=picks, sent=st.booleans())
    def resolve(self, pick: int, sent: bool) -> None:
        job_id = sorted(self.uncertain)[pick % len(self.uncertain)]
        campaign = self.campaign(self.desk.job(job_id)["campaign"])
        if campaign.state is CampaignState.CANCELLED and not sent:
            return
        self.run(self.desk.store.resolve(job_id, sent=sent, event=said()))
        self.resolved.add(job_id)
        if not sent and campaign.state is CampaignState.COMPLETED:
            self.run(self.desk.store.activate_campaign(campaign.id, None, execution="retry"))

    # what the engine does

    @rule(room=st.integers(1, 6))
    def claim(self, room: int) -> None:
        busy = Counter(flight.job.campaign_id for flight in self.flying)
        starting = frozenset(f.job.campaign_id for f in self.flying if f.attempt_id is None)
        claim = self.run(self.desk.claim(room, busy=dict(busy), starting=starting))
        assert len(claim.jobs) <= room
        for job in claim.jobs:
            assert job.id not in {flight.job.id for flight in self.flying}
            self.flying.append(Flight(job))
        assert sum(f.job.campaign_id == 1 for f in self.flying) <= 4

    @precondition(lambda self: any(f.attempt_id is None for f in self.flying))
    @rule(pick=picks, all_at_once=st.booleans())
    def ask_the_gate(self, pick: int, all_at_once: bool) -> None:
        waiting = [f for f in self.flying if f.attempt_id is None]
        asking = waiting if all_at_once else [waiting[pick % len(waiting)]]
        now = self.desk.clock()
        open_for = {f.job.id: self._may_begin(f.job) for f in asking}

        async def ask() -> list[Any]:
            return list(await asyncio.gather(*(self.desk.ask(f.job, caps=CAPS) for f in asking)))

        for flight, intent in zip(asking, self.run(ask()), strict=True):
            if intent.attempt_id is None:
                assert intent.refused
                self.flying.remove(flight)
                self.lost.append(flight)
                continue
            assert open_for[flight.job.id], "a closed gate was passed"
            flight.attempt_id = intent.attempt_id
            self.grants[intent.attempt_id] = (self.steps_back, now)
            row = self.desk.job(flight.job.id)
            if row["campaign"] == "human" and row["gap"]:
                self.human_starts.append((self.steps_back, now))

    def _may_begin(self, job: ClaimedJob) -> bool:
        campaign = next(row for row in self.desk.look.campaigns() if row["id"] == job.campaign_id)
        ready = self.desk.queue_row()["state"] in ("ready", "probing")
        return campaign["state"] == "active" and ready and not self.desk.look.engine()["paused"]

    @precondition(lambda self: any(f.attempt_id is not None for f in self.flying))
    @rule(pick=picks, outcome=st.sampled_from([*[OutcomeClass.ACCEPTED] * 4, *OutcomeClass]), wait=st.integers(0, 90))
    def answer(self, pick: int, outcome: OutcomeClass, wait: int) -> None:
        begun = [f for f in self.flying if f.attempt_id is not None]
        flight = begun[pick % len(begun)]
        self.flying.remove(flight)
        assert self.run(self._end(flight, outcome, wait))
        self.lost.append(flight)

    async def _end(self, flight: Flight, outcome: OutcomeClass, wait: int) -> bool:
        state = FATES[outcome]
        due = self.desk.clock() + wait * SECOND if state is JobState.PENDING else None
        return await self.desk.end(flight.job, flight.attempt_id, state, outcome=outcome, due_at=due)

    @rule(room=st.integers(1, 6), outcome=st.sampled_from(OutcomeClass), seconds=st.integers(0, 70))
    def work(self, room: int, outcome: OutcomeClass, seconds: int) -> None:
        """A runner's round: what is due is claimed, passes the gate, and one message has its answer."""
        self.time_passes(seconds)
        self.tick()
        self.claim(room)
        if any(f.attempt_id is None for f in self.flying):
            self.ask_the_gate(0, True)
        if any(f.attempt_id is not None for f in self.flying):
            self.answer(room, outcome, seconds)

    @rule(room=st.integers(2, 6), seconds=st.integers(30, 70))
    def work_well(self, room: int, seconds: int) -> None:
        for _ in range(2):
            self.work(room, OutcomeClass.ACCEPTED, seconds)

    @precondition(lambda self: self.flying)
    @rule(pick=picks)
    def hand_back(self, pick: int) -> None:
        flight = self.flying[pick % len(self.flying)]
        back = self.run(self.desk.store.hand_back([(flight.job.id, flight.job.lease)]))
        assert back == (flight.attempt_id is None)
        if back:
            self.flying.remove(flight)
            self.lost.append(flight)

    @precondition(lambda self: any(f.attempt_id is None for f in self.flying))
    @rule(pick=picks)
    def hold(self, pick: int) -> None:
        waiting = [f for f in self.flying if f.attempt_id is None]
        flight = waiting[pick % len(waiting)]
        assert self.run(self._hold(flight))
        self.flying.remove(flight)
        self.lost.append(flight)

    async def _hold(self, flight: Flight) -> bool:
        return await self.desk.end(flight.job, None, JobState.HELD, reason="field", error_key="held: x")

    @rule()
    def tick(self) -> None:
        """One look of the scheduler."""
        store = self.desk.store
        self.run(store.promote())
        while self.run(store.skip_cancelled(GRACE))[0]:
            pass
        self.run(store.settle())

    @rule()
    def rescue_expired(self) -> None:
        """Only leases that ran out: their tasks still fly, and will find them lost."""
        self.run(self.desk.store.rescue(everything=False))
        now_flying = {(row["id"], row["lease"]) for row in self._jobs() if row["state"] == "processing"}
        for flight in [f for f in self.flying if (f.job.id, f.job.lease) not in now_flying]:
            self.flying.remove(flight)
            self.lost.append(flight)

    # what goes wrong

    @precondition(lambda self: self.lost)
    @rule(pick=picks, outcome=st.sampled_from(OutcomeClass))
    def late_answer(self, pick: int, outcome: OutcomeClass) -> None:
        flight = self.lost[pick % len(self.lost)]
        before = self._jobs()
        assert not self.run(self._end(flight, outcome, 0))
        assert self._jobs() == before

    @precondition(lambda self: self.lost)
    @rule(pick=picks)
    def late_intent(self, pick: int) -> None:
        flight = self.lost[pick % len(self.lost)]
        assert self.run(self._ask(flight)) == "lease"

    async def _ask(self, flight: Flight) -> str:
        return (await self.desk.ask(flight.job)).refused

    @rule(name=names, half_loaded=st.booleans())
    def kill(self, name: str, half_loaded: bool) -> None:
        """SIGKILL and a restart, sometimes while an import and a plan were loading."""
        store = self.desk.store
        campaign = self.campaign(name)
        if half_loaded and campaign.state is not CampaignState.CANCELLED:
            self.people += 1
            self.run(self.desk.people(campaign.id, [f"p{self.people}-late"]))
            self.run(self.desk.load(campaign))
            self.run(store.begin_import(campaign.id, "half.csv", "", "ada"))
        with_intent = {f.job.id for f in self.flying if f.attempt_id is not None}
        self.run(self.desk.kill())
        rescued = self.run(self._recover())
        assert rescued == (len(self.flying) - len(with_intent), len(with_intent))
        for job_id in with_intent:
            assert self.desk.state(job_id) == "uncertain"
        self.lost += self.flying
        self.flying = []

    async def _recover(self) -> tuple[int, int]:
        """As the engine does it at its start."""
        store = self.desk.store
        rescued = await store.rescue(everything=True)
        imports, loading, unreleased, replanning = await store.unfinished()
        assert unreleased == replanning == []
        for import_id in imports:
            while await store.remove_import_slice(import_id):
                pass
        for batch_id in loading:
            while await store.remove_batch_slice(batch_id):
                pass
        return rescued.requeued, rescued.uncertain

    @rule(ask=st.booleans())
    def kill_in_flight(self, ask: bool) -> None:
        self.claim(2)
        if ask and any(f.attempt_id is None for f in self.flying):
            self.ask_the_gate(0, False)
        self.kill("blast", False)

    @rule(name=names, what=st.sampled_from(["campaign", "queue", "engine"]))
    def a_person_is_quicker(self, name: str, what: str) -> None:
        """Something is paused between a claim and its intent."""
        self.claim(3)
        if what == "campaign":
            self.pause(name, 0)
        elif what == "queue":
            self.set_queue(QueueState.PAUSED)
        else:
            self.pause_everything(0)
        if any(f.attempt_id is None for f in self.flying):
            self.ask_the_gate(0, True)
        self.resume(name)
        self.set_queue(QueueState.READY)
        self.pause_everything(1)

    @rule(seconds=st.sampled_from([0, 1, 30, 61, 600, 3_700]))
    def time_passes(self, seconds: int) -> None:
        self.desk.clock.step(seconds * SECOND)

    @rule(seconds=st.sampled_from([-4_000, -90, -1, 7_200]))
    def clock_jumps(self, seconds: int) -> None:
        self.desk.clock.step(seconds * SECOND)
        self.steps_back += seconds < 0

    # what always holds

    def _jobs(self) -> list[Row]:
        """Read again only after a commit: eight invariants look at each step."""
        version = self.desk.look.data_version()
        if self.seen is None or self.seen[0] != version:
            self.seen = (version, self.desk.look.jobs(limit=5_000))
        return self.seen[1]

    @invariant()
    def counters_equal_a_recount(self) -> None:
        assert self.run(self.desk.store.recount()) == []

    @invariant()
    def nobody_is_lost_and_nobody_has_two_jobs(self) -> None:
        jobs = self._jobs()
        assert self.known <= {row["id"] for row in jobs}
        assert len({row["recipient_id"] for row in jobs}) == len(jobs)

    @invariant()
    def nothing_is_accepted_twice_and_what_was_accepted_stays_sent(self) -> None:
        accepted = Counter(
            row["job_id"] for row in self.desk.look.rows("SELECT job_id FROM attempts WHERE outcome = 'accepted'")
        )
        assert set(accepted.values()) <= {1}
        assert all(row["state"] in SENT for row in self._jobs() if row["id"] in accepted)

    @invariant()
    def uncertain_never_leaves_by_itself(self) -> None:
        now = {row["id"] for row in self._jobs() if row["state"] == "uncertain"}
        assert self.uncertain - now <= self.resolved
        self.uncertain = now
        self.resolved = set()

    @invariant()
    def what_is_processing_is_in_flight(self) -> None:
        processing = {(row["id"], row["lease"]) for row in self._jobs() if row["state"] == "processing"}
        assert processing == {(f.job.id, f.job.lease) for f in self.flying}

    @invariant()
    def no_rolling_window_holds_more_than_its_cap(self) -> None:
        """By this test's own list: the store may move times of the future to now when the clock stepped back."""
        counted = {row["id"] for row in self.desk.look.rows("SELECT id FROM attempts WHERE counted_at IS NOT NULL")}
        eras = {era for era, _ in self.grants.values()}
        for era in eras:
            times = sorted(at for attempt, (of, at) in self.grants.items() if of == era and attempt in counted)
            for n, period in CAPS:
                assert all(later - earlier >= period for earlier, later in zip(times, times[n:], strict=False))

    @invariant()
    def gaps_are_kept_while_the_clock_goes_forward(self) -> None:
        for (back, earlier), (still, later) in pairwise(self.human_starts):
            assert back != still or later - earlier >= GAP

    @invariant()
    def a_completed_campaign_has_nothing_open(self) -> None:
        for row in self.desk.look.campaigns():
            still_open = sum(row["counts"][state] for state in ("held", "pending", "processing"))
            assert row["state"] != "completed" or not still_open


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(
    max_examples=30 if CI else 300,
    stateful_step_count=40 if CI else 100,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
