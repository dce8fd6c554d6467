"""What the console asks before it acts: pure functions from a row to a question, in proportion to the damage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from storage.model import HOUR, MINUTE, SEND
from tui.actions import Row
from tui.format import clock, count, plural, span
from tui.lookup import Situation
from tui.safe_text import safe_text

MANY = 100
MOST_SENDERS = 4
"""Accounts of a campaign that its question names."""
SMALL_RESUME = 1_000

SPREADS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("now", {}),
    ("over 30m", {"spread": 30 * MINUTE}),
    ("over 2h", {"spread": 2 * HOUR}),
)


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
        f"undo      {situation.named('undo')} within 10 s",
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


def _many(n: int, every: bool) -> bool:
    """Whether a set is so large that its number must be typed."""
    return every or n > MANY


def _set_lines(row: Row, facts: Row, situation: Situation) -> list[str]:
    """What every question about a fixed set tells: what chose it, its states, what it leaves out."""
    fixed = facts["set"]
    lines = []
    if "all" in row:
        chosen = (row["filter"] or "all jobs") if row["all"] else "by hand"
        lines.append(f"marked    {chosen} (fixed at {clock(situation.now, situation.now, seconds=True)})")
    if fixed.taken:
        lines.append("states    " + ", ".join(f"{count(n)} {state}" for state, n in sorted(fixed.taken.items())))
    if "hidden" in facts:
        lines.append(f"hidden    {count(facts['hidden'])} outside this view")
    return [*lines, f"skipped   {fixed.apart_in_words() or '0'}"]


def _pace_line(facts: Row) -> list[str]:
    """How long the set takes; nothing for background jobs, which have no pacing."""
    return [f"pace      {facts['pace']}"] if facts["pace"] else []


def _retry_set(title: str, row: Row, facts: Row, situation: Situation, lines: list[str]) -> Question | None:
    n, every = len(facts["set"].jobs), bool(row.get("all"))
    if n <= 1 and not every:
        return None
    spread = facts["given"].get("spread")
    lines += [*_set_lines(row, facts, situation), *_pace_line(facts)]
    lines.append(f"spread    over {span(spread)}" if spread else "budget    a new one from now")
    many = _many(n, every)
    return Question(
        f"{title}{where(situation)}?",
        tuple(lines),
        typed=str(n) if many else "",
        choices=SPREADS if many and not spread else (),
        choices_title="spread",
    )


def retry_campaign(row: Row, facts: Row, situation: Situation) -> Question | None:
    """`facts`: the fixed `set` (storage.fixed_set.FixedSet), the `pace` that it takes, what was `given` beforehand."""
    return _retry_set(f"Retry {plural(len(facts['set'].jobs), 'job')} of {row['name']}", row, facts, situation, [])


def retry_group(row: Row, facts: Row, situation: Situation) -> Question | None:
    lines = [f"reason    {row['error_key']}", f"in        {row['campaigns']}", f"advice    {row['advice']}"]
    if row["kind"] in ("hard", "content"):
        lines.append("care      refused for good: a retry as it is will fail again")
    title = f"Retry {plural(len(facts['set'].jobs), 'job')} of this reason"
    return _retry_set(title, row, facts, situation, lines)


def retry_marked(row: Row, facts: Row, situation: Situation) -> Question | None:
    """As for a campaign, and how many of the marked ones the filter hides (`hidden`)."""
    return _retry_set(f"Retry {plural(len(facts['set'].jobs), 'job')}", row, facts, situation, [])


def _undo_cancel(situation: Situation) -> str:
    return f"undo      {situation.named('undo')} within 10 s; none of them begins in that time"


def cancel_marked(row: Row, facts: Row, situation: Situation) -> Question | None:
    runs = len(facts["set"].running)
    n = len(facts["set"].jobs) + runs
    lines = _set_lines(row, facts, situation)
    if n > runs:
        lines += ["effect    they are skipped and will not be sent", _undo_cancel(situation)]
    if runs:
        lines.append(f"running   {count(runs)} of them: asked to end at a good place, no undo")
    typed = str(n) if _many(n, row["all"]) else ""
    return Question(f"Cancel {plural(n, 'job')}{where(situation)}?", tuple(lines), typed=typed)


def approve_marked(row: Row, facts: Row, situation: Situation) -> Question | None:
    n = len(facts["set"].jobs)
    lines = [*_set_lines(row, facts, situation), *_pace_line(facts)]
    lines.append(f"undo      {situation.named('undo')} while nothing of it was sent")
    typed = str(n) if _many(n, row["all"]) else ""
    return Question(f"Approve {plural(n, 'message')}{where(situation)}?", tuple(lines), typed=typed)


def reject_marked(row: Row, facts: Row, situation: Situation) -> Question | None:
    n = len(facts["set"].jobs)
    lines = [
        *_set_lines(row, facts, situation),
        f"because   {facts['given'].get('reason', '')}",
        "effect    they are skipped and will not be sent; there is no way back",
    ]
    typed = str(n) if _many(n, row["all"]) else ""
    return Question(f"Reject {plural(n, 'message')}{where(situation)}?", tuple(lines), typed=typed)


def approve_campaign(row: Row, facts: Row, situation: Situation) -> Question | None:
    n = row["counts"]["pending"]
    why = row["pause_detail"] or row["pause_reason"]
    after = "it goes on by its pacing" if row["pause_reason"] == "approval" else f"it stays paused: {why}"
    senders = [f"as        {safe_text(words)} by {safe_text(name)}" for name, words in facts["words"].items()]
    shown = senders[:MOST_SENDERS]
    if rest := len(senders) - len(shown):
        shown.append(f"          and {plural(rest, 'more account')}")
    lines = (
        f"messages  {count(n)} that were not sent yet, and what its sequence adds to them",
        *shown,
        f"then      {after}",
        "care      another message, person or sender takes the approval back",
    )
    typed = str(n) if n > MANY and situation.production else ""
    return Question(f"Approve {row['name']} as a whole{where(situation)}?", lines, typed=typed)


def _what(row: Row) -> str:
    """Of a background job what it is, of a message whom it is for."""
    if str(row.get("kind") or SEND) != SEND:
        return f"kind      {row['kind']}   {row.get('subject', '')}".rstrip()
    return f"to        {row.get('address') or '-'}"


def again(row: Row, facts: Row, situation: Situation) -> Question | None:
    """`facts`: `effect`, what a second run would do."""
    if facts["effect"] != "unrepeatable" or row["state"] != "completed":
        return None
    lines = (_what(row), "It was done, and is of a kind that must not be done twice by itself.", "undo      none")
    return Question(f"Do job {row['id']} a second time{where(situation)}?", lines)


def cancel_job(row: Row, facts: Row, situation: Situation) -> Question | None:
    work = str(row.get("kind") or SEND) != SEND
    lines = (
        _what(row),
        f"of        batch {row.get('batch_id', '-')}" if work else f"of        {row.get('campaign') or '-'}",
        f"effect    it is skipped and will not be {'run' if work else 'sent'}",
        _undo_cancel(situation),
    )
    return Question(f"Cancel job {row['id']}{where(situation)}?", lines)


def resolve(row: Row, facts: Row, situation: Situation) -> Question | None:
    """`facts`: the job with its `attempts_log`, the last of which is the one in doubt."""
    last = (facts.get("attempts_log") or [{}])[-1]
    if str(row.get("kind") or SEND) != SEND:
        return _resolve_work(row, last, situation)
    lines = (
        f"to        {facts.get('address') or row.get('address') or '-'}",
        f"id        {facts.get('message_id') or row.get('message_id') or '-'}",
        f"begun     {clock(last.get('intent_at'), situation.now, seconds=True)}, "
        f"{span(situation.now - last['intent_at'])} ago"
        if last.get("intent_at")
        else "begun     not recorded",
        f"server    {last.get('server') or 'not recorded'}   phase {last.get('phase') or 'not recorded'}",
        f"heard     {last.get('reply') or 'nothing'}",
        "It may have been sent. Look there for its Message-ID, then decide.",
    )
    replies = (
        Reply("s", "it was sent", {"verdict": "sent"}),
        Reply("a", "send it again (may be a duplicate)", {"verdict": "again"}),
    )
    return Question(f"Job {row['id']}: was it sent?", lines, replies, no="leave it")


def _resolve_work(row: Row, last: Row, situation: Situation) -> Question:
    lines = (
        _what(row),
        f"begun     {clock(last.get('intent_at'), situation.now, seconds=True)}",
        f"heard     {last.get('reply') or 'nothing'}",
        "It may have been done. Look where it would have left a trace, then decide.",
    )
    replies = (
        Reply("s", "it was done", {"verdict": "sent"}),
        Reply("a", "run it again (may do it twice)", {"verdict": "again"}),
    )
    return Question(f"Job {row['id']}: was it done?", lines, replies, no="leave it")


def sent_marked(row: Row, facts: Row, situation: Situation) -> Question | None:
    """`facts`: `n` uncertain messages, `of` which campaign ("" for any)."""
    n = facts["n"]
    lines = (
        "They count as sent from now on, and nothing sends them again.",
        "Sending again is decided one by one: it may be a duplicate.",
        "undo      none",
    )
    title = f"Were all {count(n)} uncertain messages{facts['of']} sent{where(situation)}?"
    return Question(title, lines, (Reply("y", "yes, they were sent"),), typed=str(n) if n > MANY else "")


def forget_import(row: Row, facts: Row, situation: Situation) -> Question | None:
    lines = (
        f"people    {count(row['imported'])}, who came by {row['source']}",
        f"effect    they are taken out of the draft {row['campaign']}; import the file again to have them back",
    )
    return Question(f"Take import #{row['id']} back{where(situation)}?", lines)


def remove_step(row: Row, facts: Row, situation: Situation) -> Question | None:
    step = row["steps"][row["step"] - 1]
    says = step["subject"] or " ".join(step["text"].split())[:60]
    later = len(row["steps"]) - row["step"]
    becomes = f"{plural(later, 'later message')} move{'s' * (later == 1)} up" if later else "it is the last one"
    lines = (f"it says   {safe_text(says)}", f"behind    {becomes}")
    return Question(f"Take step {row['step']} out of {row['name']}{where(situation)}?", lines)


def suppress(row: Row, facts: Row, situation: Situation) -> Question | None:
    """`facts`: the `kind` of what is named, and the `campaigns` that it concerns."""
    found = facts["campaigns"]
    people, waiting = sum(one["people"] for one in found), sum(one["open"] for one in found)
    when = "when their turn comes" if facts["kind"] == "domain" else "at once"
    names = ", ".join(one["campaign"] for one in found[:4]) or "none has it among its people"
    lines = (
        f"kind      {facts['kind']}, on {'list ' + row['list_name'] if row.get('list_name') else 'every campaign'}",
        f"campaigns {names}{', ...' if len(found) > 4 else ''}",
        f"people    {count(people)}, {count(waiting)} open messages are skipped {when}",
        "undo      takes it off the list; what was skipped stays skipped",
    )
    return Question(f"Contact {row['name']} no more{where(situation)}?", lines)


def unsuppress(row: Row, facts: Row, situation: Situation) -> Question | None:
    since = clock(row["created_at"], situation.now)
    asked = row["reason"] in ("unsubscribed", "complained")
    lines = [
        f"reason    {row['reason']} since {since}, by {row['created_by'] or '-'}",
        f"on        {'list ' + row['scope'] if row['scope'] else 'every campaign'}",
        "effect    it may be contacted again; what was skipped stays skipped",
    ]
    if asked:
        lines.append("care      this was the person's own wish: only their own word takes it back")
    return Question(
        f"Take {row['name']} off the list{where(situation)}?", tuple(lines), typed=row["name"] if asked else ""
    )


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
    if row["state"] == "ready":
        slow = f"rate      1/{2 ** row['throttle']} of its own since trouble with its server"
        lines = (slow, "You say that this is over: it goes at its full rate again.")
        return Question(f"Full rate for queue {row['name']}{where(situation)}?", lines)
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


def remove_schedule(row: Row, facts: Row, situation: Situation) -> Question | None:
    lines = ("with the record of its firings; its jobs stay, also one that runs", "to keep it for later, disable it")
    return Question(f"Remove schedule {row['name']}{where(situation)}?", lines)


QUESTIONS: dict[str, Build] = {
    "campaign.pause": pause,
    "campaign.start": start,
    "campaign.resume": resume,
    "campaign.cancel": cancel,
    "campaign.approve": approve_campaign,
    "approvals.approve": approve_marked,
    "approvals.reject": reject_marked,
    "campaign.live": live,
    "campaign.retry": retry_campaign,
    "failures.retry": retry_group,
    "jobs.retry": retry_marked,
    "jobs.cancel": cancel_marked,
    "job.cancel": cancel_job,
    "job.again": again,
    "job.resolve": resolve,
    "work.resolve": resolve,
    "jobs.sent": sent_marked,
    "recipients.forget": forget_import,
    "step.remove": remove_step,
    "recipients.suppress": suppress,
    "suppression.add": suppress,
    "suppression.remove": unsuppress,
    "engine.resume": resume_all,
    "engine.drain": drain_engine,
    "queue.resume": resume_queue,
    "schedule.remove": remove_schedule,
}
"""Actions that may ask, by id; the others never do. Each gets the row, the facts read for it, the situation."""
