"""What receivers hold against a sender: addresses that do not exist and people who complain, counted by the hour.

Kept for each campaign and for each queue. A person's word that one of them is mended forgets its count (`forget`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from storage.model import HOUR, OutcomeClass

if TYPE_CHECKING:
    from storage.tx import Tx

DEAD = (
    "user unknown",
    "user not local",
    "mailbox moved",
    "mailbox disabled",
    "bad address syntax",
    "domain unknown",
    "domain accepts no mail",
    "no route to domain",
)
"""How the reason of a refusal ends that says that the address is dead (docs/outcomes.md, "SMTP replies")."""

_ADD = (
    "INSERT INTO reputation_hours (scope, scope_id, hour, tried, bounced, complained) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (scope, scope_id, hour) DO UPDATE SET tried = tried + excluded.tried, "
    "bounced = bounced + excluded.bounced, complained = complained + excluded.complained"
)
_SUMS = (
    "SELECT COALESCE(SUM(tried), 0) AS tried, COALESCE(SUM(bounced), 0) AS bounced, "
    "COALESCE(SUM(complained), 0) AS complained FROM reputation_hours WHERE scope = ? AND scope_id = ? AND hour >= ?"
)
_CHANGED = (
    "SELECT DISTINCT scope, scope_id FROM reputation_hours WHERE hour >= ? AND (bounced > 0 OR complained > 0) "
    "ORDER BY scope, scope_id"
)


class Reputation(NamedTuple):
    """Of `tried` messages (accepted, or refused for good) so many came back, and so many complained."""

    tried: int = 0
    bounced: int = 0
    complained: int = 0


class Verdict(NamedTuple):
    """One answer about an address: accepted or refused for good; `dead`: because the address does not exist."""

    campaign_id: int | None
    queue_id: int
    dead: bool


def is_dead(outcome: OutcomeClass | None, error_key: str) -> bool:
    """Whether an attempt's outcome and reason say that the address does not exist."""
    return outcome is OutcomeClass.PERMANENT and error_key.endswith(DEAD)


def note_verdicts(tx: Tx, verdicts: Iterable[Verdict], now: int) -> None:
    """Count answers, in the transaction that records them: two rows for all of one campaign."""
    sums: dict[tuple[str, int], list[int]] = {}
    for campaign_id, queue_id, dead in verdicts:
        for key in (("campaign", campaign_id or 0), ("queue", queue_id)):
            if key[1]:
                of = sums.setdefault(key, [0, 0])
                of[0] += 1
                of[1] += dead
    if sums:
        tx.executemany(_ADD, [(*key, now // HOUR, tried, dead, 0) for key, (tried, dead) in sums.items()])


def note_feedback(tx: Tx, campaign_id: int | None, queue_id: int, *, bounced: int, complained: int, now: int) -> None:
    """Count what comes back later: accepted messages that were returned, people who complained."""
    keys = [("queue", queue_id), *([("campaign", campaign_id)] if campaign_id else [])]
    tx.executemany(_ADD, [(*key, now // HOUR, 0, bounced, complained) for key in keys])


def read(tx: Tx, scope: str, scope_id: int, since: int) -> Reputation:
    """What was counted for a `campaign` or `queue` since a time (us), whole hours."""
    row = tx.one(_SUMS, (scope, scope_id, since // HOUR))
    return Reputation(row["tried"], row["bounced"], row["complained"])


def changed(tx: Tx, since: int) -> list[tuple[str, int]]:
    """The campaigns and queues of which something came back since a time (us), as (scope, id)."""
    return [(row["scope"], row["scope_id"]) for row in tx.all(_CHANGED, (since // HOUR,))]


def forget(tx: Tx, scope: str, scope_id: int) -> None:
    """Count anew from now on: a person says that it is mended."""
    tx.execute("DELETE FROM reputation_hours WHERE scope = ? AND scope_id = ?", (scope, scope_id))
