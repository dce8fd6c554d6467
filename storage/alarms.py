"""Alarms: what the engine stops, slows down or tells by itself, and what then stands before a person.

One stays open until it is over (`end`), which the state of its campaign or queue says. Who has seen it acknowledges it:
then it is quiet, but nothing changes, and it is not raised a second time. Each function runs in the Writer's
transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage import campaign_states, campaigns, queues, reputation
from storage.errors import NotFoundError, RefusedError
from storage.events import Event, add_event
from storage.limits import Ceiling
from storage.model import AlarmKind, CampaignState, PauseReason, QueueState
from storage.shares import ACTIVE_LANES

if TYPE_CHECKING:
    from storage.tx import Tx


@dataclass(frozen=True, slots=True)
class Alarm:
    """Of one campaign or one queue, never both; `text` is the reason, as people read it."""

    kind: AlarmKind
    text: str
    campaign_id: int | None = None
    queue_id: int | None = None


@dataclass(frozen=True, slots=True)
class Overdue:
    """The message of one active campaign that is due longest, and the campaign's window (JSON text, "" for none)."""

    queue_id: int
    campaign: str
    hours: str
    due_at: int


@dataclass(frozen=True, slots=True)
class Answer:
    """How one attempt of a queue ended, and when (us)."""

    outcome: str
    code: int
    enhanced: str
    error_key: str
    at: int


LOOKED_THROUGH = 5_000
"""The newest attempts of all queues, among which the last answers of one are looked for once, at its start."""
_RAISE = (
    "INSERT INTO alarms (kind, campaign_id, queue_id, text, raised_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_END = (
    "UPDATE alarms SET cleared_at = ? WHERE cleared_at IS NULL AND CASE "
    "WHEN kind = 'behind' THEN 0 "
    "WHEN campaign_id IS NOT NULL "
    "THEN (SELECT state <> 'paused' FROM campaigns WHERE id = campaign_id) "
    "WHEN kind = 'transient' THEN (SELECT throttle = 0 FROM queues WHERE id = queue_id) "
    "ELSE (SELECT state = 'ready' OR state = 'cooling' OR state = 'probing' FROM queues WHERE id = queue_id) END "
    "RETURNING kind, campaign_id, queue_id"
)
_LAST_ANSWERS = (
    "SELECT outcome, code, enhanced, error_key, finished_at FROM (SELECT * FROM attempts ORDER BY id DESC LIMIT ?) "
    "WHERE queue_id = ? AND outcome IS NOT NULL AND finished_at > ? ORDER BY id DESC LIMIT ?"
)
_CONTENT_ERRORS = (
    "SELECT count(*) AS n FROM (SELECT 1 FROM "
    "(SELECT campaign_id, outcome, updated_at FROM jobs INDEXED BY jobs_error "
    "WHERE error_key = ? AND error_key <> '' AND state = 'failed' ORDER BY id DESC LIMIT 1000) "
    "WHERE campaign_id = ? AND outcome = 'content' AND updated_at > ? LIMIT ?)"
)
_OLDEST_DUE = (
    "SELECT l.queue_id, c.name AS campaign, c.hours, "
    "(SELECT j.due_at FROM jobs j INDEXED BY jobs_claim WHERE j.queue_id = l.queue_id AND j.campaign_id = c.id "
    "AND j.state = 'pending' AND j.ready = 1 ORDER BY j.priority DESC, j.due_at LIMIT 1) AS due_at "
    "FROM campaigns c INDEXED BY campaigns_active JOIN lanes l ON l.campaign_id = c.id JOIN queues q ON q.id = "
    "l.queue_id "
    "WHERE c.state = 'active' AND c.replanning = 0 AND q.state IN ('ready', 'cooling', 'probing') "
    "AND NOT EXISTS (SELECT 1 FROM settings WHERE key = 'paused' AND value = '1')"
)
_NEARLY_FULL = (
    "SELECT 1 FROM attempts WHERE queue_id = ? AND counted_at IS NOT NULL AND counted_at > ? "
    "ORDER BY counted_at DESC LIMIT 1 OFFSET ?"
)


