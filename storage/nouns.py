"""The nouns: what stands in the store, as the engine and its control hold it. Readers give rows and do not load these:
making the classes is a part of a console's start that a person would notice. Times as in `storage.model`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from storage.model import Approval, CampaignState, QueueState

if TYPE_CHECKING:
    from storage.letters import Letter


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
    `storage.dispatch_nouns` are."""

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
