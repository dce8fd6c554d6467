"""Campaigns and their steps: made, read, and moved between their states."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from storage import approvals, domains
from storage.errors import NotFoundError, RefusedError, UsageError
from storage.events import Event, add_event
from storage.model import CampaignState, PauseReason
from storage.nouns import Campaign, Step
from storage.transitions import check_campaign

if TYPE_CHECKING:
    from storage.tx import Tx

GRACE_OVER = "over"
"""`before_cancel` once messages were skipped: no undo any more, whatever the clock says."""

_SELECT = "SELECT c.*, q.name AS account FROM campaigns c JOIN queues q ON q.id = c.queue_id"


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One further step of a sequence, as `Step` has it."""

    subject: str = ""
    text: str = ""
    html: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    attachments: tuple[dict[str, str], ...] = ()
    channel: str = ""
    wait: dict[str, Any] = field(default_factory=dict)
    conditions: tuple[str, ...] = ()
    pacing: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CampaignSpec:
    """What `campaign new` stores: a draft. `pacing` and `settings` are JSON objects the engine understands. `queue_id`
    is the first account's, `more_queues` those of the others; `steps` follow the first one."""

    name: str
    queue_id: int
    pacing: dict[str, Any]
    settings: dict[str, Any]
    seed: int
    priority: int = 5
    concurrency: int = 5
    subject: str = ""
    text: str = ""
    html: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    attachments: tuple[dict[str, str], ...] = ()
    weight: int = 1
    hours: dict[str, Any] = field(default_factory=dict)
    more_queues: tuple[int, ...] = ()
    steps: tuple[StepSpec, ...] = ()
    list: str = ""
    approval: str = ""
    approval_time: int = 0
    """Both as `Campaign` has them."""


def row_to_campaign(row: Any) -> Campaign:
    return Campaign(
        id=row["id"],
        name=row["name"],
        state=CampaignState(row["state"]),
        pause_reason=row["pause_reason"],
        pause_detail=row["pause_detail"],
        queue_id=row["queue_id"],
        account=row["account"],
        priority=row["priority"],
        concurrency=row["concurrency"],
        pacing=json.loads(row["pacing"]),
        settings=json.loads(row["settings"]),
        live=bool(row["live"]),
        seed=row["seed"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        completed_at=row["completed_at"],
        cancelled_at=row["cancelled_at"],
        last_start=row["last_start"],
        version=row["version"],
        weight=row["weight"],
        hours=json.loads(row["hours"]) if row["hours"] else {},
        list_name=row["list"] or row["name"],
        approval=row["approval"],
        approval_time=row["approval_time"],
        approved_at=row["approved_at"],
        approved_by=row["approved_by"],
        approval_note=row["approval_note"],
    )


def row_to_step(row: Any) -> Step:
    return Step(
        id=row["id"],
        campaign_id=row["campaign_id"],
        position=row["position"],
        subject=row["subject"],
        text=row["text"],
        html=row["html"],
        headers=json.loads(row["headers"]),
        attachments=tuple(json.loads(row["attachments"])),
        channel=row["channel"],
        wait=json.loads(row["wait"]) if row["wait"] else {},
        conditions=tuple(row["conditions"].split()),
        pacing=json.loads(row["pacing"]) if row["pacing"] else {},
    )


def spacing(pacing: dict[str, Any]) -> str:
    """Whose last start a gap of this pacing counts from: `human` keeps its distance across the whole queue, since all
    of it comes from one sender."""
    return "queue" if pacing.get("mode") == "human" else "campaign"


def create_campaign(tx: Tx, spec: CampaignSpec, event: Event, now: int) -> Campaign:
    if tx.one("SELECT 1 FROM campaigns WHERE name = ?", (spec.name,)):
        raise UsageError(
            f"the campaign name '{spec.name}' is taken", hint="choose another name; `paceline campaign list`"
        )
    campaign_id = tx.insert(
        "INSERT INTO campaigns (name, queue_id, priority, weight, concurrency, pacing, spacing, hours, settings, seed, "
        "list, approval, approval_time, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            spec.name,
            spec.queue_id,
            spec.priority,
            spec.weight,
            spec.concurrency,
            json.dumps(spec.pacing),
            spacing(spec.pacing),
            json.dumps(spec.hours) if spec.hours else "",
            json.dumps(spec.settings),
            spec.seed,
            spec.list,
            spec.approval,
            spec.approval_time,
            now,
            now,
        ),
    )
    set_lanes(tx, campaign_id, (spec.queue_id, *spec.more_queues))
    first = StepSpec(spec.subject, spec.text, spec.html, spec.headers, spec.attachments)
    for position, step in enumerate((first, *spec.steps), start=1):
        insert_step(tx, campaign_id, position, step, now)
    add_event(tx, with_campaign(event, campaign_id), now)
    return get_campaign(tx, spec.name)


