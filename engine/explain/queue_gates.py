"""The gates that belong to a queue: its limits, its breaker, and the engine that serves it."""

from __future__ import annotations

from collections.abc import Iterator

from engine.explain.facts import EngineFacts, QueueFacts, Row
from engine.explain.model import Gate, idle, shut, until
from engine.planning.caps import Cap
from engine.planning.durations import format_duration
from storage.dispatch import after
from storage.limits import Ceiling, frees_at

_STOPPED = {"paused": "is paused", "restricted": "is restricted by its provider"}


def caps(queue: QueueFacts, now: int) -> Iterator[Gate]:
    """Every cap with what is used of it, and the step of a warm-up."""
    for cap, use in zip(queue.gate.caps, queue.caps, strict=True):
        yield _cap("cap", "cap", cap, use, now)
    if (step := queue.warmup) is not None:
        yield _cap("warm-up", f"warm-up day {step['day']},", step["cap"], step, now)


def _cap(name: str, words: str, cap: Ceiling, use: Row, now: int) -> Gate:
    period = str(Cap(1, cap.period, bool(cap.until))).partition("/")[2] if name == "cap" else "today"
    opens = frees_at(cap, use["nth"], now) if use["nth"] is not None else 0
    full = opens > now
    used = cap.n if full else min(use["used"], cap.n)
    numbers = {"used": used, "n": cap.n, "period_us": cap.period, "calendar": bool(cap.until)}
    if name == "warm-up":
        numbers["day"] = use["day"]
    text = f"{used:,}/{cap.n:,} {period}"
    return until(name, opens, now, f"{words} full {text}", f"{words} {text}", then="next slot", numbers=numbers)


def minimum_gap(queue: QueueFacts, now: int) -> Gate:
    """The queue's own distance between any two starts."""
    gap = queue.gate.min_gap << queue.row["throttle"]
    if not gap:
        return idle("minimum gap", "the queue keeps no minimum gap")
    words = f"minimum gap of the queue, {format_duration(gap)}"
    opens = after(queue.row["last_start"], gap, now)
    return until("minimum gap", opens, now, words, words, then="next slot", numbers={"gap_us": gap})


def places(queue: QueueFacts) -> Gate:
    """The queue's concurrency, less what trouble has taken."""
    busy, most = queue.row["in_flight"], queue.places
    numbers = {"in_flight": busy, "places": most, "concurrency": queue.limits.concurrency}
    if busy >= most:
        return shut("queue places", f"all {most} places of the queue are taken", numbers=numbers)
    return Gate("queue places", f"{busy} of {most} places of the queue are taken", numbers=numbers)


def breaker(queue: QueueFacts, now: int) -> Gate:
    """The state of the queue: ready, cooling, probing, or stopped until a person has looked."""
    row, name = queue.row, queue.name
    why = row["reason"]
    numbers = {"state": row["state"], "step": row["cooling_step"]}
    match row["state"]:
        case "ready":
            return Gate("breaker", "the queue is ready", numbers=numbers)
        case "cooling":
            step = f" (step {row['cooling_step']})" if row["cooling_step"] else ""
            return until(
                "breaker", row["until_at"] or 0, now, f"queue {name} cools{step}",
                "the queue has cooled: the next message is the probe", then="next try", numbers=numbers, detail=why,
            )  # fmt: skip
        case "probing":
            if row["in_flight"]:
                return shut("breaker", f"queue {name} waits for what became of its probe", numbers=numbers, detail=why)
            return Gate("breaker", "the next message is the probe", numbers=numbers, detail=why)
        case stopped:
            words = f"queue {name} {_STOPPED.get(stopped, 'needs attention')}"
            return shut(
                "breaker", words, since=row["updated_at"], person=True, action="queue.resume",
                remedy=f"paceline queue resume {name}", numbers=numbers, detail=why,
            )  # fmt: skip


def rate(queue: QueueFacts) -> Gate:
    """Whether trouble has halved the rate. It holds nothing by itself: it makes gaps longer and caps smaller."""
    times = queue.row["throttle"]
    if not times:
        return idle("rate", "the queue goes at its full rate")
    words = f"trouble has slowed the queue to 1/{2**times} of its rate: longer gaps, smaller caps"
    return Gate("rate", words, since=queue.row["throttled_at"], numbers={"halved": times})


def engine(facts: EngineFacts, account: str) -> Gate:
    """Whether an engine serves this account now."""
    if not facts.has(account):
        return shut(
            "engine", f"account {account} is no longer in the configuration", person=True,
            remedy=f"put [accounts.{account}] back, then paceline engine reload",
        )  # fmt: skip
    if not facts.runs:
        return shut(
            "engine",
            "no engine runs, so nothing is sent",
            person=True,
            action="engine.start",
            remedy="paceline engine run",
        )
    if not facts.sends:
        return shut(
            "engine", "the engine that runs does background jobs only", person=True, remedy="paceline engine run"
        )
    return going(facts, (facts.queues or {}).get(account, {}).get("trouble") or "")


def going(facts: EngineFacts, trouble: str) -> Gate:
    """Whether an engine that runs begins anything now; `trouble` is the last one of the queue."""
    if facts.paused:
        return shut(
            "engine", "everything is paused", person=True, action="engine.resume", remedy="paceline engine resume"
        )
    if facts.draining:
        return shut("engine", "the engine drains and ends", person=True, remedy="paceline engine run")
    if facts.trouble:
        return shut("engine", f"the store cannot be written: {facts.trouble}")
    return Gate("engine", f"an engine runs; its last trouble: {trouble}" if trouble else "an engine runs")
