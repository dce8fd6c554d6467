"""When the campaigns of a queue end as things stand: what a change of limits, share or window is answered with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.errors import PacelineError
from storage.reader import Reader
from tui.format import plural

if TYPE_CHECKING:
    from engine.config import Config

FORESEEN = 10_000
"""Messages still to leave, up to which a run is simulated; what more takes is reckoned from limits and rate."""
LOOKED_AT = 10
"""Campaigns that are looked at."""
TOLD = 3
"""Campaigns that a sentence names."""


@dataclass(frozen=True, slots=True)
class End:
    """An active campaign and when it should be through (us); None: nothing is known, or it is never, as the windows of
    `never_open` of its messages are open at no common time."""

    campaign: str
    at: int | None
    never_open: int = 0


def ends_of(reader: Reader, config: Config | None, names: Sequence[str], now: int) -> list[End]:
    """The ends of these active campaigns, by the limits that hold now. `config` None: it cannot be read."""
    return [_end(reader, config, name, now) for name in names[:LOOKED_AT]]


def _end(reader: Reader, config: Config | None, name: str, now: int) -> End:
    # Only what was asked for pays for what forecasts need.
    from engine.forecasting import forecast_campaign
    from tui.cli.facts import add_pace, limits_of
    from tui.pace import campaign_finish

    row = reader.campaign(name)
    if row["counts"]["pending"] <= FORESEEN:
        try:
            told = forecast_campaign(reader, name, config, now=now, draws=1)
        except PacelineError:
            return End(name, None)  # its message or its pacing cannot be used: what explains it says so
        return End(name, None if told.never else told.latest, told.never)
    load = (lambda: config) if config is not None else None
    add_pace(reader, row, limits_of(config, reader, now) if config else {}, now, load)
    return End(name, campaign_finish(row, now), row.get("never_open", 0))


def told(ends: Sequence[End], texts: Sequence[str]) -> str:
    """The ends in one sentence, `texts` the moments as they are to be read; "" where nothing is known."""
    both = zip(ends, texts, strict=True)
    known = [_told(end, text) for end, text in both if end.at is not None or end.never_open]
    more = f" and {len(known) - TOLD} more" if len(known) > TOLD else ""
    return ", ".join(known[:TOLD]) + more


def _told(end: End, text: str) -> str:
    if not end.never_open:
        return f"{end.campaign} ends about {text}"
    return f"{end.campaign} never ends: the windows of {plural(end.never_open, 'message')} never open"
