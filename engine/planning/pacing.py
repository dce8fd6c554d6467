"""Pacing: how the due times of a campaign are spread. Seeded, cumulative, integer microseconds.

No clock and no I/O: the same pacing, seed, start and window always give the same plan. Through a window, gaps count in
open time: the clock of the plan stands still while the window is closed, so a morning begins where the evening ended.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engine.planning.durations import format_duration
from engine.planning.own_hours import OwnHours, Through, parts_of, through
from engine.planning.pacing_settings import MODES, PRESETS, Pacing
from engine.planning.spreading import spread_bounds, spread_slots
from engine.planning.windows import Window, later
from storage.model import DAY, HOUR, MINUTE, SECOND

__all__ = ["MODES", "PRESETS", "Estimate", "Pacing", "Slot", "estimate", "plan", "range_text"]


class Slot(NamedTuple):
    """One job's place: `due_at` (us since the epoch) and the `gap` (us) that it keeps from the start before it."""

    due_at: int
    gap: int


class Estimate(NamedTuple):
    """The first due time, the earliest and latest finish (us since the epoch), and a sentence."""

    first: int
    last_low: int
    last_high: int
    text: str


def plan(
    pacing: Pacing,
    n: int,
    *,
    start: int,
    seed: int,
    offset: int = 0,
    window: Window | None = None,
    spread: int = 0,
) -> Iterator[Slot]:
    """`n` slots of the one endless plan that pacing, start, seed and window define, from slot `offset` on.

    Lazy: a writer of slices takes `itertools.islice` of one iterator, or asks again with the same start and a
    larger `offset` (the skipped gaps are drawn again, about 0.3 us each). Due times never go back. `human` and
    `steady` include the first gap; the first round of a `blast` is due at `start`, but its leader carries the
    delay as its gap, so that a resumed queue still keeps its distance from what it started before. A `steady` pacing
    with `spread` does the same, and needs the account's cap per day as the argument `spread`.

    Every due time lies in the `window`, and the open time between two is the drawn gap, so the real time is never
    less. Raises UsageError for a window that does not open, and for a spread without a cap per day.
    """
    if n < 0 or offset < 0:
        raise ValueError("a plan needs n >= 0 and offset >= 0")
    slots = _slots(pacing, start, random.Random(seed), window, spread)  # noqa: S311 - a plan must repeat
    return itertools.starmap(Slot, itertools.islice(slots, offset, offset + n))


