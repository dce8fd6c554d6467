"""The nouns: enums and frozen dataclasses that every floor shares.

Times are integer microseconds since 1970-01-01 UTC, always taken from one injected clock.
Addresses are stored as given (`address`) and compared by `address_key`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from storage.letters import Letter

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class CampaignState(StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class PauseReason(StrEnum):
    """Who or what paused a campaign; a guard's pause is never lifted without a person."""

    NONE = ""
    OPERATOR = "operator"
    ERRORS = "errors"
    BOUNCES = "bounces"
    ACCOUNT = "account"
    APPROVAL = "approval"


class JobState(StrEnum):
    HELD = "held"
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    SKIPPED = "skipped"
    BOUNCED = "bounced"


OPEN_STATES = (JobState.HELD, JobState.PENDING, JobState.PROCESSING)


class HeldReason(StrEnum):
    NONE = ""
    APPROVAL = "approval"
    FIELD = "field"
    CONTENT = "content"
    CONFIGURATION = "configuration"
    CANCELLED = "cancelled"
    """By hand, until the time to undo it is over; then the job is `skipped`."""


class Approval(StrEnum):
    """Who must say yes before anything of a campaign leaves: nobody, or a person for each message, or once for all."""

    NONE = ""
    MESSAGE = "message"
    CAMPAIGN = "campaign"


class QueueState(StrEnum):
    READY = "ready"
    COOLING = "cooling"
    PROBING = "probing"
    PAUSED = "paused"
    NEEDS_ATTENTION = "needs_attention"
    RESTRICTED = "restricted"


class OutcomeClass(StrEnum):
    """What a reply means, by the tables of `docs/outcomes.md`; an attempt row keeps one of these.

    `TRANSIENT` and `PERMANENT` are about the person, `CONTENT` about the message, `ACCOUNT` and `ROUTE` about
    the queue (they burn nobody's budget), `CONFIGURATION` about the campaign's set-up.
    """

    ACCEPTED = "accepted"
    TRANSIENT = "transient"
    PERMANENT = "permanent"
    ACCOUNT = "account"
    ROUTE = "route"
    CONTENT = "content"
    CONFIGURATION = "configuration"
    UNCERTAIN = "uncertain"
    NEEDLESS = "needless"
    """Nothing had to be sent: already connected, already invited. The job is `skipped` with that reason."""


class BatchState(StrEnum):
    LOADING = "loading"
    READY = "ready"
    DONE = "done"


class StageState(StrEnum):
    """Of one stage of a pipeline's run."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class Effect(StrEnum):
    """What a second run of a background job would do: nothing worse than the first; nothing, since the other side knows
    its key; or the same thing again, so that a run whose end is unknown is never repeated by itself."""

    REPEATABLE = "repeatable"
    KEYED = "keyed"
    UNREPEATABLE = "unrepeatable"


SEND = "send"
"""The kind of a job that is a message; every other kind is background work."""


class AlarmKind(StrEnum):
    """What is wrong; docs/outcomes.md, "Alarms", names the threshold of each."""

    BOUNCES = "bounces"
    COMPLAINTS = "complaints"
    UNKNOWN = "unknown"
    """Refusals that no rule knows, in a row."""
    CONTENT = "content"
    CONFIGURATION = "configuration"
    AUTHENTICATION = "authentication"
    RESTRICTED = "restricted"
    TRANSIENT = "transient"
    """Too many answers that say "not now": the rate is halved."""
    BEHIND = "behind"
    """A queue is more than a window behind its plan."""


class EngineState(StrEnum):
    RUNNING = "running"
    DRAINING = "draining"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Campaign:
    id: int
    name: str
    state: CampaignState
    pause_reason: str
    pause_detail: str
    queue_id: int
    account: str
    priority: int
    concurrency: int
    pacing: dict[str, Any]
    settings: dict[str, Any]
    live: bool
    seed: int
    created_at: int
    started_at: int | None
    completed_at: int | None
    cancelled_at: int | None
    last_start: int
    version: int
    weight: int = 1
    """Its part of what its queue sends, beside other campaigns of the queue."""
    hours: dict[str, Any] = field(default_factory=dict)
    """Its window (`engine.planning.windows`); empty for none."""
    list_name: str = ""
    """The list that a reader of it leaves."""
    approval: str = ""
    """An `Approval`."""
    approval_time: int = 0
    """How long a message waits for its approval (us; 0: for ever)."""
    approved_at: int | None = None
    """When it was approved as a whole; None also once what it says or whom it reaches was changed."""
    approved_by: str = ""
    approval_note: str = ""
    """What took the last yes to it back, where nobody changed the campaign itself."""

    @property
    def unapproved(self) -> bool:
        """It must be approved as a whole, and is not."""
        return self.approval == Approval.CAMPAIGN and self.approved_at is None


@dataclass(frozen=True, slots=True)
class Step:
    """One message of a campaign's sequence. `attachments` are `{name, type, data(base64)}` objects."""

    id: int
    campaign_id: int
    position: int
    subject: str
    text: str
    html: str
    headers: dict[str, str] = field(default_factory=dict)
    attachments: tuple[dict[str, str], ...] = ()
    channel: str = ""
    """What it is sent through; "": the channel of the campaign's first account."""
    wait: dict[str, Any] = field(default_factory=dict)
    """How long after the step before (`engine.planning.waits`); empty for the default."""
    conditions: tuple[str, ...] = ()
    """What must be true for it to be sent (`engine.sequences`)."""
    pacing: dict[str, Any] = field(default_factory=dict)
    """Its own pacing; empty: the campaign's."""


class RecipientRow(NamedTuple):
    """One checked row of intake, ready to be stored: what `recipients.rows` carries over the socket."""

    row: int
    address: str
    key: str
    fields: dict[str, Any]
    profile: str = ""


@dataclass(slots=True)
class ClaimedJob:
    """A job under a lease, with all that its send needs, read in the claiming transaction. Plain, as the nouns of
    `storage.dispatch` are."""

    id: int
    lease: int
    kind: str
    queue_id: int
    campaign_id: int | None
    step_id: int | None
    batch_id: int | None
    recipient_id: int | None
    address: str
    fields: str
    """The recipient's merge fields as JSON text (an object); parsed where the message is composed."""
    message_id: str
    tries: int
    """Attempts that count in the present budget (a person's retry grants a new one)."""
    budget_at: int | None
    """When the present budget's first attempt began; None before it."""
    due_at: int
    live: bool
    """Whether its campaign may reach anybody (False: the allow-list only)."""
    hours: str = ""
    """Its campaign's window as JSON text; "" for none."""
    profile: str = ""
    """The recipient's social profile, cleaned; "" for none."""
    letter: Letter | None = None
    """Its own text instead of its step's."""
    approval: str = ""
    """An `Approval`: it leaves only as it was approved, and the gate asks for its digest."""


@dataclass(frozen=True, slots=True)
class Queue:
    id: int
    name: str
    channel: str
    state: QueueState
    reason: str
    until: int | None
    cooling_step: int
    last_start: int
    version: int
    tuning: dict[str, Any] = field(default_factory=dict)
    """What people set live, over the configuration."""
    limits: dict[str, Any] = field(default_factory=dict)
    """What holds, as the engine last wrote it (`engine.planning.limits`)."""
    throttle: int = 0
    """How often its rate is halved."""
    throttled_at: int | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asked for a change: kept with its audit event."""

    user: str
    host: str = ""
    via: str = "cli"
