"""Pacing: how the due times of a campaign are spread. Seeded, cumulative, integer microseconds.

No clock and no I/O: the same pacing, seed and start always give the same plan.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.planning.caps import Cap, parse_rate
from engine.planning.durations import exact_duration, format_duration, parse_duration
from storage.errors import UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND

MODES = ("human", "steady", "blast")
DISTRIBUTIONS = ("uniform", "lognormal")
LONGEST_GAP = 30 * DAY
MOST_AT_ONCE = 1_000


class Preset(NamedTuple):
    """A named blast: so many at once, a delay between rounds (us), and the word for its risk."""

    concurrency: int
    batch_delay: int
    risk: str


PRESETS = {
    "very_safe": Preset(5, 3 * SECOND, "very safe"),
    "recommended": Preset(10, 2 * SECOND, "recommended"),
    "aggressive": Preset(15, 1 * SECOND, "aggressive"),
    "risky": Preset(20, SECOND // 2, "risky"),
}


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


@dataclass(frozen=True, slots=True)
class Pacing:
    """How due times are spread.

    `human`: a random gap in [`gap_min`, `gap_max`] before every message. `steady`: `rate` messages, each moved
    within +- half of `jitter` times the interval, so that gaps differ by up to `jitter` and the mean is exact.
    `blast`: `concurrency` messages at once, `batch_delay` between rounds. Gaps and delays in microseconds.
    Raises UsageError that names the field.
    """

    mode: str = "blast"
    gap_min: int = 15 * MINUTE
    gap_max: int = 90 * MINUTE
    rate: Cap = Cap(60, MINUTE)  # noqa: RUF009 - frozen
    jitter: float = 0.1
    concurrency: int = 5
    batch_delay: int = 3 * SECOND
    distribution: str = "uniform"

    def __post_init__(self) -> None:
        _require(self.mode in MODES, "mode", f"one of {', '.join(MODES)}")
        _require(0 <= self.gap_min <= LONGEST_GAP, "gap_min", "between 0 and 30 days")
        _require(self.gap_max <= LONGEST_GAP, "gap_max", "at most 30 days")
        _require(self.gap_min <= self.gap_max, "gap_max", "not below gap_min")
        _require(0 <= self.jitter <= 1, "jitter", "between 0 and 1")
        _require(1 <= self.concurrency <= MOST_AT_ONCE, "concurrency", f"between 1 and {MOST_AT_ONCE}")
        _require(0 <= self.batch_delay <= LONGEST_GAP, "batch_delay", "between 0 and 30 days")
        _require(self.distribution in DISTRIBUTIONS, "distribution", f"one of {', '.join(DISTRIBUTIONS)}")

    @classmethod
    def preset(cls, name: str) -> Pacing:
        """A named blast pacing. Raises UsageError for an unknown name."""
        return cls.from_dict({"preset": name})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Pacing:
        """Read a pacing from a file, a flag or the store.

        Keys are the fields, and `preset` for a named blast (other fields override it). Durations are text
        ("15m", "500ms") or integer microseconds, the rate is text ("60/min"). `mode` may be missing only with a
        preset or when nothing is given at all: a forgotten mode must not turn slow pacing into a blast.
        Raises UsageError that names the field.
        """
        given = dict(data)
        values: dict[str, Any] = {}
        if (name := given.pop("preset", None)) is not None:
            key = str(name).strip().lower().replace(" ", "_").replace("-", "_")
            _require(key in PRESETS, "preset", f"one of {', '.join(PRESETS)}")
            _require(given.get("mode", "blast") == "blast", "preset", "used with mode blast only")
            values = {
                "mode": "blast",
                "concurrency": PRESETS[key].concurrency,
                "batch_delay": PRESETS[key].batch_delay,
            }
        _require(not given or bool(values) or "mode" in given, "mode", f"given: one of {', '.join(MODES)}")
        for key, value in given.items():
            _require(key in _READERS, key[:40], "left out: there is no such setting")
            values[key] = _READERS[key](value, key)
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values, exact: `from_dict` gives an equal pacing back."""
        return {
            "mode": self.mode,
            "gap_min": exact_duration(self.gap_min),
            "gap_max": exact_duration(self.gap_max),
            "rate": str(self.rate),
            "jitter": self.jitter,
            "concurrency": self.concurrency,
            "batch_delay": exact_duration(self.batch_delay),
            "distribution": self.distribution,
        }

    @property
    def risk(self) -> str:
        """The risk word of the preset that this blast equals, "" otherwise."""
        same = (p.risk for p in PRESETS.values() if p[:2] == (self.concurrency, self.batch_delay))
        return next(same, "") if self.mode == "blast" else ""

    def describe(self) -> str:
        """One line for a person: "human: one every 15-90 min", "blast: 10 at once, 2s between rounds (recommended)"."""
        if self.mode == "human":
            shape = ", log-normal" if self.distribution == "lognormal" else ""
            return f"human: one every {_span(self)}{shape}"
        if self.mode == "steady":
            return f"steady: {self.rate}, +-{self.jitter * 100:g} %"
        risk = f" ({self.risk})" if self.risk else ""
        return f"blast: {self.concurrency} at once, {format_duration(self.batch_delay)} between rounds{risk}"


