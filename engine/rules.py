"""An account's limits as its runner needs them."""

from __future__ import annotations

from dataclasses import dataclass

from engine.retry import CoolingLadder, RetryPolicy


@dataclass(frozen=True, slots=True)
class Rules:
    """An account's limits and rules as the runner needs them. `min_gap` in microseconds; caps as (n, period)."""

    concurrency: int
    min_gap: int
    caps: tuple[tuple[int, int], ...]
    retry: RetryPolicy
    cooling: CoolingLadder
