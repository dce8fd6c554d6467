"""How fast a campaign goes, how fast it is meant to go, and when it ends: one answer for every screen and command.
Pure; times in microseconds UTC."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.planning.caps import Cap, least_time
from engine.planning.pacing_settings import Pacing
from storage.model import HOUR, MINUTE, SECOND
from tui.format import count, per_minute, span, until

Row = Mapping[str, Any]

LEAST_RUN = 30 * SECOND
"""A run that is younger has no rate to speak of."""
LEAST_ENDED = 3
"""Fewer ends than this are no rate either: one message an hour may come at any minute."""


def speed_of(row: Row, now: int) -> float:
    """Messages accepted per minute over the last five, since the campaign last began or was resumed."""
    return per_minute(row["rates"], now, since=_since(row))


def wanted(pacing: Mapping[str, Any]) -> float | None:
    """Messages per minute that a pacing is meant to reach; None where only the account's limits bound it."""
    plan = Pacing.from_dict(pacing)
    if plan.spread:
        return None
    if plan.mode == "steady":
        return plan.rate.n * MINUTE / plan.rate.period
    if plan.mode == "human":
        if plan.distribution == "lognormal" and plan.gap_min:
            # The middle of the drawn gaps in the logarithm, as the planner draws them.
            gap = math.sqrt(plan.gap_min * plan.gap_max)
        else:
            gap = (plan.gap_min + plan.gap_max) / 2
        gap += plan.rest / plan.burst if plan.burst else 0
        return MINUTE / gap if gap else None
    return plan.concurrency * MINUTE / plan.batch_delay if plan.batch_delay else None


def ceiling(limits: Row, left: float = math.inf) -> float | None:
    """Messages per minute that an account's caps and minimum gap allow in the long run; None without any. A cap that
    has room for all that are `left` at once holds none of them up."""
    found = [n * MINUTE / period for n, period, *_ in limits.get("caps", ()) if n < left]
    if limits.get("min_gap"):
        found.append(MINUTE / limits["min_gap"])
    return min(found, default=None)


def meant(row: Row) -> float | None:
    """Messages per minute that a campaign is meant to reach, each of its accounts within its own limits (as
    `queue_facts.add_limits` gives them); None where nothing that is known bounds one of them, or nothing is left."""
    shares = row["shares"]
    limits = {
        share["account"]: {
            "caps": [(cap["n"], cap["period"]) for cap in share["caps"]],
            "min_gap": share["min_gap"],
        }
        for share in shares
    }
    return _together(((row["pacing"], share) for share in shares), limits)


def left_of(row: Row) -> int:
    """Messages of a campaign that will be sent without a person: waiting or in flight."""
    counts: Mapping[str, int] = row["counts"]
    return counts["pending"] + counts["processing"]


def limits_of(status: Row) -> dict[str, Any]:
    """What the engine's status says of each account's queue, by name; {} where none told."""
    return {row["queue"]: row for row in status.get("queues", ())}


def planned(campaigns: Iterable[Row], limits: Mapping[str, Row]) -> float | None:
    """Messages per minute that the active campaigns (with `shares` as `queue_facts.add_shares` gives them) are meant to
    reach together, each account by its own ceiling; None where one of them is bounded by nothing that is known, or none
    runs."""
    active = [row for row in campaigns if row["state"] == "active"]
    return _together(((row["pacing"], share) for row in active for share in row["shares"]), limits)


def _together(shares: Iterable[tuple[Mapping[str, Any], Row]], limits: Mapping[str, Row]) -> float | None:
    """What shares of campaigns, each with its pacing, come to: an account plans each of them by itself, side by side
    with the other accounts, and its own `limits` hold for all of them."""
    by_account: dict[str, tuple[float, int]] = {}
    for pacing, share in shares:
        speed, left = by_account.get(share["account"], (0.0, 0))
        more = wanted(pacing)
        by_account[share["account"]] = (speed + (math.inf if more is None else more), left + share["left"])
    total = 0.0
    for account, (speed, left) in by_account.items():
        most = ceiling(limits.get(account, {}), left)
        total += speed if most is None else min(speed, most)
    return None if math.isinf(total) or not by_account else total


def pace_text(got: float, want: float | None, *, brief: bool = False) -> str:
    """`59/60 min`: reached of what is meant; by the hour where less than one leaves a minute. `59/min` where nothing
    is meant. With `brief` thousands are `2k`: 13 characters at most, below a million."""
    unit, size = ("min", 1) if max(got, want or 0) >= 1 or not (got or want) else ("h", 60)
    told = _brief if brief else _figure
    if want is None:
        return f"{told(got * size)}/{unit}"
    return f"{told(got * size)}/{told(want * size)} {unit}"


