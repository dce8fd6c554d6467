"""What an explanation is told from: the store's rows, the limits that hold, and what is known of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.planning.limits import Limits
from storage.limits import GateLimits
from storage.overlaps import Overlap

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """`runs`: an engine owns the store. `paused`: everything, by a person. `trouble`: what keeps the store from being
    written, such as a full disk. `queues`: what a running engine tells of its queues by name, None where nobody asked
    it; `accounts`: the limits of every configured account by name, None where the configuration cannot be read.
    `work`: what it tells of its queues of background jobs; `sends`: it serves accounts at all."""

    runs: bool
    paused: bool = False
    draining: bool = False
    trouble: str = ""
    queues: Mapping[str, Row] | None = None
    accounts: Mapping[str, Limits] | None = None
    work: Mapping[str, Row] | None = None
    sends: bool = True

    @classmethod
    def told(
        cls, status: Row, *, runs: bool, paused: bool, accounts: Mapping[str, Limits] | None = None
    ) -> EngineFacts:
        """From an engine's own status; {} where it was not asked."""
        queues = {row["queue"]: row for row in status["queues"]} if "queues" in status else None
        draining, trouble = bool(status.get("draining")), str(status.get("store_trouble") or "")
        work = {row["queue"]: row for row in status["work"]} if "work" in status else None
        sends = bool(status.get("sends", True))
        return cls(runs, paused, draining, trouble, queues, accounts, work, sends)

    def has(self, account: str) -> bool:
        """Whether an account is configured, as far as is known."""
        if self.queues is not None and self.sends:
            return account in self.queues
        return self.accounts is None or account in self.accounts


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """`row` as `pace_facts.queue` gives it. `gate`: the limits of the moment as the gate counts them, rates halved;
    `caps` are the `queue_facts.cap_uses` of its caps, `warmup` that of the day's step with its Ceiling. `places`: how
    many may be in flight now."""

    row: Row
    limits: Limits
    gate: GateLimits
    caps: tuple[Row, ...] = ()
    warmup: Row | None = None
    places: int = 0
    lanes: tuple[Row, ...] = ()

    @property
    def name(self) -> str:
        return str(self.row["name"])


@dataclass(frozen=True, slots=True)
class JobFacts:
    """`row` as `pace_facts.job` gives it; `ahead`: due jobs of its campaign that go before it (None: not known);
    `domain`: `pace_facts.domain_start` of its address where the queue keeps a gap per domain; `suppression`: the entry
    of `suppression_pages.standing` that stands against its person, None without one; `minds`: its campaign keeps a
    distance to what others send to that person, and `beside` is what one has just sent."""

    row: Row
    ahead: int | None = None
    domain: Row | None = None
    suppression: Row | None = None
    minds: bool = False
    beside: Overlap | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything about one question. `campaign` is None for a queue, `job` for a queue and for a campaign in which
    nothing waits."""

    engine: EngineFacts
    queue: QueueFacts
    campaign: Row | None = None
    job: JobFacts | None = None
    others: tuple[str, ...] = field(default=())
    """Campaigns of the queue that begin before this one when there is room for one only."""
    waits: int = 0
    """Of a campaign in which nothing is pending: people whose next step waits for an acceptance."""
    held: Mapping[str, int] = field(default_factory=dict)
    """Of such a campaign `pace_facts.held`: messages by the reason for which they are held."""
