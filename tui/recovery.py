"""How far a queue is back after trouble: the step of its ladder and the next probe, its rate, its places. Pure; times
in microseconds UTC."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Row = Mapping[str, Any]


def is_slowed(row: Row) -> bool:
    """Whether its rate is halved, or the engine gives it fewer places than its limit."""
    return bool(row["throttle"]) or bool(places_text(row["engine"]))


def breaker_text(row: Row, when: Callable[[int], str]) -> str:
    """`closed`, or the step of the ladder with the next probe; `when` words a time."""
    step = row["cooling_step"]
    if row["state"] == "cooling" and row["until_at"] is not None:
        return f"step {step}, probe {when(row['until_at'])}"
    if row["state"] == "probing":
        return f"step {step}, the next message is the probe"
    return f"step {step}" if step else "closed"


def rate_text(row: Row, when: Callable[[int], str]) -> str:
    """`1/4 since 14:02, full after 60 good answers`; "" at its full rate."""
    throttle = row["throttle"]
    if not throttle:
        return ""
    from engine.feedback import GOOD_FOR_RATE  # only of a queue in trouble

    since = f" since {when(row['throttled_at'])}" if row["throttled_at"] is not None else ""
    return f"1/{2**throttle}{since}, full after {throttle * GOOD_FOR_RATE} good answers"


def places_text(engine: Row) -> str:
    """`5 of its 10 places` while trouble has taken some; else "". `engine`: what its status says of the queue."""
    most = engine.get("concurrency", 0)
    places = engine.get("places", most)
    return f"{places} of its {most} places" if places < most else ""
