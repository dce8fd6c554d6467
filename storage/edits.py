"""Changes of a campaign that exists: its message, its pacing, and of a draft also its name, account and people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from storage import approvals, step_edits
from storage.campaigns import StepSpec, get_campaign, get_steps, insert_step, set_lanes, spacing, with_campaign
from storage.errors import NotFoundError, RefusedError, UsageError
from storage.events import Event, add_event
from storage.model import CampaignState
from storage.nouns import Campaign, Step
from storage.tx import Tx

MESSAGE_STATES = (CampaignState.DRAFT, CampaignState.PAUSED, CampaignState.COMPLETED)
"""Where a message may be changed: nothing of it is being sent."""
PACED_STATES = (CampaignState.DRAFT, CampaignState.ACTIVE, CampaignState.PAUSED)
REMEDY = {
    CampaignState.ACTIVE: "pause it first, then edit, then resume it",
    CampaignState.COMPLETED: "it is completed: import more people or make a new campaign",
    CampaignState.CANCELLED: "make a new campaign",
}


@dataclass(frozen=True, slots=True)
class Edit:
    """What changes; None leaves a thing as it is. `queue_id` is the new first account's queue, `more_queues` are those
    of all further accounts."""

    name: str | None = None
    queue_id: int | None = None
    more_queues: tuple[int, ...] | None = None
    steps: tuple[StepSpec, ...] | None = None
    """The steps behind the first."""
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    headers: dict[str, str] | None = None
    attachments: tuple[dict[str, str], ...] | None = None
    settings: dict[str, Any] | None = None
    """Laid over those that it has, key by key."""
    list_name: str | None = None
    approval: str | None = None
    approval_time: int | None = None

    @property
    def of_message(self) -> bool:
        parts = (self.subject, self.text, self.html, self.headers, self.attachments)
        return any(part is not None for part in parts)


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a campaign shares its queue and when it may send; None leaves a thing as it is, an empty `hours` takes the
    window away."""

    priority: int | None = None
    weight: int | None = None
    concurrency: int | None = None
    hours: dict[str, Any] | None = None


def check_editable(campaign: Campaign, states: tuple[CampaignState, ...], what: str) -> None:
    """Refuse a change that the campaign's state does not allow."""
    if campaign.state not in states:
        raise RefusedError(
            f"campaign '{campaign.name}' is {campaign.state}: its {what} cannot be changed",
            hint=REMEDY.get(campaign.state, "it is no draft any more: make a new campaign"),
        )


def _check_approval(campaign: Campaign, approval: str) -> None:
    """Who must say yes stays as it was started: what is planned already would be without its question."""
    if campaign.state is not CampaignState.DRAFT and approval != campaign.approval:
        raise RefusedError(
            f"campaign '{campaign.name}' is {campaign.state}: who must approve it is chosen while it is a draft",
            hint="approve or reject what waits (`paceline approval list`), or make a new campaign",
        )


def edit_campaign(tx: Tx, campaign_id: int, edit: Edit, event: Event, now: int) -> Campaign:
    """Change a draft's name and account, and the message of a campaign that is not being sent. Raises RefusedError."""
    campaign = get_campaign(tx, campaign_id)
    if edit.name is not None or edit.queue_id is not None:
        check_editable(campaign, (CampaignState.DRAFT,), "name and account")
    if edit.of_message:
        check_editable(campaign, MESSAGE_STATES, "message")
    if edit.settings is not None:
        check_editable(campaign, MESSAGE_STATES, "settings")
        settings = json.dumps({**campaign.settings, **edit.settings})
        tx.execute("UPDATE campaigns SET settings = ? WHERE id = ?", (settings, campaign_id))
    if edit.list_name is not None:
        check_editable(campaign, MESSAGE_STATES, "list")
        tx.execute("UPDATE campaigns SET list = ? WHERE id = ?", (edit.list_name, campaign_id))
    if edit.approval is not None:
        _check_approval(campaign, edit.approval)
        tx.execute("UPDATE campaigns SET approval = ? WHERE id = ?", (edit.approval, campaign_id))
    if edit.approval_time is not None:
        tx.execute("UPDATE campaigns SET approval_time = ? WHERE id = ?", (edit.approval_time, campaign_id))
    if edit.name is not None and edit.name != campaign.name:
        if tx.one("SELECT 1 FROM campaigns WHERE name = ?", (edit.name,)):
            raise UsageError(f"the campaign name '{edit.name}' is taken", hint="choose another name")
        tx.execute("UPDATE campaigns SET name = ? WHERE id = ?", (edit.name, campaign_id))
    if edit.queue_id is not None:
        tx.execute("UPDATE campaigns SET queue_id = ? WHERE id = ?", (edit.queue_id, campaign_id))
    if edit.queue_id is not None or edit.more_queues is not None:
        _set_accounts(tx, campaign, edit)
    if edit.steps is not None:
        _set_steps(tx, campaign, edit.steps, now)
    if edit.of_message:
        _edit_message(tx, campaign_id, edit, now)
    if edit.settings is not None or edit.list_name is not None or edit.queue_id is not None:
        # From whom it comes is a part of what people look at before they approve it (`deciding.Awaiting.written_at`).
        tx.execute("UPDATE steps SET updated_at = ? WHERE campaign_id = ?", (now, campaign_id))
    tx.execute("UPDATE campaigns SET updated_at = ?, version = version + 1 WHERE id = ?", (now, campaign_id))
    approvals.hold_campaigns(tx, now)
    add_event(tx, with_campaign(event, campaign_id), now)
    return get_campaign(tx, campaign_id)


