"""A queue's limits as `queue list` and `queue show` tell them: what holds, what was tuned, how full each cap is."""

from __future__ import annotations

from typing import Any

from engine.accounts import Account
from engine.planning.limits import Limits
from storage.queue_facts import caps_used
from storage.reader import Reader
from tui.cli.output import Json, dated
from tui.limit_words import limit_rows, period_of, tuned_names


def limits_json(reader: Reader, row: Json | None, account: Account | None, zone: str, now: int) -> Json:
    """What a queue may do now (times in us): of its account with what was tuned, or, of an account that is gone, as an
    engine last wrote it. `row` is None for a queue that the store does not know yet."""
    configured = account.limits(zone) if account else None
    tuning = row["tuning"] if row else {}
    limits = configured.tuned(tuning) if configured else Limits.from_dict(row["limits"] if row else {})
    used = caps_used(reader, row["id"], limits.ceilings(now), now) if row else []
    return {
        "concurrency": limits.concurrency,
        "min_gap": limits.min_gap // 1_000_000,
        "caps": [str(cap) for cap in limits.caps],
        "limits": limits.to_dict(),
        "tuning": tuning,
        "tuned": tuned_names(limits, configured, tuning),
        "caps_used": [dated({"cap": f"{cap['n']}/{period_of(cap)}", **cap}) for cap in used],
    }


def limit_pairs(row: Json, account: Account | None, zone: str) -> list[tuple[str, Any]]:
    """The limits of one queue, one a line, each with where it comes from."""
    configured = account.limits(zone) if account else None
    found: list[tuple[str, Any]] = []
    for limit in limit_rows(Limits.from_dict(row["limits"]), configured, row["tuning"]):
        source = f" ({limit.source})" if limit.tuned else ""
        found.append((limit.label, f"{limit.words or 'none'}{source}" if limit.words or source else ""))
    used = ", ".join(f"{cap['used']:,} of {cap['n']:,}/{period_of(cap)}" for cap in row["caps_used"])
    return [*found, ("used", used)]
