"""What is asked of the store on a message's path, and what it answers: a claim, an intent, an end.

`storage.dispatch` claims, `storage.gate` grants the durable intent, `storage.endings` keeps the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from storage.limits import UNLIMITED, GateLimits
from storage.model import JobState, OutcomeClass, QueueState
from storage.nouns import ClaimedJob

Opens = Callable[[str, str | None, int], int]
"""Asked with a campaign's `hours`, a recipient's fields (JSON text; None: the campaign's own hours) and a time (us):
0 when that window is open then, else when it opens (us). It runs in the claim's transaction and may only compute."""


# The nouns of a message's path are plain: freezing them costs 2 to 5 us each, four times a message.
@dataclass(slots=True)
class ClaimRequest:
    """What a runner asks for.

    `room`: free slots of the queue. `busy`: jobs in flight by campaign id. `starting`: campaigns with a claimed
    job whose intent is not yet written, so that a gap is always measured from a real start. `closed_until`: when the
    queue's own window opens (us; 0: it is open).
    """

    queue_id: int
    room: int
    now: int
    lease_until: int
    busy: Mapping[int | None, int] = field(default_factory=dict)
    starting: frozenset[int | None] = frozenset()
    unbegun: int = 0
    """How many claimed jobs those are: they may take what room the caps have left."""
    starting_domains: frozenset[str] = frozenset()
    """The same by recipient domain; asked only where the queue keeps a gap per domain."""
    limits: GateLimits = UNLIMITED
    closed_until: int = 0
    opens: Opens | None = None
    own_zones: bool = False
    """The queue's window is one of each person's own: `opens` is asked for campaigns without hours too."""
    peek: bool = False
    """Only look: `Claim.available` says how many could begin; nothing is taken (before a first connection), though
    what waits for a window or a domain of its own is moved to its time."""
    begin: Callable[[ClaimedJob], IntentRequest | None] | None = None
    """Asked of each claimed job in the claim's own transaction: the intent to write with it, or None to leave it
    claimed only. It must not raise, and may be asked again when the transaction has to be run again."""


@dataclass(slots=True)
class Claim:
    """`jobs` now under lease; `next_at`: the earliest time at which a gap or a cooling would let more begin
    (None: only a change can). `queue_state` as seen in the same transaction."""

    jobs: tuple[ClaimedJob, ...]
    next_at: int | None
    queue_state: QueueState
    blocked_by: str = ""
    available: int = 0
    cooling_step: int = 0
    throttle: int = 0
    """How often the queue's rate is halved."""
    moved: bool = False
    """Jobs were moved to a later time of their own: the time of the next due job is not what it was."""
    intents: Mapping[int, Intent] = field(default_factory=dict)
    """The gate's answers by job id, for those whose intent was asked for with the claim."""


@dataclass(slots=True)
class IntentRequest:
    """Ask the gate. `opens`: when the windows of queue, campaign and person are open together (us); not later than
    `now` when they are."""

    job_id: int
    lease: int
    epoch: int
    now: int
    limits: GateLimits = UNLIMITED
    opens: int = 0
    server: str = ""
    """Where the content will go: kept with the intent, so that an engine that dies leaves it known."""
    digest: str = ""
    """Of what is about to leave, where only what was approved may: of the message, or who it comes from
    (`lanes.approved_as`) where its campaign was approved as a whole."""


@dataclass(slots=True)
class Intent:
    """`attempt_id` when granted; otherwise `refused` names the gate that closed and `retry_at` when to ask
    again (None: when something changes)."""

    attempt_id: int | None
    refused: str = ""
    retry_at: int | None = None


@dataclass(slots=True)
class Finish:
    """The end of one attempt (or of a claim that never became one: `attempt_id` None)."""

    job_id: int
    lease: int
    attempt_id: int | None
    now: int
    state: JobState
    intent_at: int | None = None
    due_at: int | None = None
    reason: str = ""
    counts_try: bool = True
    outcome: OutcomeClass | None = None
    phase: str = ""
    code: int = 0
    enhanced: str = ""
    reply: str = ""
    error_key: str = ""
    server: str = ""
    duration: int = 0
    content_sent: bool = False
    suppress: str = ""
    """The reason under which whoever it was for is suppressed with this outcome ("": they are not), and for how long
    (us; 0: for ever)."""
    suppress_for: int = 0
    scope: tuple[int, int | None, int] | None = None
    """Queue, campaign and batch as the claim told them: spares reading them again."""
