"""What became of one attempt, and what it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from storage.model import DAY, OutcomeClass

MAX_WAIT = DAY


@dataclass(frozen=True, slots=True)
class Outcome:
    """The classified result of one attempt.

    `code` is the SMTP reply code or HTTP status (0: no reply), `enhanced` the RFC 3463 code ("5.1.1" or ""),
    `text` the server's own words (bounded, never interpreted), `phase` where it happened: `connect`, `tls`,
    `auth`, `mail`, `rcpt`, `data` (up to the 354), `lookup` (whom an invitation is for), `content` (after the first
    content byte, or once a request had begun to leave), `compose`.
    `error_key` is the normalised reason that groups failures ("" when accepted). `action` names what an account
    or configuration outcome asks for (see `Action`). `wait` is the server's "try again in N seconds" in
    microseconds, 0 when it named none, at most MAX_WAIT.
    """

    cls: OutcomeClass
    code: int = 0
    enhanced: str = ""
    text: str = ""
    phase: str = ""
    error_key: str = ""
    action: str = ""
    wait: int = 0
    server: str = ""


class Action(StrEnum):
    """What an outcome asks for beyond the job's next state."""

    NONE = ""
    COOL = "cool"
    """The queue cools by the ladder, at least as long as the server's `wait`."""
    COOL_DAY = "cool_day"
    """The queue cools 24 hours: a daily limit."""
    SLOW = "slow"
    """Accepted, and the provider's own limit comes near: the queue's rate is halved. (An accepted message with
    `COOL_DAY` rests its queue in the same way, and stays accepted.)"""
    NEEDS_ATTENTION = "needs_attention"
    """The queue stops until a person has looked: credentials, a locked account."""
    RESTRICTED = "restricted"
    """The provider has locked the account: its queue and all its campaigns stop until a person has cleared it."""
    HOLD = "hold"
    """This message alone waits for a person; its campaign goes on."""
    HOLD_PAUSE = "hold_pause"
    """The message is held and its campaign paused: the set-up is wrong for everybody."""
    SUPPRESS = "suppress"
    SUPPRESS_90D = "suppress_90d"
    SOFT = "soft"
    """The mailbox is full: retried, and suppressed after three such failures in 30 days."""
    BLOCKED = "blocked"
    """Refused for its content or our reputation: counts for health, pauses at a threshold."""
    CONNECTED = "connected"
    """Nothing had to be sent, since the two are connected already: counts as an accepted invitation."""
    POSTPONE = "postpone"
    """This person only after `Outcome.wait`, however long that is; it uses up no try."""
    UNKNOWN = "unknown"
    """A permanent refusal that no rule knows: grouped for the operator."""


TRANSIENT = (OutcomeClass.TRANSIENT.value, OutcomeClass.ROUTE.value, OutcomeClass.ACCOUNT.value)
"""Classes of failure that time or the queue may cure."""


def is_retryable(cls: str) -> bool:
    """Whether "retry all transient" takes a failure of this class."""
    return cls in TRANSIENT