def _figure(value: float) -> str:
    """`<0.1` for what would read as nothing: a cap of 30 a day beside a burst of 245 a minute."""
    if 0 < value < 0.05:
        return "<0.1"
    return f"{value:.1f}" if value < 10 and round(value, 1) % 1 else f"{value:,.0f}"


def _brief(value: float) -> str:
    """At most four characters below a million."""
    return _figure(value) if value < 999.5 else f"{_figure(value / 1_000)}k"


def finish(
    left: int, last_due: int | None, rates: Sequence[Row], now: int, *, since: int, shares: Iterable[Row] = ()
) -> int | None:
    """When `left` open messages are through: by their plan, by the rate of ends that is reached, or by what the
    accounts' limits allow, whichever is latest. None when there is nothing left or nothing is known.

    `rates` are the campaign's minutes (`Reader.rates`), `since` is when its present pace began; `shares` say how many
    of them go through each account, and its limits, as `queue_facts.add_limits` tells them.
    """
    if not left:
        return None
    ends: list[int] = [] if last_due is None else [max(now, last_due)]
    ended = [{"minute": row["minute"], "ended": row["sent"] + row["failed"]} for row in rates]
    speed = per_minute(ended, now, since=since, key="ended")
    if speed and now - since >= LEAST_RUN and sum(row["ended"] for row in ended) >= LEAST_ENDED:
        ends.append(now + int(left / speed * MINUTE))
    for share in shares:
        caps = [Cap(cap["n"], cap["period"]) for cap in share["caps"]]
        if caps or share["min_gap"]:
            ends.append(now + least_time(share["left"], min_gap=share["min_gap"], caps=caps))
        ends += [cap["frees_at"] for cap in share["caps"] if cap["frees_at"] is not None]
    return max(ends, default=None)


def campaign_finish(row: Row, now: int) -> int | None:
    """When the open messages of an active campaign should be through; None when it stands or nothing is known. Where
    `tui.foreseeing` has forecast its queue (`foreseen`, us), it is not before that: windows, caps and the other
    campaigns of the queue are in it. A campaign is never through while there are messages whose windows never open."""
    if row["state"] != "active" or row.get("never_open"):
        return None
    left = left_of(row)
    end = finish(left, row.get("due", {}).get("last"), row["rates"], now, since=_since(row), shares=row["shares"])
    foreseen = row.get("foreseen")
    return end if foreseen is None or not left else max(foreseen, end or now)


def batch_finish(campaign: Row, batch: Row, ahead: int, last_due: int | None, now: int) -> int | None:
    """When one batch of a campaign should be through: `ahead` are the open messages of older batches, which go first;
    `last_due` is its own (None where it is not known)."""
    left = batch["counts"]["pending"] + batch["counts"]["processing"]
    if campaign["state"] != "active" or not left:
        return None
    first, every = left + ahead, left_of(campaign)
    # Every account takes its part of each batch: people are spread evenly over them.
    shares = [{**share, "left": -(-share["left"] * first // every)} for share in campaign["shares"]]
    return finish(first, last_due, campaign["rates"], now, since=_since(campaign), shares=shares)


def end_text(row: Row, now: int) -> str:
    """The ETA of an active campaign for a column: as `eta_text`, or `never`."""
    return "never" if row.get("never_open") else eta_text(campaign_finish(row, now), now)


def end_in_words(row: Row, now: int) -> str:
    """The ETA of an active campaign in a line: `eta 1h27m`; with messages whose windows never open how many they are,
    and when the others are through where that is known."""
    if not (never := row.get("never_open")):
        return f"eta {eta_text(campaign_finish(row, now), now)}"
    rest = f", rest {eta_text(row['foreseen'], now)}" if row.get("foreseen") else ""
    return f"{count(never)} never open{rest}"


def eta_text(at: int | None, now: int) -> str:
    """How long from now: minutes from an hour on, so that a screen may rest; `-` for unknown."""
    if at is None:
        return "-"
    left = max(0, at - now)
    return span(left if left < HOUR else until(at, now))


def _since(row: Row) -> int:
    """When the present pace began: a start, a resume, an edit, a change of the queue. What was reached before says
    nothing of it."""
    return max(int(row["started_at"] or 0), int(row["updated_at"]), int(row.get("queue_changed_at", 0)))
