"""The queues of a campaign's accounts: their state, and the caps that stretch or hold up its messages."""

from __future__ import annotations

from collections.abc import Iterable

from engine.planning.caps import least_time
from engine.planning.durations import format_duration
from engine.planning.pacing import estimate
from engine.preflight.findings import Finding, ok, refuses, warns
from engine.preflight.subject import Subject
from storage.model import DAY, HOUR, MINUTE, SECOND

_STATES = {
    "paused": "is paused",
    "needs_attention": "waits for a person",
    "restricted": "is restricted by its provider",
}


def state(subject: Subject) -> Iterable[Finding]:
    """Whether the queue would send: who stopped it, or what its breaker waits for."""
    row, name = subject.queue, subject.campaign.account
    reason = f": {row['reason']}" if row["reason"] else ""
    fix = f"paceline queue resume {name}"
    if words := _STATES.get(row["state"]):
        yield warns("queue", f"queue {name} {words}{reason}{_who(subject)}", fix)
    elif row["state"] == "cooling":
        waits = max(0, (row["until_at"] or 0) - subject.now)
        again = f"it tries one message again in {format_duration(-(-waits // SECOND) * SECOND)}"
        yield warns("queue", f"queue {name} cools{reason}; {again}{_who(subject)}", f"wait, or: {fix}")
    elif row["state"] == "probing":
        yield warns("queue", f"queue {name} tries one message at a time after trouble{_who(subject)}", "wait")
    if times := row["throttle"]:
        words = f"trouble has slowed queue {name} to 1/{2**times} of its rate: longer gaps, smaller caps"
        yield warns("queue", f"{words}{_who(subject)}", "it comes back by itself while its messages are taken")


def _who(subject: Subject) -> str:
    """Which messages go through the queue, where that is not all of them."""
    places = [str(step.position) for step in subject.steps]
    if len(subject.row["accounts"]) < 2 or not places:
        return ""
    several = len(subject.row["steps"]) > 1
    parts = [f"{subject.share:,} message{'s' if subject.share > 1 else ''} of a start"] * bool(subject.share)
    parts += [f"step{'s' if len(places) > 1 else ''} {' and '.join(places)}"] * several
    return f" ({', '.join(parts)})" if parts else ""


def caps(subject: Subject) -> Iterable[Finding]:
    """Caps of the account that stretch the messages beyond what the pacing takes, a warm-up among them."""
    n, limits, name = subject.share, subject.limits, subject.campaign.account
    if limits is None or not n:
        return
    campaign, spread = subject.campaign, limits.cap_a_day if subject.pacing.spread else 0
    if subject.pacing.spread and not spread:
        fix = f"give account {name} a daily_cap in {subject.in_settings}"
        yield refuses("caps", f"the pacing spreads the day's cap, and account {name} has no cap a day", fix)
        return
    at_once = min(campaign.concurrency, limits.concurrency)
    alone = estimate(subject.pacing, n, start=subject.now, seed=campaign.seed, concurrency=at_once, spread=spread)
    enough = max(alone.last_high - subject.now, SECOND)
    waits = [(f"the cap {cap} of account {name}", least_time(n, min_gap=0, caps=[cap])) for cap in limits.caps]
    if limits.warmup is not None:
        waits.append((f"the warm-up {limits.warmup.describe()},", (limits.warmup.days(n) - 1) * DAY))
    binding = [(what, takes) for what, takes in waits if takes > enough]
    for what, takes in binding:
        length = f"{takes // DAY + 1} days" if takes >= DAY else format_duration(takes)
        fix = f"fewer people, another account, or a higher limit in {subject.in_settings}"
        yield warns("caps", f"{what} stretches {n:,} messages over {length}", fix)
    if waits and not binding:
        words = ", ".join(map(str, limits.caps)) or "the warm-up"
        yield ok("caps", f"{subject.whose}{words}: no cap holds it up")


def spent_caps(subject: Subject) -> Iterable[Finding]:
    """Caps that earlier messages have used up: nothing of this campaign leaves before they have room again. A cap that
    allows nothing at all cannot be configured or tuned."""
    for name, cap, frees_at in subject.spent:
        if (waits := frees_at - subject.now) >= HOUR and subject.people.to_send:
            message = f"the cap {cap} of account {name} is spent: nothing leaves through it for another"
            fix = f"wait, use another account, or raise it: paceline queue tune {name} --cap"
            yield warns("caps_spent", f"{message} {format_duration(waits // MINUTE * MINUTE)}", fix)