def estimate(
    pacing: Pacing,
    n: int,
    *,
    start: int,
    seed: int,
    service_time_us: int = 0,
    concurrency: int | None = None,
    least: int = 0,
    window: Window | None = None,
    spread: int = 0,
    own: OwnHours | None = None,
    min_gap: int = 0,
    whose: str = "",
) -> Estimate:
    """When `n` messages finish, as a range.

    `service_time_us` is the time one message takes to be sent, `concurrency` how many the queue sends at once
    (None: the pacing's own), `least` the time that the account's own ceilings need from the first message to the last
    (`caps.least_time`); they matter where they are slower than the pacing. `window` and `spread` as for `plan`; a
    spread whose cap per day is not known (0) is told by `least` alone. `own`: the hours that each of the `n` keeps
    beside those of the plan, and `min_gap` the least gap (us) between two that a closed window has kept back. `whose`
    is how the sentence begins instead of with `n`. What a cap has used already is the forecast's. Raises UsageError for
    a window that does not open.
    """
    if n <= 0:
        return Estimate(start, start, start, "nothing to send")
    whose = whose or str(n)
    if pacing.spread and not spread:
        text = f"{whose} at {pacing.figures()} takes {format_duration(least)} or more"
        return Estimate(start, start + least, start + least, text)
    first = next(plan(pacing, 1, start=start, seed=seed, window=window, spread=spread)).due_at
    at_once = max(1, concurrency or pacing.concurrency)
    plan_of = _Reckoned(pacing, start, service_time_us, at_once, window, spread)
    never = ""
    if own is None:
        ((low, high),) = plan_of.dues([n])
    else:
        soonest, latest = plan_of.through(own, min_gap)
        if soonest.last is None or latest.last is None or soonest.first is None:
            return Estimate(start, start, start, f"{whose} at {pacing.figures()}: their windows never open")
        first, low, high = max(first, soonest.first), soonest.last, max(soonest.last, latest.last)
        never = f"; the windows of {latest.never:,} of them never open" if latest.never else ""
    low, high = low - start, high - start
    capacity = later(window, start, -(-n // at_once) * service_time_us) - start
    bound = max(capacity, first - start + least if least else 0)
    limits = " (the account's limits)" if least > high else ""
    low, high = max(low, bound), max(high, bound)
    pace = f"{spread}/day" if pacing.spread else pacing.figures()
    text = f"{whose} at {pace} takes {range_text(low, high)}{limits}{never}"
    return Estimate(first, start + low, start + high, text)


class _Reckoned(NamedTuple):
    """A plan by its bounds: nothing is drawn."""

    pacing: Pacing
    start: int
    service: int
    at_once: int
    window: Window | None
    spread: int

    def dues(self, places: Sequence[int]) -> Iterator[tuple[int, int]]:
        """The earliest and the latest time (us) at which the messages at these places are through; places count from 1
        and go up."""
        pacing, window, service = self.pacing, self.window, self.service
        if pacing.spread:
            for low, high in spread_bounds(pacing.jitter, places, self.start, window, self.spread):
                yield low + service, high + service
            return
        taken, at = (0, 0), (self.start, self.start)
        for place in places:
            now = _bounds(pacing, place, service, self.at_once)
            at = (later(window, at[0], now[0] - taken[0]), later(window, at[1], now[1] - taken[1]))
            taken = now
            yield at

    def through(self, own: OwnHours, min_gap: int) -> tuple[Through, Through]:
        """The earliest and the latest way through hours that are not only those of the plan."""
        parts = parts_of(own.order)
        dues = list(self.dues([place for part in parts for place in (part.first, part.last)]))
        low, high = (
            through(
                parts,
                own.spans,
                [(dues[2 * i][bound], dues[2 * i + 1][bound]) for i in range(len(parts))],
                max(min_gap, self._open_time(dues[-1][bound]) // len(own.order)),
            )
            for bound in (0, 1)
        )
        return low, high

    def _open_time(self, end: int) -> int:
        return end - self.start if self.window is None else self.window.open_time(self.start, end)


_Drawn = Iterator[tuple[int, int]]
"""Due time and gap of an endless plan."""


def _slots(pacing: Pacing, start: int, rng: random.Random, window: Window | None, spread: int) -> _Drawn:
    if pacing.spread:
        return spread_slots(pacing.jitter, start, rng, window, spread)
    drawn = _MODES[pacing.mode](pacing, start, rng)
    return drawn if window is None else _in_open_time(drawn, start, window)


def _in_open_time(drawn: _Drawn, start: int, window: Window) -> _Drawn:
    """A plan drawn without a window, its due times moved apart by what is closed between them."""
    openings = window.openings(start)
    opens, closes = next(openings)
    before, due = start, max(opens, start)
    for drawn_due, gap in drawn:
        due += drawn_due - before
        before = drawn_due
        while due >= closes:
            over = due - closes
            opens, closes = next(openings)
            due = opens + over
        yield due, gap


def _human(pacing: Pacing, start: int, rng: random.Random) -> _Drawn:
    low, high, due, number = pacing.gap_min, pacing.gap_max, start, 0
    lognormal = pacing.distribution == "lognormal" and high > low
    middle = (math.log(max(low, 1)) + math.log(max(high, 1))) / 2
    sigma = (math.log(max(high, 1)) - math.log(max(low, 1))) / 4
    while True:
        if lognormal:
            # Box and Muller over random(), whose sequence Python keeps from version to version.
            normal = math.sqrt(-2 * math.log(1 - rng.random())) * math.cos(math.tau * rng.random())
            gap = min(max(round(math.exp(middle + sigma * normal)), low), high)
        else:
            gap = low + int(rng.random() * (high - low + 1))
        if pacing.burst and number and number % pacing.burst == 0:
            gap += pacing.rest
        number += 1
        due += gap
        yield due, gap


def _steady(pacing: Pacing, start: int, rng: random.Random) -> _Drawn:
    n, period = pacing.rate.n, pacing.rate.period
    reach = pacing.jitter * period / n / 2
    due, tick = start, 0
    while True:
        tick += 1
        moved = start + tick * period // n + int((2 * rng.random() - 1) * reach)
        gap = max(0, moved - due)
        due += gap
        yield due, gap


def _blast(pacing: Pacing, start: int, rng: random.Random) -> _Drawn:
    due = start
    while True:
        yield due, pacing.batch_delay
        for _ in range(pacing.concurrency - 1):
            yield due, 0
        due += pacing.batch_delay


_MODES = {"human": _human, "steady": _steady, "blast": _blast}


def _bounds(pacing: Pacing, n: int, service: int, concurrency: int) -> tuple[int, int]:
    if pacing.mode == "human":
        rests = (n - 1) // pacing.burst * pacing.rest if pacing.burst else 0
        return n * pacing.gap_min + rests + service, n * pacing.gap_max + rests + service
    if pacing.mode == "steady":
        middle = n * pacing.rate.period // pacing.rate.n + service
        reach = int(pacing.jitter * pacing.rate.period / pacing.rate.n / 2)
        return max(middle - reach, 0), middle + reach
    rounds = -(-n // pacing.concurrency)
    work = -(-pacing.concurrency // concurrency) * service
    return (rounds - 1) * pacing.batch_delay + work, (rounds - 1) * (pacing.batch_delay + work) + work


def range_text(low: int, high: int) -> str:
    """A range of time (us) for people: "5 to 30 hours", "less than a second"."""
    for word, size in (("days", DAY), ("hours", HOUR), ("minutes", MINUTE), ("seconds", SECOND)):
        if low and low < high <= 99 * size and low % size == 0 and high % size == 0:
            return f"{low // size} to {high // size} {word}"
    if high < SECOND:
        return "less than a second"
    one, two = format_duration(low), format_duration(high)
    return one if one == two else f"{one} to {two}"
