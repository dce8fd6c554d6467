"""The gates that belong to a campaign: its state, its plan, its share of the queue."""

from __future__ import annotations

from collections.abc import Iterator

from engine.explain.facts import Facts, JobFacts, Row
from engine.explain.model import Gate, idle, shut
from engine.explain.whole_approval import waits_for_approval
from storage.campaign_states import GRACE_OVER


def state(row: Row, now: int) -> Gate:
    """Whether the campaign is active, and if not who or what brought it there."""
    name = row["name"]
    unsent = row["counts"]["pending"] + row["counts"]["held"]
    match row["state"]:
        case "active":
            return Gate("campaign", "the campaign runs", since=row["started_at"])
        case "draft":
            return _draft(row)
        case "paused":
            why, detail = row["pause_reason"], row["pause_detail"]
            if why == "approval":
                return shut(
                    "campaign", f"{waits_for_approval(row)}, {unsent:,} unsent", since=row["updated_at"],
                    person=True, action="campaign.approve", remedy=f"paceline campaign approve {name}",
                    numbers={"unsent": unsent, "reason": why},
                )  # fmt: skip
            words = detail or "by hand" if why == "operator" else f"by guard ({why}): {detail}"
            return shut(
                "campaign", f"paused {words}, {unsent:,} unsent", since=row["updated_at"], person=True,
                action="campaign.resume", remedy=f"paceline campaign resume {name}",
                numbers={"unsent": unsent, "reason": why},
            )  # fmt: skip
        case "cancelled":
            back = {"action": "undo", "remedy": f"paceline campaign undo-cancel {name}"}
            return shut(
                "campaign", "cancelled: what is open becomes skipped", since=row["cancelled_at"], person=True,
                numbers={"skipped": row["counts"]["skipped"]}, **(back if in_grace(row) else {}),
            )  # fmt: skip
        case _:
            return shut("campaign", "completed: it goes on when the books are settled", since=row["completed_at"])


def in_grace(row: Row) -> bool:
    """Whether its cancel can still be undone."""
    return row["before_cancel"] not in ("", GRACE_OVER)


def _draft(row: Row) -> Gate:
    name = row["name"]
    if not row["people"]:
        remedy = f"paceline recipients import FILE --campaign {name}"
        return shut("campaign", "draft, nobody in it", person=True, action="recipients.import", remedy=remedy)
    reach = "" if row["live"] or row["channel"] == "outbox" else ", reaches only the allow-list"
    remedy = f"paceline campaign start {name}"
    return shut("campaign", f"draft, not started{reach}", person=True, action="campaign.start", remedy=remedy)


def plan(row: Row) -> Gate:
    """Whether its plan stands."""
    if row["replanning"]:
        return shut("plan", "its plan is being made anew")
    return idle("plan", "its plan stands")


def places(row: Row) -> Gate:
    """The campaign's own concurrency."""
    busy, most = row["counts"]["processing"], row["concurrency"]
    numbers = {"in_flight": busy, "concurrency": most}
    if busy >= most:
        return shut("campaign places", f"all {most} places of the campaign are taken", numbers=numbers)
    return Gate("campaign places", f"{busy} of {most} places of the campaign are taken", numbers=numbers)


def turn(facts: Facts, job: JobFacts) -> Iterator[Gate]:
    """Who goes first, within the campaign and beside the others of its queue. Never open: what passes it is in
    flight."""
    if facts.others:
        names = ", ".join(facts.others[:3]) + (" and others" if facts.others[3:] else "")
        yield shut("turn", f"its turn comes after {names}", numbers={"first": list(facts.others)})
    elif len(facts.queue.lanes) > 1 and facts.campaign is not None:
        shares = {"priority": facts.campaign["priority"], "weight": facts.campaign["weight"]}
        yield Gate("turn", "no other campaign of the queue goes first", numbers=shares)
    if job.row["ready"] == 2:
        yield shut("line", "its batch is still being planned")
    elif job.ahead:
        yield shut("line", f"{job.ahead:,} of its campaign go first", numbers={"ahead": job.ahead})
    elif not job.row["ready"]:
        runs = facts.campaign is None or facts.campaign["state"] == "active"
        yield shut("line", f"it stands in line once {'it is due' if runs else 'its campaign runs'}")
    elif job.ahead is None:
        yield shut("line", "1,000 or more of its campaign go first")
    else:
        yield shut("line", "it is next: it begins when the engine has looked", numbers={"ahead": 0})
