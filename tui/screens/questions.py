"""What the console asks before it acts: pure functions from a row to a question, in proportion to the damage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from storage.model import HOUR, MINUTE
from tui.actions import Row, Situation
from tui.format import clock, count, plural, span

MANY = 100
SMALL_RESUME = 1_000
RETRY_COUNT_LIMIT = 10_000

SPREADS = (("now", {}), ("over 30m", {"spread": 30 * MINUTE}), ("over 2h", {"spread": 2 * HOUR}))


@dataclass(frozen=True, slots=True)
class Reply:
    """A key of a dialog, what it says, and what is added to the action's arguments."""

    key: str
    label: str
    args: dict[str, Any] = field(default_factory=dict)


YES = Reply("y", "yes")


@dataclass(frozen=True, slots=True)
class Question:
    """`typed`: the text that must be typed to confirm ("" : a key of `replies`). `choices` are turned with tab, each
    with arguments to add. `enter` is the key that enter stands for; None: enter means No."""

    title: str
    lines: tuple[str, ...] = ()
    replies: tuple[Reply, ...] = (YES,)
    typed: str = ""
    choices: tuple[tuple[str, dict[str, Any]], ...] = ()
    choices_title: str = ""
    enter: str | None = None
    no: str = "no"


def where(situation: Situation) -> str:
    name = situation.environment
    return f" on {name.upper() if situation.production else name}"


def pause(row: Row, facts: Row, situation: Situation) -> Question | None:
    return None


def start(row: Row, facts: Row, situation: Situation) -> Question | None:
    """`facts` is the answer of a start with `dry_run`."""
    n = facts.get("queued", 0)
    lines = [
        f"account   {row['account']} ({row['channel']}), {'live' if row['live'] else 'not live: allow-list only'}",
        f"messages  {count(n)}",
        f"plan      {facts.get('message', '')}",
        f"done      about {clock(facts.get('estimated_completion'), situation.now)}",
    ]
    typed = str(n) if n > MANY and situation.production else ""
    return Question(f"Start {row['name']}{where(situation)}?", tuple(lines), typed=typed)


def resume(row: Row, facts: Row, situation: Situation) -> Question | None:
    unsent = row["counts"]["pending"] + row["counts"]["held"]
    guarded = row["pause_reason"] not in ("", "operator")
    if not guarded and unsent < SMALL_RESUME:
        return None
    reason = f"paused by guard ({row['pause_reason']}): {row['pause_detail']}" if guarded else "paused by hand"
    lines = (
        f"why       {reason}",
        f"unsent    {count(unsent)}, planned anew by the same pacing, first gap included",
    )
    return Question(f"Resume {row['name']}{where(situation)}?", lines)


def cancel(row: Row, facts: Row, situation: Situation) -> Question | None:
    counts = row["counts"]
    sent = counts["completed"] + counts["bounced"]
    left = counts["held"] + counts["pending"]
    lines = [
        f"sent      {count(sent)} (a sent message cannot be taken back)",
        f"skipped   {count(left)} will not be sent",
        f"in flight {count(counts['processing'])} finish and are counted",
        "undo      z within 10 s",
    ]
    return Question(
        f"Cancel {row['name']}{where(situation)}?",
        tuple(lines),
        typed=row["name"] if sent or counts["processing"] else "",
    )


def live(row: Row, facts: Row, situation: Situation) -> Question | None:
    if row["live"]:
        return None
    lines = (
        f"Until now {row['name']} reaches only the allow-list and outbox accounts.",
        "Live, it may reach everybody in it and whoever is imported.",
    )
    return Question(f"Let {row['name']} reach anybody{where(situation)}?", lines)


def _retry(title: str, n: int, lines: list[str], situation: Situation) -> Question | None:
    if n <= 1:
        return None
    lines += ["uncertain ones are never retried in bulk"]
    capped = n >= RETRY_COUNT_LIMIT
    return Question(
        f"{title}{where(situation)}?",
        tuple(lines),
        typed=str(n) if n > MANY and not capped else "all" if capped else "",
        choices=SPREADS if n > MANY else (),
        choices_title="spread",
    )