def raise_alarm(tx: Tx, alarm: Alarm, event: Event | None, now: int) -> bool:
    """Open it, with its event; False when one of its kind is open already."""
    end(tx, now)
    row = (alarm.kind.value, alarm.campaign_id, alarm.queue_id, alarm.text, now)
    raised = bool(tx.execute(_RAISE, row).rowcount)
    if raised and event is not None:
        add_event(tx, event, now)
    return raised


def pause_campaign(tx: Tx, alarm: Alarm, reason: PauseReason, now: int) -> bool:
    """Pause the alarm's campaign and open the alarm; False (and nothing changed) when it is not active."""
    if alarm.campaign_id is None:
        raise ValueError("an alarm that pauses a campaign names it")
    campaign = campaigns.get_campaign(tx, alarm.campaign_id)
    if campaign.state is not CampaignState.ACTIVE:
        return False
    event = Event("campaign.paused", f"engine paused {campaign.name}: {alarm.text}"[:400], level="error")
    campaign_states.pause_campaign(tx, alarm.campaign_id, reason, alarm.text, event, now)
    raise_alarm(tx, alarm, None, now)
    return True


def stop_queue(tx: Tx, alarm: Alarm, state: QueueState, now: int, *, campaigns_too: bool = False) -> bool:
    """Put the alarm's queue into a state that only a person leaves, and open the alarm; False (and nothing changed)
    when a person has to leave its state already. `campaigns_too`: also pause its active campaigns."""
    row = tx.one("SELECT name FROM queues WHERE id = ?", (alarm.queue_id,))
    if alarm.queue_id is None or row is None:
        raise ValueError("an alarm that stops a queue names it")
    words = "needs attention" if state is QueueState.NEEDS_ATTENTION else f"is {state.value}"
    event = Event(
        f"queue.{state.value}", f"queue {row['name']} {words}: {alarm.text}"[:400], "error", queue_id=alarm.queue_id
    )
    if not queues.set_queue_state(tx, alarm.queue_id, state, now, reason=alarm.text, event=event):
        return False
    raise_alarm(tx, alarm, None, now)
    if campaigns_too:
        for one in tx.all(f"SELECT c.id, c.name {ACTIVE_LANES}", (alarm.queue_id,)):
            paused = Event("campaign.paused", f"engine paused {one['name']}: {alarm.text}"[:400], level="error")
            campaign_states.pause_campaign(tx, one["id"], PauseReason.ACCOUNT, alarm.text, paused, now)
    return True


def end(tx: Tx, now: int) -> None:
    """Close what is over: its campaign is no longer paused, its queue runs, its rate is whole. Where a person let it go
    on after bounces or complaints, they are counted anew."""
    for row in tx.all(_END, (now,)):
        if row["kind"] in (AlarmKind.BOUNCES, AlarmKind.COMPLAINTS):
            scope = "campaign" if row["campaign_id"] is not None else "queue"
            reputation.forget(tx, scope, row["campaign_id"] or row["queue_id"])


def tell_behind(tx: Tx, words: Mapping[int, str], now: int) -> None:
    """Queues that are behind their plan, by id with the reason: told once each, until they have caught up."""
    open_ones = tx.all(
        "SELECT a.id, a.queue_id, q.name FROM alarms a JOIN queues q ON q.id = a.queue_id "
        "WHERE a.kind = 'behind' AND a.cleared_at IS NULL"
    )
    for row in open_ones:
        if row["queue_id"] not in words:
            tx.execute("UPDATE alarms SET cleared_at = ? WHERE id = ?", (now, row["id"]))
            text = f"queue {row['name']} is no longer behind its plan"
            add_event(tx, Event("queue.on_time", text, queue_id=row["queue_id"]), now)
    for queue_id, text in words.items():
        name = tx.one("SELECT name FROM queues WHERE id = ?", (queue_id,))["name"]
        event = Event("queue.behind", f"queue {name} is {text}", level="warning", queue_id=queue_id)
        raise_alarm(tx, Alarm(AlarmKind.BEHIND, text, queue_id=queue_id), event, now)


