"""Append-only facts: audit, timeline, log."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from storage.model import Actor

if TYPE_CHECKING:
    from storage.tx import Tx

ENGINE = Actor(user="engine", via="engine")


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. `kind` is a dotted word to search for (`campaign.paused`); `text` is the sentence people read."""

    kind: str
    text: str
    level: str = "info"
    actor: Actor = ENGINE
    campaign_id: int | None = None
    queue_id: int | None = None
    job_id: int | None = None
    n: int = 0
    data: dict[str, Any] = field(default_factory=dict)


def add_event(tx: Tx, event: Event, now: int) -> int:
    """Write it; returns its id."""
    written = tx.execute(
        "INSERT INTO events (at, level, kind, actor, host, via, campaign_id, queue_id, job_id, n, text, data) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            now,
            event.level,
            event.kind,
            event.actor.user,
            event.actor.host,
            event.actor.via,
            event.campaign_id,
            event.queue_id,
            event.job_id,
            event.n,
            event.text,
            json.dumps(event.data),
        ),
    )
    return int(written.lastrowid or 0)