def set_lanes(tx: Tx, campaign_id: int, queue_ids: Sequence[int]) -> None:
    """The queues that a campaign uses, in their order; one that it uses already keeps what it has had of it."""
    wanted = list(dict.fromkeys(queue_ids))
    marks = ", ".join("?" * len(wanted))
    tx.execute(f"DELETE FROM lanes WHERE campaign_id = ? AND queue_id NOT IN ({marks})", (campaign_id, *wanted))
    tx.executemany(
        "INSERT INTO lanes (queue_id, campaign_id, position) VALUES (?, ?, ?) "
        "ON CONFLICT (queue_id, campaign_id) DO UPDATE SET position = excluded.position",
        [(queue_id, campaign_id, position) for position, queue_id in enumerate(wanted, start=1)],
    )


def get_lanes(tx: Tx, campaign_id: int) -> list[tuple[int, str, str]]:
    """The queues that a campaign uses, in their order: (id, name, channel)."""
    rows = tx.all(
        "SELECT q.id, q.name, q.channel FROM lanes l JOIN queues q ON q.id = l.queue_id WHERE l.campaign_id = ? "
        "ORDER BY l.position, q.id",
        (campaign_id,),
    )
    return [(row["id"], row["name"], row["channel"]) for row in rows]


def insert_step(tx: Tx, campaign_id: int, position: int, step: StepSpec, now: int) -> None:
    tx.execute(
        "INSERT INTO steps (campaign_id, position, subject, text, html, headers, attachments, channel, wait, "
        "conditions, "
        "pacing, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            campaign_id,
            position,
            step.subject,
            step.text,
            step.html,
            json.dumps(step.headers),
            json.dumps(list(step.attachments)),
            step.channel,
            json.dumps(step.wait) if step.wait else "",
            " ".join(step.conditions),
            json.dumps(step.pacing) if step.pacing else "",
            now,
        ),
    )


def get_campaign(tx: Tx, name: str | int) -> Campaign:
    """By name or id; raises NotFoundError naming the nearest remedy."""
    column = "id" if isinstance(name, int) else "name"
    row = tx.one(f"{_SELECT} WHERE c.{column} = ?", (name,))
    if row is None:
        raise NotFoundError(f"there is no campaign '{name}'", hint="see `paceline campaign list`")
    return row_to_campaign(row)


def get_steps(tx: Tx, campaign_id: int) -> list[Step]:
    return [
        row_to_step(row)
        for row in tx.all("SELECT * FROM steps WHERE campaign_id = ? ORDER BY position", (campaign_id,))
    ]


def with_campaign(event: Event, campaign_id: int | None) -> Event:
    return Event(
        kind=event.kind,
        text=event.text,
        level=event.level,
        actor=event.actor,
        campaign_id=campaign_id,
        queue_id=event.queue_id,
        job_id=event.job_id,
        n=event.n,
        data=event.data,
    )


def pause_campaign(tx: Tx, campaign_id: int, reason: PauseReason, detail: str, event: Event, now: int) -> Campaign:
    """Active -> paused. Changes no job: that is what makes it instant and resumable."""
    campaign = get_campaign(tx, campaign_id)
    check_campaign(campaign.name, campaign.state, CampaignState.PAUSED)
    tx.execute(
        "UPDATE campaigns SET state = 'paused', pause_reason = ?, pause_detail = ?, updated_at = ?, "
        "version = version + 1 WHERE id = ?",
        (reason.value, detail, now, campaign_id),
    )
    _forget_places(tx, campaign_id)
    finish_executions(tx, campaign_id, "done", f"paused: {detail or reason.value}", now)
    add_event(tx, with_campaign(event, campaign_id), now)
    return get_campaign(tx, campaign_id)


def activate_campaign(
    tx: Tx, campaign_id: int, event: Event | None, now: int, *, batch_id: int = 0, resume: bool = False
) -> Campaign:
    """Draft or completed -> active; paused -> active only by `resume`: a pause that was pressed while a start or a
    retry was planning stays, and what was planned waits for it. What must be approved first is paused for that in the
    same transaction. Raises RefusedError."""
    campaign = get_campaign(tx, campaign_id)
    if resume:
        approvals.check_resumable(campaign)
    if campaign.state is CampaignState.CANCELLED:
        raise RefusedError(f"campaign '{campaign.name}' was cancelled meanwhile", hint="nothing of it will be sent")
    if campaign.state is CampaignState.DRAFT and tx.one(
        "SELECT 1 FROM batches WHERE campaign_id = ? AND state = 'loading' AND id <> ?", (campaign_id, batch_id)
    ):
        raise RefusedError(f"an unfinished start of '{campaign.name}' is in the way", hint="start it again")
    stays_paused = campaign.state is CampaignState.PAUSED and not resume
    if campaign.state is not CampaignState.ACTIVE and not stays_paused:
        check_campaign(campaign.name, campaign.state, CampaignState.ACTIVE)
        tx.execute(
            "UPDATE campaigns SET state = 'active', pause_reason = '', pause_detail = '', completed_at = NULL, "
            "started_at = COALESCE(started_at, ?), updated_at = ?, version = version + 1 WHERE id = ?",
            (now, now, campaign_id),
        )
    if event is not None:
        add_event(tx, with_campaign(event, campaign_id), now)
    approvals.hold_campaigns(tx, now)
    return get_campaign(tx, campaign_id)