def retry_campaign(row: Row, facts: Row, situation: Situation) -> Question | None:
    """`facts`: `transient` and `held` jobs that the retry takes, `left`: failed for good, which it does not."""
    n = facts["transient"] + facts["held"]
    lines = [
        f"take      {count(facts['transient'])} that may pass, {count(facts['held'])} held; a new budget from now",
        f"leave     {count(facts['left'])} refused for good (retry those by group in Failures)",
    ]
    return _retry(f"Retry {plural(n, 'job')} of {row['name']}", n, lines, situation)


def retry_group(row: Row, facts: Row, situation: Situation) -> Question | None:
    n = row["failed"] + row["held"]
    lines = [f"reason    {row['error_key']}", f"in        {row['campaigns']}", f"advice    {row['advice']}"]
    if row["kind"] in ("hard", "content"):
        lines.append("care      refused for good: a retry as it is will fail again")
    return _retry(f"Retry {plural(n, 'job')} of this reason", n, lines, situation)


def retry_marked(row: Row, facts: Row, situation: Situation) -> Question | None:
    """`facts`: the fixed `set` (storage.retry_set.RetrySet), how many of it the filter hides, what is left out."""
    wanted, every = facts["set"], row["all"]
    n = len(wanted.ids)
    if n <= 1 and not every:
        return None
    filter = f"{row['filter'] or 'none'}" if every else "by hand"
    lines = [
        f"marked    {filter} (fixed at {clock(situation.now, situation.now, seconds=True)})",
        f"states    {count(wanted.failed)} failed, {count(wanted.held)} held; a new budget from now",
        f"hidden    {count(facts['hidden'])} outside this view",
        f"skipped   {facts['left'] or '0'}",
        "pace      each by its campaign's own pacing, or spread",
    ]
    many = every or n > MANY
    return Question(
        f"Retry {plural(n, 'job')}{where(situation)}?",
        tuple(lines),
        typed=str(n) if many else "",
        choices=SPREADS if many else (),
        choices_title="spread",
    )


def resolve(row: Row, facts: Row, situation: Situation) -> Question | None:
    lines = (
        f"to        {row.get('address') or '-'}",
        f"known     {row.get('error') or 'no reply was recorded'}",
        f"id        {row.get('message_id') or '-'}",
        f"since     {span(situation.now - row['updated_at'])} ago" if row.get("updated_at") else "",
        "It may have been sent. Look for its Message-ID, then decide.",
    )
    replies = (
        Reply("s", "it was sent", {"verdict": "sent"}),
        Reply("a", "send it again (may be a duplicate)", {"verdict": "again"}),
    )
    return Question(f"Job {row['id']}: was it sent?", lines, replies, no="leave it")


def resume_all(row: Row, facts: Row, situation: Situation) -> Question | None:
    return Question(
        f"Resume everything{where(situation)}?", ("Every active campaign goes on sending by its own pacing.",)
    )


def drain_engine(row: Row, facts: Row, situation: Situation) -> Question | None:
    lines = (
        "What is in flight finishes, then the engine ends. Nothing is sent while no engine runs.",
        "Every console on this database loses it. E starts one again.",
    )
    return Question(f"End the engine{where(situation)}?", lines)


def resume_queue(row: Row, facts: Row, situation: Situation) -> Question | None:
    lines = (f"state     {row['state']}: {row['reason'] or 'no reason given'}", "You say that this is mended.")
    return Question(f"Resume queue {row['name']}{where(situation)}?", lines)


def undo(title: str, age: int) -> Question:
    return Question(f"Undo '{title}' ({span(age)} ago)?")


def quit_busy(in_flight: int, running: int, situation: Situation) -> Question:
    lines = (
        f"The engine runs in this console: {plural(running, 'campaign')} running, {in_flight} in flight.",
        "Nothing is sent while no engine runs; what is in flight is finished first.",
    )
    replies = (Reply("y", "drain and stop (enter)"),)
    return Question("Drain the engine and stop?", lines, replies, enter="y", no="stay")


Build = Callable[[Row, Row, Situation], Question | None]

QUESTIONS: dict[str, Build] = {
    "campaign.pause": pause,
    "campaign.start": start,
    "campaign.resume": resume,
    "campaign.cancel": cancel,
    "campaign.live": live,
    "campaign.retry": retry_campaign,
    "failures.retry": retry_group,
    "jobs.retry": retry_marked,
    "job.resolve": resolve,
    "engine.resume": resume_all,
    "engine.drain": drain_engine,
    "queue.resume": resume_queue,
}
"""Actions that may ask, by id; the others never do. Each gets the row, the facts read for it, the situation."""
