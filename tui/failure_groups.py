"""Failures by their reason, as the console and the command line tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.advice import advice, kind
from engine.outcomes import is_retryable
from storage.reader import Reader
from tui.actions import Row
from tui.format import count

if TYPE_CHECKING:
    from storage.filter_terms import Filter

BACKGROUND_ADVICE = {
    "failed": "No further try is made by itself: read the sample, mend the cause, then retry.",
    "pending": "A passing fault: it is tried again by itself.",
    "held": "Something is to be configured first: read the sample, mend it, then retry.",
    "uncertain": "Whether it was done is not known: look where it would show, then resolve it by hand.",
}
"""What to do about a reason that only background jobs have."""
RETRY_WORDS = {"failed": "no", "uncertain": "ask", "held": "mend", "pending": "auto"}


def groups(reader: Reader, filter: Filter, now: int) -> tuple[list[Row], int]:
    """The groups that a filter in the language of failures asks for, as `grouped` makes them, and how many there are
    in all."""
    from storage.failure_groups import failures, is_asked  # the language, which the first picture does not wait for

    rows = reader.failures()
    every = len({row["error_key"] for row in rows})
    found = [
        group
        for group in grouped(failures(reader, rows, filter, now))
        if is_asked(filter, error_key=group["error_key"], sample=group["sample"], kind=group["kind"])
    ]
    return found, every


def grouped(rows: list[Row]) -> list[Row]:
    """The reader's rows (one a campaign and state) as one row a reason, largest first.

    Each: `error_key`, `n`, `failed, uncertain, held, pending` (how many stand so), `kind`, `advice`, `retry`,
    `queues`, `campaigns` (as text), `only_campaign` (its name when there is one, else None), `background` (how many are
    background jobs), `first_at`, `last_at`,
    `sample`, `hours`.
    """
    groups: dict[str, Row] = {}
    for row in rows:
        group = groups.setdefault(row["error_key"], _new_group(row))
        group["n"] += row["n"]
        group[row["state"]] += row["n"]
        if row["campaign"] is None:
            group["background"] += row["n"]
        else:
            group["by_campaign"][row["campaign"]] = group["by_campaign"].get(row["campaign"], 0) + row["n"]
        if row["queue"] not in group["queues"]:
            group["queues"].append(row["queue"])
        if row["campaign_id"] not in group["seen"]:
            group["seen"].append(row["campaign_id"])
            for hour, n in row["hours"]:
                group["hours"][hour] = group["hours"].get(hour, 0) + n
        firsts = [at for at in (group["first_at"], row["first_at"]) if at is not None]
        lasts = [at for at in (group["last_at"], row["last_at"]) if at is not None]
        group["first_at"], group["last_at"] = min(firsts, default=None), max(lasts, default=None)
    for group in groups.values():
        _finish(group)
    return sorted(groups.values(), key=lambda group: (-group["n"], group["error_key"]))


def _new_group(row: Row) -> Row:
    return {
        "error_key": row["error_key"], "raw_key": row.get("raw_key", row["error_key"]), "n": 0, "failed": 0,
        "background": 0, "uncertain": 0, "held": 0, "pending": 0, "by_campaign": {}, "queues": [],
        "seen": [], "hours": {},
        "first_at": None, "last_at": None, "sample": row["sample"], "outcome": row["outcome"],
    }  # fmt: skip


def _finish(group: Row) -> None:
    state = next(state for state in ("uncertain", "failed", "held", "pending") if group[state])
    outcome = "uncertain" if state == "uncertain" else group["outcome"]
    campaigns = sorted(group["by_campaign"].items(), key=lambda entry: -entry[1])
    group["state"] = state
    group["kind"] = "held" if state == "held" and not outcome else kind(outcome)
    group["advice"] = advice(outcome, group["error_key"])
    if group["kind"] == "held":
        group["advice"] = "Held for a person: correct the data or the template, then retry."
    group["retry"] = "yes" if state == "failed" and is_retryable(outcome) else RETRY_WORDS[state]
    group["campaigns"] = ", ".join(f"{name} ({count(n)})" for name, n in campaigns)
    if group["background"] and not campaigns:
        group["advice"] = BACKGROUND_ADVICE.get(state, group["advice"])
        group["retry"] = "yes" if state == "failed" else group["retry"]
    if n := group["background"]:
        background = f"background jobs ({count(n)})"
        group["campaigns"] = f"{group['campaigns']}, {background}" if campaigns else background
    group["only_campaign"] = campaigns[0][0] if len(campaigns) == 1 and not group["background"] else None
    group["hours"] = sorted(group["hours"].items())