def cancel_campaign(tx: Tx, campaign_id: int, event: Event, now: int) -> Campaign:
    """Set `cancelled` at once; open rows turn `skipped` when the grace period is over (`skip_cancelled`)."""
    campaign = get_campaign(tx, campaign_id)
    check_campaign(campaign.name, campaign.state, CampaignState.CANCELLED)
    tx.execute(
        "UPDATE campaigns SET state = 'cancelled', before_cancel = state, cancelled_at = ?, updated_at = ?, "
        "version = version + 1 WHERE id = ?",
        (now, now, campaign_id),
    )
    _forget_places(tx, campaign_id)
    finish_executions(tx, campaign_id, "done", "cancelled", now)
    add_event(tx, with_campaign(event, campaign_id), now)
    return get_campaign(tx, campaign_id)


def undo_cancel(tx: Tx, campaign_id: int, event: Event, now: int, grace: int) -> Campaign:
    """Flip a cancel back within its grace period (microseconds); refused afterwards."""
    row = tx.one("SELECT name, state, before_cancel, cancelled_at FROM campaigns WHERE id = ?", (campaign_id,))
    over = row["state"] != "cancelled" or row["before_cancel"] in ("", GRACE_OVER)
    if over or now - row["cancelled_at"] >= grace:
        raise RefusedError(
            f"the cancel of '{row['name']}' can no longer be undone",
            hint=f"a cancel can be undone for {grace // 1_000_000} s; make a new campaign for those who are left",
        )
    tx.execute(
        "UPDATE campaigns SET state = before_cancel, before_cancel = '', cancelled_at = NULL, updated_at = ?, "
        "version = version + 1 WHERE id = ?",
        (now, campaign_id),
    )
    if row["before_cancel"] == CampaignState.ACTIVE.value and not approvals.hold_campaigns(tx, now):
        begin_execution(tx, campaign_id, "resume", 0, event.actor.user, now)
    add_event(tx, with_campaign(event, campaign_id), now)
    return get_campaign(tx, campaign_id)


def set_live(tx: Tx, campaign_id: int, live: bool, event: Event, now: int) -> Campaign:
    tx.execute(
        "UPDATE campaigns SET live = ?, updated_at = ?, version = version + 1 WHERE id = ?",
        (1 if live else 0, now, campaign_id),
    )
    add_event(tx, with_campaign(event, campaign_id), now)
    return get_campaign(tx, campaign_id)


def set_replanning(tx: Tx, campaign_id: int, on: bool, now: int) -> None:
    """While a campaign is planned anew none of its jobs may be claimed."""
    row = tx.one(
        "UPDATE campaigns SET replanning = ?, updated_at = ? WHERE id = ? RETURNING queue_id",
        (1 if on else 0, now, campaign_id),
    )
    if on and row is not None:
        _forget_places(tx, campaign_id)


def _forget_places(tx: Tx, campaign_id: int) -> None:
    for queue_id, _, _ in get_lanes(tx, campaign_id):
        domains.forget_places(tx, queue_id)


def begin_execution(tx: Tx, campaign_id: int, kind: str, queued: int, actor: str, now: int) -> int:
    """Note one start, resume or retry; its counts are what the campaign's counters gain until it ends."""
    finish_executions(tx, campaign_id, "done", f"followed by {kind}", now)
    sent, failed = _sent_failed(tx, campaign_id)
    return tx.insert(
        "INSERT INTO executions (campaign_id, kind, state, actor, queued, base_sent, base_failed, started_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (campaign_id, kind, "running", actor, queued, sent, failed, now),
    )


def finish_executions(tx: Tx, campaign_id: int, state: str, message: str, now: int) -> None:
    if not tx.one("SELECT 1 FROM executions WHERE campaign_id = ? AND state = 'running'", (campaign_id,)):
        return
    sent, failed = _sent_failed(tx, campaign_id)
    tx.execute(
        "UPDATE executions SET state = ?, message = ?, sent = ? - base_sent, failed = max(0, ? - base_failed), "
        "finished_at = ? WHERE campaign_id = ? AND state = 'running'",
        (state, message, sent, failed, now, campaign_id),
    )


def _sent_failed(tx: Tx, campaign_id: int) -> tuple[int, int]:
    row = tx.one(
        "SELECT COALESCE(SUM(CASE WHEN state IN ('completed', 'bounced') THEN n END), 0) AS sent, "
        "COALESCE(SUM(CASE WHEN state = 'failed' THEN n END), 0) AS failed "
        "FROM counters WHERE campaign_id = ?",
        (campaign_id,),
    )
    return row["sent"], row["failed"]