def _edit_message(tx: Tx, campaign_id: int, edit: Edit, now: int) -> None:
    step = get_steps(tx, campaign_id)[0]
    attachments = step.attachments if edit.attachments is None else edit.attachments
    tx.execute(
        "UPDATE steps SET subject = ?, text = ?, html = ?, headers = ?, attachments = ?, updated_at = ? WHERE id = ?",
        (
            step.subject if edit.subject is None else edit.subject,
            step.text if edit.text is None else edit.text,
            step.html if edit.html is None else edit.html,
            json.dumps(step.headers if edit.headers is None else edit.headers),
            json.dumps(list(attachments)),
            now,
            step.id,
        ),
    )


def _set_accounts(tx: Tx, campaign: Campaign, edit: Edit) -> None:
    """Other accounts. One through which messages are still to be sent stays."""
    check_editable(campaign, MESSAGE_STATES, "accounts")
    first = campaign.queue_id if edit.queue_id is None else edit.queue_id
    wanted = (first, *(edit.more_queues or ()))
    marks = ", ".join("?" * len(wanted))
    needed = tx.one(
        "SELECT q.name, SUM(k.n) AS n FROM counters k JOIN queues q ON q.id = k.queue_id WHERE k.campaign_id = ? "
        f"AND k.state IN ('held', 'pending', 'processing') AND k.n > 0 AND q.id NOT IN ({marks}) GROUP BY q.id",
        (campaign.id, *wanted),
    )
    if needed is not None:
        raise RefusedError(
            f"{needed['n']:,} open messages of '{campaign.name}' go through account {needed['name']}",
            hint="leave it in the campaign until they are sent",
        )
    set_lanes(tx, campaign.id, wanted)


def _set_steps(tx: Tx, campaign: Campaign, steps: tuple[StepSpec, ...], now: int) -> None:
    """Other steps behind the first. Those that somebody has a message of stay where they are; only their words, waits
    and conditions change."""
    check_editable(campaign, MESSAGE_STATES, "steps")
    have = get_steps(tx, campaign.id)
    for step in have[1:]:
        _check_place(tx, campaign, step, steps)
    if campaign.state is not CampaignState.DRAFT:
        _note_for_messages(tx, campaign, have, steps)
    for position, wanted in enumerate(steps, start=2):
        if position > len(have):
            insert_step(tx, campaign.id, position, wanted, now)
            continue
        if len(steps) + 1 < len(have) and _spec_of(have[position - 1]) != wanted:
            # One before it was taken away: what moves up must not become another message of somebody's.
            _check_unsent(tx, campaign, have[position - 1])
        tx.execute(
            "UPDATE steps SET subject = ?, text = ?, html = ?, headers = ?, attachments = ?, channel = ?, wait = ?, "
            "conditions = ?, pacing = ?, updated_at = ? WHERE id = ?",
            (
                wanted.subject, wanted.text, wanted.html, json.dumps(wanted.headers),
                json.dumps(list(wanted.attachments)), wanted.channel, json.dumps(wanted.wait) if wanted.wait else "",
                " ".join(wanted.conditions), json.dumps(wanted.pacing) if wanted.pacing else "", now,
                have[position - 1].id,
            ),
        )  # fmt: skip
    for step in have[len(steps) + 1 :]:
        _check_unsent(tx, campaign, step)
        tx.execute("DELETE FROM steps WHERE id = ?", (step.id,))


def _spec_of(step: Step) -> StepSpec:
    return StepSpec(
        step.subject, step.text, step.html, step.headers, step.attachments, step.channel, step.wait, step.conditions,
        step.pacing,
    )  # fmt: skip


