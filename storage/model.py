"""The words that every floor shares: states, reasons and units; the nouns stand in `storage.nouns`.

Times are integer microseconds since 1970-01-01 UTC, always taken from one injected clock.
Addresses are stored as given (`address`) and compared by `address_key`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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
class Actor:
    """Who asked for a change: kept with its audit event."""

    user: str
    host: str = ""
    via: str = "cli"
