"""When the campaigns of a queue end as things stand: what a change of limits, share or window is answered with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storage.model import MINUTE
from storage.queue_facts import add_limits
from storage.reader import Reader
from tui.pace import campaign_finish

LOOK_BACK = 10 * MINUTE
"""How far back the rate is read that an end stands on."""
TOLD = 3
"""Campaigns that a sentence names."""


@dataclass(frozen=True, slots=True)
class End:
    """An active campaign and when it should be through (us); None: nothing is known."""

    campaign: str
    at: int | None


def ends_of(reader: Reader, now: int, limits: Mapping[str, Any], names: Sequence[str]) -> list[End]:
    """The ends of these active campaigns. `limits` by account, as `add_limits` takes them."""
    found = []
    for name in names:
        row = reader.campaign(name)
        row["rates"] = reader.rates(now - LOOK_BACK, campaign_id=row["id"])
        add_limits(reader, [row], dict(limits), now)
        found.append(End(name, campaign_finish(row, now)))
    return found


def told(ends: Sequence[End], texts: Sequence[str]) -> str:
    """The ends in one sentence, `texts` the moments as they are to be read; "" where none is known."""
    known = [f"{end.campaign} ends about {text}" for end, text in zip(ends, texts, strict=True) if end.at is not None]
    more = f" and {len(known) - TOLD} more" if len(known) > TOLD else ""
    return ", ".join(known[:TOLD]) + more