def plan(pacing: Pacing, n: int, *, start: int, seed: int, offset: int = 0) -> Iterator[Slot]:
    """Yield `n` slots of the one endless plan that `pacing`, `start` and `seed` define, from slot `offset` on.

    Lazy: a writer of slices takes `itertools.islice` of one iterator, or asks again with the same start and a
    larger `offset` (the skipped gaps are drawn again, about 0.3 us each). Due times never go back. `human` and
    `steady` include the first gap; the first round of a `blast` is due at `start`, but its leader carries the
    delay as its gap, so that a resumed queue still keeps its distance from what it started before.
    """
    if n < 0 or offset < 0:
        raise ValueError("a plan needs n >= 0 and offset >= 0")
    slots = _MODES[pacing.mode](pacing, start, random.Random(seed))  # noqa: S311 - a plan must repeat
    for _ in range(offset):
        next(slots)
    for _ in range(n):
        yield next(slots)


def estimate(
    pacing: Pacing,
    n: int,
    *,
    start: int,
    seed: int,
    service_time_us: int = 0,
    concurrency: int | None = None,
    least: int = 0,
) -> Estimate:
    """When `n` messages finish, as a range.

    `service_time_us` is the time one message takes to be sent, `concurrency` how many the queue sends at once
    (None: the pacing's own), `least` the time that the account's own ceilings need (`caps.least_time`); they matter
    where they are slower than the pacing. What a cap has used already, and windows, are the forecast's.
    """
    if n <= 0:
        return Estimate(start, start, start, "nothing to send")
    first = next(plan(pacing, 1, start=start, seed=seed)).due_at
    at_once = max(1, concurrency or pacing.concurrency)
    low, high = _bounds(pacing, n, service_time_us, at_once)
    capacity = -(-n // at_once) * service_time_us
    bound = max(capacity, least)
    limits = " (the account's limits)" if least > high else ""
    low, high = max(low, bound), max(high, bound)
    text = f"{n} at {_span(pacing)} takes {_range_text(low, high)}{limits}"
    return Estimate(first, start + low, start + high, text)


def _human(pacing: Pacing, start: int, rng: random.Random) -> Iterator[Slot]:
    low, high, due = pacing.gap_min, pacing.gap_max, start
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
        due += gap
        yield Slot(due, gap)


def _steady(pacing: Pacing, start: int, rng: random.Random) -> Iterator[Slot]:
    n, period = pacing.rate.n, pacing.rate.period
    reach = pacing.jitter * period / n / 2
    due, tick = start, 0
    while True:
        tick += 1
        moved = start + tick * period // n + int((2 * rng.random() - 1) * reach)
        gap = max(0, moved - due)
        due += gap
        yield Slot(due, gap)


def _blast(pacing: Pacing, start: int, rng: random.Random) -> Iterator[Slot]:
    due = start
    while True:
        yield Slot(due, pacing.batch_delay)
        for _ in range(pacing.concurrency - 1):
            yield Slot(due, 0)
        due += pacing.batch_delay


_MODES = {"human": _human, "steady": _steady, "blast": _blast}


def _bounds(pacing: Pacing, n: int, service: int, concurrency: int) -> tuple[int, int]:
    if pacing.mode == "human":
        return n * pacing.gap_min + service, n * pacing.gap_max + service
    if pacing.mode == "steady":
        middle = n * pacing.rate.period // pacing.rate.n + service
        reach = int(pacing.jitter * pacing.rate.period / pacing.rate.n / 2)
        return max(middle - reach, 0), middle + reach
    rounds = -(-n // pacing.concurrency)
    work = -(-pacing.concurrency // concurrency) * service
    return (rounds - 1) * pacing.batch_delay + work, (rounds - 1) * (pacing.batch_delay + work) + work


def _span(pacing: Pacing) -> str:
    if pacing.mode == "steady":
        return str(pacing.rate)
    if pacing.mode == "blast":
        return f"{pacing.concurrency} every {format_duration(pacing.batch_delay)}"
    low, high = pacing.gap_min, pacing.gap_max
    if low == high:
        return format_duration(low)
    for word, size in (("d", DAY), ("h", HOUR), ("min", MINUTE), ("s", SECOND)):
        if low % size == 0 and high % size == 0:
            return f"{low // size}-{high // size} {word}"
    return f"{format_duration(low)}-{format_duration(high)}"


def _range_text(low: int, high: int) -> str:
    for word, size in (("days", DAY), ("hours", HOUR), ("minutes", MINUTE), ("seconds", SECOND)):
        if low and low < high <= 99 * size and low % size == 0 and high % size == 0:
            return f"{low // size} to {high // size} {word}"
    one, two = format_duration(low), format_duration(high)
    return one if one == two else f"{one} to {two}"


def _require(holds: bool, field: str, needed: str) -> None:
    if not holds:
        raise UsageError(f"pacing.{field}: must be {needed}")


def _text(value: Any, field: str) -> str:
    _require(isinstance(value, str), field, "text")
    return str(value).strip().lower()


def _duration(value: Any, field: str) -> int:
    if isinstance(value, str):
        return parse_duration(value, field=f"pacing.{field}")
    return _whole(value, field, "a duration such as 15m, or microseconds")


def _whole(value: Any, field: str, needed: str = "a whole number") -> int:
    _require(isinstance(value, int) and not isinstance(value, bool), field, needed)
    return int(value)


def _share(value: Any, field: str) -> float:
    _require(isinstance(value, int | float) and not isinstance(value, bool), field, "a number between 0 and 1")
    return float(value)


def _rate(value: Any, field: str) -> Cap:
    return parse_rate(_text(value, field), field=f"pacing.{field}")


_READERS = {
    "mode": _text,
    "gap_min": _duration,
    "gap_max": _duration,
    "rate": _rate,
    "jitter": _share,
    "concurrency": _whole,
    "batch_delay": _duration,
    "distribution": _text,
}
