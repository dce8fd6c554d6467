"""Where an explanation meets the store: reads the facts of one question and answers it."""

from __future__ import annotations

import dataclasses

from engine.explain import answer, work
from engine.explain.facts import EngineFacts, Facts, JobFacts, QueueFacts, Row
from engine.explain.model import Explanation
from engine.explain.work_gates import WorkFacts
from engine.job_settings import JobsTable
from engine.planning.limits import Limits
from storage import overlaps, pace_facts, suppression_pages, work_facts
from storage.limits import throttled, warmed
from storage.model import SEND, JobState
from storage.overlaps import Overlap
from storage.queue_facts import cap_uses
from storage.reader import Reader
from storage.work_terms import CHANNEL, STAGED


class Asking:
    """Answers for one store at one moment (`now`, us UTC); what several questions share is read once. Every method
    raises StoreError, and NotFoundError for what there is not."""

    def __init__(self, reader: Reader, now: int, engine: EngineFacts) -> None:
        self._reader = reader
        self._now = now
        self._engine = engine
        self._queues: dict[str, QueueFacts] = {}
        self._campaigns: dict[int, Row] = {}

    def job(self, job_id: int) -> Explanation:
        """Why this job does not run, and when it will."""
        row = pace_facts.job(self._reader, job_id)
        if row["kind"] != SEND:
            return work.of_work(self._work_facts(job_id), self._now)
        if (campaign := self._campaigns.get(row["campaign_id"])) is None:
            campaign = self._campaigns[row["campaign_id"]] = pace_facts.campaign(self._reader, id=row["campaign_id"])
        return answer.of_job(self._facts(campaign, row, in_line=True), self._now)

    def campaign(self, name: str) -> Explanation:
        """Why this campaign does not send, and when it will."""
        row = pace_facts.campaign(self._reader, name=name)
        return answer.of_campaign(self._facts(row, pace_facts.next_job(self._reader, row)), self._now)

    def campaigns(self) -> dict[str, Explanation]:
        """Every campaign by its name. Of those that do not run only their state is looked at: it says why."""
        found = {}
        for row in pace_facts.campaigns(self._reader):
            job = pace_facts.next_job(self._reader, row) if row["state"] == "active" else None
            found[row["name"]] = answer.of_campaign(self._facts(row, job), self._now)
        return found

    def queue(self, name: str) -> Explanation:
        """What holds this queue as a whole."""
        facts = self._queue(name)
        if facts.row["channel"] == CHANNEL:
            return work.of_work_queue(self._engine, facts, self._now)
        return answer.of_queue(Facts(self._engine, facts), self._now)

    def _work_facts(self, job_id: int) -> WorkFacts:
        reader, engine = self._reader, self._engine
        row = work_facts.job(reader, job_id)
        queue = self._queue(row["queue"])
        if row["state"] != JobState.PENDING:
            return WorkFacts(engine, queue, row)
        if row["ready"] == STAGED:
            return WorkFacts(engine, queue, row, work_facts.batch(reader, row["batch_id"]))
        ageing = (engine.work or {}).get(queue.name, {}).get("ageing", JobsTable().ageing)
        ahead = work_facts.ahead(reader, row, self._now, ageing) if row["ready"] == 1 else 0
        return WorkFacts(engine, queue, row, ahead=ahead)

    def _facts(self, campaign: Row, job: Row | None, *, in_line: bool = False) -> Facts:
        if job is None:
            waits = pace_facts.waits(self._reader, campaign["id"]) if campaign["state"] == "active" else 0
            held = pace_facts.held(self._reader, campaign["id"]) if campaign["counts"]["held"] else {}
            return Facts(self._engine, self._queue(campaign["queue"]), campaign, waits=waits, held=held)
        # Of several accounts, the one that this message goes through.
        queue = self._queue(job["queue"])
        ahead: int | None = 0
        domain = None
        if job["state"] == "pending":
            ahead = pace_facts.ahead(self._reader, job) if in_line and job["ready"] == 1 else 0
            if queue.gate.domain_gap:
                domain = pace_facts.domain_start(self._reader, queue.row["id"], job["address"] or "")
        others = answer.others_first(queue, campaign, self._now)
        beside = self._beside(job) if (minds := self._minds(job)) else None
        job_facts = JobFacts(job, ahead, domain, self._suppression(campaign, job), minds, beside)
        return Facts(self._engine, queue, campaign, job_facts, others)

    def _minds(self, job: Row) -> bool:
        """Whether this message waits, and its campaign for what others send to its people."""
        waits = job["state"] == "pending" and job["address_key"] is not None
        return waits and overlaps.minds(self._reader, job["campaign_id"])

    def _beside(self, job: Row) -> Overlap | None:
        """What another campaign has just sent to its person."""
        return overlaps.just_left(self._reader, job["campaign_id"], job["address_key"], job["profile"] or "", self._now)

    def _suppression(self, campaign: Row, job: Row) -> Row | None:
        """What stands against the person of a job that is open, or was skipped."""
        if job["address_key"] is None or job["state"] not in ("held", "pending", "skipped"):
            return None
        reader, list_name = self._reader, suppression_pages.list_of(self._reader, campaign["id"])
        found = suppression_pages.standing(reader, job["address_key"], job["profile"], list_name, self._now)
        return found[0] if found else None

    def _queue(self, name: str) -> QueueFacts:
        if name not in self._queues:
            self._queues[name] = self._read_queue(name)
        return self._queues[name]

    def _read_queue(self, name: str) -> QueueFacts:
        accounts, now = self._engine.accounts or {}, self._now
        row = pace_facts.queue(self._reader, name, configured=accounts)
        # Where no engine has served it yet, what the configuration says is what the first one will keep.
        kept = row["limits"]
        limits = Limits.from_dict(kept) if kept else accounts.get(name, Limits()).tuned(row["tuning"])
        gate, _, _ = limits.at_gate(now)
        gate = dataclasses.replace(gate, caps=tuple(throttled(cap, row["throttle"]) for cap in gate.caps))
        step = None
        if gate.warmup is not None:
            cap = warmed(gate.warmup, row["warm_days"], row["warm_on"])
            begun = row["warm_on"] >= gate.warmup.since
            day = row["warm_days"] + (0 if begun else 1)
            step = {**cap_uses(self._reader, row["id"], [cap], now)[0], "cap": cap, "day": max(day, 1)}
        return QueueFacts(
            row,
            limits,
            gate,
            tuple(cap_uses(self._reader, row["id"], gate.caps, now)),
            step,
            self._places(name, limits),
            tuple(pace_facts.lanes(self._reader, row["id"], row["last_start"])),
        )

    def _places(self, name: str, limits: Limits) -> int:
        told = (self._engine.queues or {}).get(name, {})
        return int(told.get("places") or limits.concurrency)
