"""The figures of a campaign's report, the same for the command line, the console and files.

Every rate is `{n, of, percent}`: of how many, and of what, never a percentage alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from engine.planning.pacing import Pacing
from storage import people_page, report_facts
from storage.filter_sql import exactly
from storage.filter_terms import Filter
from storage.model import DAY, HOUR, MINUTE, SECOND, OutcomeClass
from storage.reader import STATES, Reader
from tui.failure_groups import groups
from tui.pace import wanted

Row = dict[str, Any]

DOMAINS = 10
UNCERTAIN = 10
HOURS = 2 * DAY
"""Up to so long a run is told by hours, beyond by days."""
_SUMMED = ("n", "tried", "attempts", "reached", "on_time", "late")
_ENDS = (("first_sent", min), ("last_sent", max), ("first_due", min), ("last_due", max), ("latest", max))


def report(reader: Reader, name: str, zone: tzinfo, now: int, *, most: int | None = None) -> Row:
    """The report of one campaign at a moment (us); its days are those of `zone`. `most`: of so many messages at most
    are parts (steps, accounts, domains) and pace told. Raises NotFoundError.

    Times are microseconds UTC by names that `dated` knows.
    """
    campaign = reader.campaign(name)
    counts = campaign["counts"]
    parts = _Parts()
    for rows in report_facts.messages(reader, campaign["id"], steps=len(campaign["steps"]), most=most):
        parts.add(rows)
    by_domain: dict[str, Counter[str]] = {}
    for rows in report_facts.domains(reader, campaign["id"], most=most):
        for row in rows:
            by_domain.setdefault(row["domain"], Counter())[row["state"]] += row["n"]
    ended = report_facts.outcomes(reader, campaign["id"], campaign["started_at"] or campaign["created_at"])
    stopped = report_facts.stopped(reader, campaign["id"])
    reasons, _ = groups(reader, _of(name), now)
    accepted = counts["completed"] + counts["bounced"]
    every = parts.every
    # With one step whom a message reached is who was sent one, and the counters know of all.
    reached = accepted if len(campaign["steps"]) <= 1 else every["reached"] if every["n"] == campaign["total"] else None
    return {
        "campaign": name,
        "state": campaign["state"],
        "channel": campaign["channel"],
        "read_at": now,
        "people": people_page.total(reader, campaign["id"]),
        "total": campaign["total"],
        "counts": {state: counts[state] for state in STATES},
        "looked_through": every["n"],
        "rates": {
            "sent": rate(accepted, campaign["total"]),
            "accepted": rate(every["accepted"], every["tried"]),
            "failed": rate(counts["failed"], campaign["total"]),
            "bounced": rate(counts["bounced"], accepted),
            "replied": rate(stopped.get("replied", 0), reached),
            "unsubscribed": rate(stopped.get("unsubscribed", 0), reached),
            "uncertain": rate(counts["uncertain"], campaign["total"]),
            "on_time": rate(every["on_time"], every["accepted"]),
        },
        "stopped": stopped,
        "attempts": _attempts(ended),
        "reasons": [
            {**{key: reason[key] for key in _REASON}, "of_messages": rate(reason["n"], campaign["total"])}
            for reason in reasons
        ],
        "steps": _steps(parts, campaign["steps"]),
        "accounts": _accounts(parts, reader),
        "domains": _part(by_domain, DOMAINS),
        "domains_in_all": len(by_domain),
        "timeline": _timeline(ended, zone),
        "times": _times(campaign, every, now),
        "pace": _pace(campaign, every),
        "uncertain": report_facts.uncertain(reader, campaign["id"], UNCERTAIN),
    }


_REASON = ("error_key", "n", "kind", "retry", "failed", "uncertain", "held", "pending", "advice", "sample")


def rate(n: int, of: int | None) -> Row:
    """A part of something; None percent of nothing, and of what was not counted (None)."""
    return {"n": n, "of": of, "percent": round(100 * n / of, 1) if of else None}


def figures(found: Row) -> Iterator[Row]:
    """Every rate of a report as a row: `{part, name, figure, n, of, percent}`."""
    for figure, one in found["rates"].items():
        yield {"part": "campaign", "name": found["campaign"], "figure": figure, **one}
    for reason in found["reasons"]:
        yield {"part": "reason", "name": reason["error_key"], "figure": "messages", **reason["of_messages"]}
    for part in ("step", "account", "domain"):
        for one in found[f"{part}s"]:
            for figure in ("sent", "failed", "bounced"):
                yield {"part": part, "name": one["name"], "figure": figure, **one[figure]}


def _of(name: str) -> Filter:
    return Filter((exactly("campaign", name),))


class _Parts:
    """Sums of messages: all, by step, by account."""

    def __init__(self) -> None:
        self.every = _new()
        self.steps: dict[int, Row] = {}
        self.accounts: dict[int, Row] = {}

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            _sum(self.every, row)
            _sum(self.steps.setdefault(row["step_id"], _new()), row)
            _sum(self.accounts.setdefault(row["queue_id"], _new()), row)


def _new() -> Row:
    return {**dict.fromkeys(_SUMMED, 0), "accepted": 0, "states": Counter(), **dict.fromkeys(dict(_ENDS))}


def _sum(into: Row, row: Row) -> None:
    for name in _SUMMED:
        into[name] += row[name]
    into["states"][row["state"]] += row["n"]
    into["accepted"] += row["n"] if row["state"] in ("completed", "bounced") else 0
    for name, end in _ENDS:
        if row[name] is not None:
            into[name] = row[name] if into[name] is None else end(into[name], row[name])


def _figures(states: Counter[str]) -> Row:
    accepted, every = states["completed"] + states["bounced"], states.total()
    return {
        "total": every,
        "sent": rate(accepted, every),
        "failed": rate(states["failed"], every),
        "bounced": rate(states["bounced"], accepted),
        "uncertain": states["uncertain"],
        "open": states["held"] + states["pending"] + states["processing"],
    }


def _part(parts: dict[str, Counter[str]], most: int | None = None) -> list[Row]:
    """The largest parts first."""
    ranked = sorted(parts.items(), key=lambda entry: (-entry[1].total(), entry[0]))[:most]
    return [{"name": name, **_figures(states)} for name, states in ranked]


def _steps(parts: _Parts, steps: list[Row]) -> list[Row]:
    return [
        {
            "name": f"{step['position']}. {step['subject']}",
            **_figures(parts.steps.get(step["id"], _new())["states"]),
        }
        for step in steps
    ]


def _accounts(parts: _Parts, reader: Reader) -> list[Row]:
    names = {row["id"]: row["name"] for row in reader.rows("SELECT id, name FROM queues")}
    return _part({names[id]: sums["states"] for id, sums in parts.accounts.items()})


def _attempts(ended: list[Row]) -> Row:
    """Attempts that ended, by outcome, and how long one took."""
    outcomes: Counter[str] = Counter()
    for row in ended:
        outcomes[row["outcome"]] += row["n"]
    n, took = outcomes.total(), sum(row["duration"] for row in ended)
    return {"total": n, "outcomes": dict(outcomes.most_common()), "mean_seconds": took / n / SECOND if n else None}


def _timeline(ended: list[Row], zone: tzinfo) -> Row:
    """Attempts by hour or by day of a zone; what lies between two that had some is told too, up to a day of hours."""
    if not ended:
        return {"unit": "hour", "parts": []}
    unit = "hour" if ended[-1]["at"] - ended[0]["at"] < HOURS else "day"
    parts: dict[int, Row] = {}
    for row in ended:
        at = _begin(row["at"], unit, zone)
        part = parts.setdefault(at, {"at": at, "sent": 0, "failed": 0, "other": 0})
        known = {OutcomeClass.ACCEPTED: "sent", OutcomeClass.PERMANENT: "failed", OutcomeClass.CONTENT: "failed"}
        part[known.get(row["outcome"], "other")] += row["n"]
    return {"unit": unit, "parts": list(parts.values())}


def _begin(at: int, unit: str, zone: tzinfo) -> int:
    """Where the hour or day of a time begins there. An hour is the one since it struck, also where clocks change."""
    local = datetime.fromtimestamp(at / SECOND, UTC).astimezone(zone)
    if unit == "day":
        return round(local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp()) * SECOND
    return at - round(timedelta(minutes=local.minute).total_seconds()) * SECOND


def _times(campaign: Row, every: Row, now: int) -> Row:
    begun = campaign["started_at"]
    ended = campaign["completed_at"] or campaign["cancelled_at"] or now
    return {
        "created_at": campaign["created_at"],
        "started_at": begun,
        "first_sent_at": every["first_sent"],
        "last_sent_at": every["last_sent"],
        "completed_at": campaign["completed_at"],
        "cancelled_at": campaign["cancelled_at"],
        "elapsed_seconds": (ended - begun) / SECOND if begun else None,
        "executions": len(campaign["executions"]),
    }


def _pace(campaign: Row, every: Row) -> Row:
    """Planned against actual. `wanted_per_hour` is what the pacing means to reach (None: only the account's limits
    bound it), `sent_per_hour` what was reached between the first and the last that was accepted."""
    speed, accepted = wanted(campaign["pacing"]), every["accepted"]
    span = every["last_sent"] - every["first_sent"] if accepted > 1 else 0
    return {
        "pacing": Pacing.from_dict(campaign["pacing"]).describe(),
        "wanted_per_hour": None if speed is None else round(speed * HOUR / MINUTE, 1),
        "sent_per_hour": round((accepted - 1) * HOUR / span, 1) if span else None,
        "first_due_at": every["first_due"],
        "last_due_at": every["last_due"],
        "mean_late_seconds": every["late"] / accepted / SECOND if accepted else None,
        "latest_by_seconds": max(0, every["latest"]) / SECOND if accepted else None,
    }
