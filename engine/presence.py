"""Which consoles are attached to this engine: each asks for its status about once a second, and that is its sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from storage.model import SECOND, Actor

GONE_AFTER = 10 * SECOND
"""A console that was silent for so long is no longer listed: a closed lid, a dropped line."""
MOST = 100
"""Consoles that are remembered at most; the one that was silent longest goes first."""


@dataclass(slots=True)
class _Seen:
    actor: Actor
    since: int
    last: int


class Presence:
    """Times in microseconds of the engine's clock."""

    def __init__(self) -> None:
        self._consoles: dict[str, _Seen] = {}

    def seen(self, console: str, actor: Actor, now: int) -> None:
        """`console` names one running console: two of one person on one machine are two."""
        known = self._consoles.pop(console, None)
        since = known.since if known is not None and abs(now - known.last) <= GONE_AFTER else now
        self._consoles[console] = _Seen(actor, since, now)
        while len(self._consoles) > MOST:
            del self._consoles[next(iter(self._consoles))]

    def attached(self, now: int) -> list[dict[str, Any]]:
        """Who is here, longest first: `{console, user, host, since_at}`."""
        gone = [name for name, entry in self._consoles.items() if abs(now - entry.last) > GONE_AFTER]
        for name in gone:
            del self._consoles[name]
        return [
            {"console": name, "user": entry.actor.user, "host": entry.actor.host, "since_at": entry.since}
            for name, entry in sorted(self._consoles.items(), key=lambda item: item[1].since)
        ]
