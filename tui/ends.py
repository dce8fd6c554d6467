"""When the campaigns of a queue end as things stand: what a change of limits, share or window is answered with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.errors import PacelineError
from storage.reader import Reader

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
    """An active campaign and when it should be through (us); None: nothing is known."""

    campaign: str
    at: int | None


def ends_of(reader: Reader, config: Config | None, names: Sequence[str], now: int) -> list[End]:
    """The ends of these active campaigns, by the limits that hold now. `config` None: it cannot be read."""
    return [End(name, _end(reader, config, name, now)) for name in names[:LOOKED_AT]]


def _end(reader: Reader, config: Config | None, name: str, now: int) -> int | None:
    # Only what was asked for pays for what forecasts need.
    from engine.forecasting import forecast_campaign
    from tui.cli.facts import add_pace, limits_of
    from tui.pace import campaign_finish

    row = reader.campaign(name)
    if row["counts"]["pending"] <= FORESEEN:
        try:
            return forecast_campaign(reader, name, config, now=now, draws=1).latest
        except PacelineError:
            return None  # its window never opens: what explains it says so
    add_pace(reader, row, limits_of(config, reader, now) if config else {}, now)
    return campaign_finish(row, now)


def told(ends: Sequence[End], texts: Sequence[str]) -> str:
    """The ends in one sentence, `texts` the moments as they are to be read; "" where none is known."""
    known = [f"{end.campaign} ends about {text}" for end, text in zip(ends, texts, strict=True) if end.at is not None]
    more = f" and {len(known) - TOLD} more" if len(known) > TOLD else ""
    return ", ".join(known[:TOLD]) + more
