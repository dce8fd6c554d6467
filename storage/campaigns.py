"""Campaigns with their steps and lanes: made and read. `campaign_states` moves them, `edits` changes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from storage.errors import NotFoundError, UsageError
from storage.events import Event, add_event
from storage.model import CampaignState
from storage.nouns import Campaign, Step

if TYPE_CHECKING:
    from storage.tx import Tx

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
    return replace(event, campaign_id=campaign_id)