def acknowledge(tx: Tx, alarm_id: int, event: Event, now: int) -> str:
    """A person has seen it; returns its reason. Raises NotFoundError, RefusedError when it is over or was seen."""
    row = tx.one("SELECT text, cleared_at, acknowledged_by FROM alarms WHERE id = ?", (alarm_id,))
    if row is None:
        raise NotFoundError(f"there is no alarm {alarm_id}", hint="see `paceline alarm list`")
    if row["cleared_at"] is not None:
        raise RefusedError(f"alarm {alarm_id} is over: there is nothing to acknowledge")
    if row["acknowledged_by"]:
        raise RefusedError(f"alarm {alarm_id} was acknowledged by {row['acknowledged_by']}")
    tx.execute(
        "UPDATE alarms SET acknowledged_at = ?, acknowledged_by = ? WHERE id = ?", (now, event.actor.user, alarm_id)
    )
    add_event(tx, event, now)
    return str(row["text"])


def bring_back(tx: Tx, alarm_id: int, event: Event, now: int) -> str:
    """Take an acknowledgement back; returns the reason. Raises NotFoundError, RefusedError when it is over or stands
    anyway."""
    row = tx.one("SELECT text, cleared_at, acknowledged_by FROM alarms WHERE id = ?", (alarm_id,))
    if row is None:
        raise NotFoundError(f"there is no alarm {alarm_id}", hint="see `paceline alarm list`")
    if row["cleared_at"] is not None or not row["acknowledged_by"]:
        raise RefusedError(f"alarm {alarm_id} {'is over' if row['cleared_at'] else 'is not acknowledged'}")
    tx.execute("UPDATE alarms SET acknowledged_at = NULL, acknowledged_by = '' WHERE id = ?", (alarm_id,))
    add_event(tx, event, now)
    return str(row["text"])


def content_errors(tx: Tx, campaign_id: int, error_key: str, most: int, now: int) -> int:
    """How many messages of a campaign stand failed for this content error, `most` at most, since a person last let it
    go on after such an alarm."""
    end(tx, now)
    since = tx.one(
        "SELECT COALESCE(max(cleared_at), 0) AS at FROM alarms WHERE kind = 'content' AND campaign_id = ?",
        (campaign_id,),
    )["at"]
    return int(tx.one(_CONTENT_ERRORS, (error_key, campaign_id, since, most))["n"])


def last_answers(tx: Tx, queue_id: int, most: int) -> tuple[list[Answer], int, int]:
    """The last answers of a queue, oldest first; since when (us) those count that no rule knows, and since when those
    that say "not now": since the last alarm of that kind."""
    since = tx.one(
        "SELECT COALESCE(max(CASE WHEN kind = 'unknown' THEN raised_at END), 0) AS unknown, "
        "COALESCE(max(CASE WHEN kind = 'transient' THEN raised_at END), 0) AS transient "
        "FROM alarms WHERE queue_id = ?",
        (queue_id,),
    )
    rows = tx.all(_LAST_ANSWERS, (LOOKED_THROUGH, queue_id, min(since["unknown"], since["transient"]), most))
    answers = [Answer(*tuple(row)) for row in reversed(rows)]
    return answers, since["unknown"], since["transient"]


def overdue(tx: Tx, ceilings: Mapping[int, Sequence[Ceiling]], now: int) -> list[Overdue]:
    """What is first in each lane of active campaigns, of queues that run, but for queues that go as fast as their own
    caps (`ceilings`, by queue id) let them: one look at an index a lane."""
    found = [
        Overdue(row["queue_id"], row["campaign"], row["hours"], row["due_at"])
        for row in tx.all(_OLDEST_DUE)
        if row["due_at"] is not None and row["due_at"] < now
    ]
    at_ceiling = {
        queue_id
        for queue_id in {one.queue_id for one in found}
        if any(_nearly_full(tx, queue_id, cap, now) for cap in ceilings.get(queue_id, ()))
    }
    return [one for one in found if one.queue_id not in at_ceiling]


def _nearly_full(tx: Tx, queue_id: int, cap: Ceiling, now: int) -> bool:
    """Nine tenths used: between two starts a cap that binds is not quite full."""
    since = cap.since - 1 if cap.until else now - cap.period
    return tx.one(_NEARLY_FULL, (queue_id, since, max(0, cap.n * 9 // 10 - 1))) is not None