def _check_place(tx: Tx, campaign: Campaign, step: Step, steps: tuple[StepSpec, ...]) -> None:
    """A step that somebody has a message of keeps its place: at another one they would get it a second time."""
    spec, place = _spec_of(step), step.position - 2
    moved = spec in steps and (place >= len(steps) or steps[place] != spec)
    if moved and _has_messages(tx, campaign, step):
        raise RefusedError(
            f"step {step.position} of '{campaign.name}' has messages already: it cannot change its place",
            hint="add further steps behind it, or make a new campaign",
        )


def _has_messages(tx: Tx, campaign: Campaign, step: Step) -> bool:
    return (
        tx.one("SELECT 1 FROM jobs WHERE campaign_id = ? AND step_id = ? LIMIT 1", (campaign.id, step.id)) is not None
    )


def _check_unsent(tx: Tx, campaign: Campaign, step: Step) -> None:
    if _has_messages(tx, campaign, step):
        raise RefusedError(
            f"step {step.position} of '{campaign.name}' has messages already: no step up to it can be taken away",
            hint="change its text, wait or conditions instead, or cancel its messages",
        )


def _note_for_messages(tx: Tx, campaign: Campaign, have: Sequence[Step], steps: Sequence[StepSpec]) -> None:
    """Whoever has the message behind which a step comes now is looked at again, as is who waits for an acceptance; what
    is planned already follows its new wait and conditions (`step_edits.look_again`, in slices)."""
    behind = (have[-1].id,) if len(steps) + 1 > len(have) else ()
    if behind and campaign.state is CampaignState.COMPLETED:
        raise RefusedError(
            f"campaign '{campaign.name}' is completed: a further step would begin at once",
            hint="make a new campaign for those people",
        )
    changed = tuple(
        step.id for step, wanted in zip(have[1:], steps, strict=False) if _when(_spec_of(step)) != _when(wanted)
    )
    if behind or changed or len(steps) + 1 < len(have):
        step_edits.note(tx, step_edits.StepEdit(campaign.id, behind, changed))


def _when(spec: StepSpec) -> tuple[Any, ...]:
    """What tells when a step begins, for whom, and through what."""
    return spec.wait, spec.conditions, spec.channel, spec.pacing


def tune_campaign(tx: Tx, campaign_id: int, tuning: Tuning, event: Event, now: int) -> Campaign:
    """Change a campaign's part of its queue and its window. The jobs keep their slots: after another window planning
    anew follows. Raises RefusedError."""
    campaign = get_campaign(tx, campaign_id)
    check_editable(campaign, PACED_STATES, "share and window")
    hours = campaign.hours if tuning.hours is None else tuning.hours
    tx.execute(
        "UPDATE campaigns SET priority = ?, weight = ?, concurrency = ?, hours = ?, updated_at = ?, "
        "version = version + 1 WHERE id = ?",
        (
            campaign.priority if tuning.priority is None else tuning.priority,
            campaign.weight if tuning.weight is None else tuning.weight,
            campaign.concurrency if tuning.concurrency is None else tuning.concurrency,
            json.dumps(hours) if hours else "",
            now,
            campaign_id,
        ),
    )
    add_event(tx, with_campaign(event, campaign_id), now)
    return get_campaign(tx, campaign_id)


def set_pacing(tx: Tx, campaign_id: int, pacing: dict[str, Any], concurrency: int, event: Event, now: int) -> Campaign:
    """Another pacing. The jobs keep their slots: planning anew follows. Raises RefusedError."""
    check_editable(get_campaign(tx, campaign_id), PACED_STATES, "pacing")
    tx.execute(
        "UPDATE campaigns SET pacing = ?, spacing = ?, concurrency = ?, updated_at = ?, version = version + 1 "
        "WHERE id = ?",
        (json.dumps(pacing), spacing(pacing), concurrency, now, campaign_id),
    )
    add_event(tx, with_campaign(event, campaign_id), now)
    return get_campaign(tx, campaign_id)


def reopen_import(tx: Tx, campaign_id: int, import_id: int, event: Event, now: int) -> int:
    """Take an import of a draft back: its people can be seen by nobody from now on, and are removed in slices
    (`recipients.remove_import_slice`), at the next start of an engine if need be. Returns how many there were."""
    check_editable(get_campaign(tx, campaign_id), (CampaignState.DRAFT,), "recipients")
    row = tx.one(
        "SELECT imported FROM imports WHERE id = ? AND campaign_id = ? AND state = 'done'", (import_id, campaign_id)
    )
    if row is None:
        raise NotFoundError(f"there is no import {import_id} in this campaign", hint="see `paceline campaign show`")
    tx.execute("UPDATE imports SET state = 'loading' WHERE id = ?", (import_id,))
    tx.execute("UPDATE campaigns SET updated_at = ?, version = version + 1 WHERE id = ?", (now, campaign_id))
    add_event(tx, with_campaign(event, campaign_id), now)
    return int(row["imported"])
