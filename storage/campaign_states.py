"""Campaigns moved between their states: paused, active, cancelled and back; live or not; held while planned anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage import approvals, domains
from storage.campaigns import get_campaign, get_lanes, with_campaign
from storage.errors import RefusedError
from storage.events import Event, add_event
from storage.executions import begin_execution, finish_executions
from storage.model import CampaignState, PauseReason
from storage.nouns import Campaign
from storage.transitions import check_campaign

if TYPE_CHECKING:
    from storage.tx import Tx

GRACE_OVER = "over"
"""`before_cancel` once messages were skipped: no undo any more, whatever the clock says."""


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
