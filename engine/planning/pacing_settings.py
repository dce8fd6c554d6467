"""What can be set about pacing: modes, figures, presets; as it is written and read. Integer microseconds."""

from __future__ import annotations

from collections.abc import Mapping
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
MOST_IN_A_ROW = 100_000
PLAIN_RATE = Cap(60, MINUTE)


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

PROVIDERS: dict[str, dict[str, Any]] = {
    "gmail": {"mode": "blast", "concurrency": 5, "batch_delay": 3 * SECOND},
    "workspace": {"mode": "blast", "concurrency": 10, "batch_delay": 2 * SECOND},
    "linkedin_free": {"mode": "human", "gap_min": 15 * MINUTE, "gap_max": 90 * MINUTE},
    "linkedin_paid": {"mode": "human", "gap_min": 15 * MINUTE, "gap_max": 90 * MINUTE},
    "cold": {"mode": "steady", "rate": Cap(2, MINUTE)},
}
"""The pace that a provider bears. How much it takes in a day is a cap of the account, not of a campaign's pacing."""

QUOTAS: dict[str, tuple[str, ...]] = {
    "gmail": ("400/day",),
    "workspace": ("1500/day",),
    "linkedin_free": ("10/day", "80/week"),
    "linkedin_paid": ("20/day", "100/week"),
    "cold": ("30/day",),
}
"""What a provider takes, with room to spare: the caps that an account there should have."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """How due times are spread.

    `human`: a random gap in [`gap_min`, `gap_max`] before every message, and `rest` more after every `burst` messages
    (0: no rests). `steady`: `rate` messages, each moved within +- half of `jitter` times the interval, so that gaps
    differ by up to `jitter` and the mean is exact; with `spread` the account's cap of a day, evenly over the open time
    of each day, instead of a rate. `blast`: `concurrency` messages at once, `batch_delay` between rounds. Gaps, rests
    and delays in microseconds. Raises UsageError that names the field.
    """

    mode: str = "blast"
    gap_min: int = 15 * MINUTE
    gap_max: int = 90 * MINUTE
    rate: Cap = PLAIN_RATE
    jitter: float = 0.1
    concurrency: int = 5
    batch_delay: int = 3 * SECOND
    distribution: str = "uniform"
    burst: int = 0
    rest: int = 0
    spread: bool = False

    def __post_init__(self) -> None:
        _require(self.mode in MODES, "mode", f"one of {', '.join(MODES)}")
        _require(0 <= self.gap_min <= LONGEST_GAP, "gap_min", "between 0 and 30 days")
        _require(self.gap_max <= LONGEST_GAP, "gap_max", "at most 30 days")
        _require(self.gap_min <= self.gap_max, "gap_max", "not below gap_min")
        _require(0 <= self.jitter <= 1, "jitter", "between 0 and 1")
        _require(1 <= self.concurrency <= MOST_AT_ONCE, "concurrency", f"between 1 and {MOST_AT_ONCE}")
        _require(0 <= self.batch_delay <= LONGEST_GAP, "batch_delay", "between 0 and 30 days")
        _require(self.distribution in DISTRIBUTIONS, "distribution", f"one of {', '.join(DISTRIBUTIONS)}")
        _require(0 <= self.burst <= MOST_IN_A_ROW, "burst", f"between 0 and {MOST_IN_A_ROW:,}")
        _require(0 <= self.rest <= LONGEST_GAP, "rest", "between 0 and 30 days")
        _require(bool(self.burst) == bool(self.rest), "rest", "given together with burst: burst = 5, rest = 30m")
        _require(not self.burst or self.mode == "human", "burst", "used with mode human only")
        _require(not self.spread or self.mode == "steady", "spread", "used with mode steady only")
        _require(not self.spread or self.rate == PLAIN_RATE, "rate", "left out with spread: the day's cap is the rate")

    @classmethod
    def preset(cls, name: str) -> Pacing:
        """A named pacing. Raises UsageError for an unknown name."""
        return cls.from_dict({"preset": name})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Pacing:
        """Read a pacing from a file, a flag or the store.

        Keys are the fields, and `preset` for a named pacing (other fields override it). Durations are text
        ("15m", "500ms") or integer microseconds, the rate is text ("60/min"). `mode` may be missing only with a
        preset or when nothing is given at all: a forgotten mode must not turn slow pacing into a blast.
        Raises UsageError that names the field.
        """
        given = dict(data)
        values: dict[str, Any] = {}
        if (name := given.pop("preset", None)) is not None:
            values = _preset(name)
            _require(
                given.get("mode", values["mode"]) == values["mode"], "preset", f"used with mode {values['mode']} only"
            )
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
            "burst": self.burst,
            "rest": exact_duration(self.rest),
            "spread": self.spread,
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
            rests = f", {format_duration(self.rest)} more after every {self.burst}" if self.burst else ""
            return f"human: one every {self.figures()}{shape}{rests}"
        if self.mode == "steady":
            return f"steady: {self.figures()}, +-{self.jitter * 100:g} %"
        risk = f" ({self.risk})" if self.risk else ""
        return f"blast: {self.concurrency} at once, {format_duration(self.batch_delay)} between rounds{risk}"

    def figures(self) -> str:
        """The pace in few words: "15-90 min", "60/min", "10 every 2s"."""
        if self.mode == "steady":
            return "the day's cap over the open time" if self.spread else str(self.rate)
        if self.mode == "blast":
            return f"{self.concurrency} every {format_duration(self.batch_delay)}"
        low, high = self.gap_min, self.gap_max
        if low == high:
            return format_duration(low)
        for word, size in (("d", DAY), ("h", HOUR), ("min", MINUTE), ("s", SECOND)):
            if low % size == 0 and high % size == 0:
                return f"{low // size}-{high // size} {word}"
        return f"{format_duration(low)}-{format_duration(high)}"


def _preset(name: Any) -> dict[str, Any]:
    key = str(name).strip().lower().replace(" ", "_").replace("-", "_")
    _require(key in PRESETS or key in PROVIDERS, "preset", f"one of {', '.join((*PRESETS, *PROVIDERS))}")
    if key in PROVIDERS:
        return dict(PROVIDERS[key])
    return {"mode": "blast", "concurrency": PRESETS[key].concurrency, "batch_delay": PRESETS[key].batch_delay}


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


def _yes(value: Any, field: str) -> bool:
    _require(isinstance(value, bool), field, "true or false")
    return bool(value)


_READERS = {
    "mode": _text,
    "gap_min": _duration,
    "gap_max": _duration,
    "rate": _rate,
    "jitter": _share,
    "concurrency": _whole,
    "batch_delay": _duration,
    "distribution": _text,
    "burst": _whole,
    "rest": _duration,
    "spread": _yes,
}
