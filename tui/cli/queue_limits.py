"""A queue's limits as `queue list` and `queue show` tell them: what holds, what was tuned, how full each cap is."""

from __future__ import annotations

from typing import Any

from engine.accounts import Account
from engine.planning.limits import Limits
from storage.queue_facts import caps_used
from storage.reader import Reader
from tui.cli.output import Json, dated
from tui.limit_words import limit_rows, period_of, tuned_names


def limits_json(
    reader: Reader, row: Json | None, account: Account | None, zone: str, now: int, *, places: int | None = None
) -> Json:
    """What a queue may do now (times in us): of its account with what was tuned, or, of an account that is gone, as an
    engine last wrote it. `row` is None for a queue that the store does not know yet; one of background jobs has no
    account, and so many of its jobs run at once as the configuration gives it `places`."""
    configured = account.limits(zone) if account else None
    tuning = row["tuning"] if row else {}
    limits = configured.tuned(tuning) if configured else Limits.from_dict(row["limits"] if row else {})
    used = caps_used(reader, row["id"], limits.ceilings(now), now) if row else []
    return {
        "concurrency": limits.concurrency if places is None else places,
        "min_gap": limits.min_gap // 1_000_000,
        "caps": [str(cap) for cap in limits.caps],
        "limits": limits.to_dict(),
        "configured_limits": configured.to_dict() if configured else None,
        "tuning": tuning,
        "tuned": tuned_names(limits, configured, tuning),
        "caps_used": [dated({"cap": f"{cap['n']}/{period_of(cap)}", **cap}) for cap in used],
    }


def limit_pairs(row: Json) -> list[tuple[str, Any]]:
    """The limits of one queue out of `limits_json`, one a line; what was tuned says so."""
    own = row["configured_limits"]
    configured = Limits.from_dict(own) if own else None
    found: list[tuple[str, Any]] = []
    for limit in limit_rows(Limits.from_dict(row["limits"]), configured, row["tuning"]):
        words = limit.words or ("none" if limit.tuned else "")
        found.append((limit.label, f"{words} ({limit.source})" if limit.tuned else words))
    used = ", ".join(f"{cap['used']:,} of {cap['cap']}" for cap in row["caps_used"])
    return [*found, ("used", used)]
