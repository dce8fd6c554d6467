"""A queue's limits for people: one row a limit, where it comes from, and the text by which it is set. Pure.

The command line and the console show the same rows; their names are those of the control action `queue.tune`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.planning.caps import Cap
from engine.planning.durations import exact_duration, format_duration
from engine.planning.limits import Limits

LABELS = {
    "rate": "rate",
    "concurrency": "at once",
    "min_gap": "minimum gap",
    "domain_gap": "gap per domain",
    "caps": "caps",
    "window": "window",
    "warmup": "warm-up",
}
"""Every limit that can be tuned, in the order in which it is told."""


class LimitRow(NamedTuple):
    """`name` as `queue.tune` calls it; `words` for people ("" where nothing is limited) and `typed` as it is given;
    `own` are the configuration's words where they differ, `tuned` whether it was set live."""

    name: str
    words: str
    typed: str
    tuned: bool
    own: str = ""

    @property
    def label(self) -> str:
        return LABELS[self.name]

    @property
    def source(self) -> str:
        """Where it comes from: "configured", "tuned; configured 60/min", "" for what nobody set."""
        if self.tuned:
            return f"tuned; configured {self.own or 'none'}"
        return "configured" if self.words else ""


def limit_rows(limits: Limits, configured: Limits | None, tuning: Mapping[str, Any]) -> list[LimitRow]:
    """Every limit as it holds now; `configured` is None where the configuration cannot be read."""
    now, own = _values(limits), _values(configured) if configured else {}
    found = []
    for name in LABELS:
        words, typed = now[name]
        before = own.get(name, ("", ""))[0]
        tuned = ("caps" if name == "rate" else name) in tuning and (configured is None or before != words)
        found.append(LimitRow(name, words, typed, tuned, before))
    return found


def tuned_names(limits: Limits, configured: Limits | None, tuning: Mapping[str, Any]) -> list[str]:
    """The labels of what was tuned live, for a listing; [] for nothing."""
    return [row.label for row in limit_rows(limits, configured, tuning) if row.tuned] if tuning else []


def period_of(cap: Mapping[str, Any]) -> str:
    """What a cap of `caps_used` counts over: "day", "week calendar"."""
    return str(Cap(1, cap["period"], bool(cap.get("calendar")))).partition("/")[2]


def _values(limits: Limits) -> dict[str, tuple[str, str]]:
    """(words, typed) of each limit."""
    rate = ", ".join(str(cap) for cap in limits.caps if cap.is_rate)
    caps = ", ".join(str(cap) for cap in limits.caps if not cap.is_rate)
    warmup = limits.warmup
    return {
        "rate": (rate, rate),
        "concurrency": (str(limits.concurrency), str(limits.concurrency)),
        "min_gap": _gap(limits.min_gap),
        "domain_gap": _gap(limits.domain_gap),
        "caps": (caps, caps),
        "window": (limits.window.describe(), limits.window.to_dict()["hours"]) if limits.window else ("", ""),
        "warmup": (warmup.describe(), str(warmup)) if warmup else ("", ""),
    }


def _gap(gap: int) -> tuple[str, str]:
    return (format_duration(gap), exact_duration(gap)) if gap else ("", "")
