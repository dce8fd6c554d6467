"""What limits a queue at one moment, as claim and gate see it: plain numbers, no zones, no configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

CAP, WARM_UP = "cap", "warm-up"
"""The gate's words for what counts starts."""


class Ceiling(NamedTuple):
    """At most `n` counted starts: in any `period` (us), or in the calendar period [`since`, `until`) (us) when
    `until` is given."""

    n: int
    period: int
    since: int = 0
    until: int = 0


class Warmup(NamedTuple):
    """A ramp: at most `ladder[d]` starts on the d-th day (from 0) on which anything was sent; the last rung stays.

    `since` and `until` (us) bound today, in the account's own zone."""

    ladder: tuple[int, ...]
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class GateLimits:
    """`min_gap`: between any two starts of the queue; `domain_gap`: between two to one recipient domain (us)."""

    min_gap: int = 0
    domain_gap: int = 0
    caps: tuple[Ceiling, ...] = ()
    warmup: Warmup | None = None

    def ceilings(self, throttle: int, warm_days: int, warm_on: int) -> list[tuple[str, Ceiling]]:
        """What counts starts, each with the gate's word for it, while the rate is halved `throttle` times; of the ramp
        `warm_days` are behind, the last of which began at `warm_on` (us)."""
        found = [(CAP, throttled(cap, throttle)) for cap in self.caps]
        if self.warmup is not None:
            found.append((WARM_UP, warmed(self.warmup, warm_days, warm_on)))
        return found


UNLIMITED = GateLimits()

THROTTLED_PERIODS = 3_600_000_000
"""A halved rate halves caps of at most this period (us): a day's cap says how much, not how fast."""


def throttled(cap: Ceiling, throttle: int) -> Ceiling:
    """The cap while the rate is halved `throttle` times."""
    if not throttle or cap.period > THROTTLED_PERIODS:
        return cap
    return cap._replace(n=max(1, cap.n >> throttle))


def frees_at(cap: Ceiling, nth: int, now: int) -> int:
    """When a cap allows one more start, given its n-th newest counted one (us); 0 while it has room."""
    if cap.until:
        return cap.until if nth >= cap.since else 0
    return min(nth, now) + cap.period


def warmed(warmup: Warmup, days: int, on: int) -> Ceiling:
    """Today's cap of a ramp: `days` on which something was sent, the last of which began at `on` (us)."""
    before = days - 1 if on >= warmup.since else days
    n = warmup.ladder[min(max(before, 0), len(warmup.ladder) - 1)]
    return Ceiling(n, warmup.until - warmup.since, warmup.since, warmup.until)
