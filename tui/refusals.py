"""Why an action cannot be done for a row, in the words that every screen shows; "" when it can.

Each takes the row of what the action is for, and the situation around it. `tui.actions` says which belongs to which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from storage.model import SEND
from storage.work_terms import CHANNEL

if TYPE_CHECKING:
    from tui.actions import Row
    from tui.lookup import Situation


def state_is(*states: str, verb: str) -> Callable[[Row, Situation], str]:
    def why(row: Row, situation: Situation) -> str:
        if row["state"] in states:
            return ""
        return f"{row['name']} is {row['state']}: only {' or '.join(states)} campaigns can be {verb}"

    return why


def start(row: Row, situation: Situation) -> str:
    if row["state"] != "draft":
        return f"{row['name']} is {row['state']}: only a draft can be started"
    return ""


def resume(row: Row, situation: Situation) -> str:
    match row["state"]:
        case "paused":
            if _unapproved(row):
                return f"{row['name']} waits for approval: {situation.named('campaign.approve')} approves it"
            return ""
        case "active":
            return f"{row['name']} is running already: nothing to resume"
        case "draft":
            return f"{row['name']} is a draft: {situation.named('campaign.start')} starts it"
    return f"{row['name']} is {row['state']}: only paused campaigns can be resumed"


def _unapproved(row: Row) -> bool:
    return bool(row.get("approval") == "campaign" and row.get("approved_at") is None)


def approve_campaign(row: Row, situation: Situation) -> str:
    if row.get("approval") != "campaign":
        return f"{row['name']} is not approved as a whole"
    if row["state"] == "draft":
        return f"{row['name']} is a draft: {situation.named('campaign.start')} starts it, then it is approved"
    if row["state"] == "cancelled":
        return f"{row['name']} is cancelled"
    return "" if _unapproved(row) else f"{row['name']} was approved by {row.get('approved_by')}"


def decide(row: Row, situation: Situation) -> str:
    if row["state"] == "held" and row.get("reason") == "approval":
        return ""
    return f"job {row['id']} is {row['state']}: it does not wait for approval"


def cancel(row: Row, situation: Situation) -> str:
    if row["state"] in ("completed", "cancelled"):
        return f"{row['name']} is {row['state']} already"
    return ""


def live(row: Row, situation: Situation) -> str:
    if row["state"] in ("completed", "cancelled"):
        return f"{row['name']} is {row['state']}: nothing of it can be sent"
    return ""


def retry_campaign(row: Row, situation: Situation) -> str:
    if row["state"] == "cancelled":
        return f"{row['name']} is cancelled"
    counts = row["counts"]
    if not counts["failed"] and not counts["held"]:
        return f"nothing of {row['name']} has failed or is held"
    return ""


def retry_group(row: Row, situation: Situation) -> str:
    if row["failed"] or row["held"]:
        return ""
    if row["uncertain"]:
        return "uncertain messages are never retried in bulk: open the group, then decide each"
    return "these are retried by themselves"


def retry_job(row: Row, situation: Situation) -> str:
    if row["state"] == "uncertain":
        decides = situation.named("work.resolve" if _is_work(row) else "job.resolve")
        return f"uncertain: it may have been {_done(row)}. {decides} decides"
    if row["state"] == "held" and row.get("reason") == "approval":
        return f"it waits for approval: {situation.named('approval.approve')} in view 5 approves it"
    if row["state"] == "held" and row.get("reason") == "cancelled":
        return f"it is being cancelled: {situation.named('undo')} takes it back"
    if row["state"] not in ("failed", "held"):
        return f"job {row['id']} is {row['state']}: only failed or held ones are retried"
    return ""


def _done(row: Row) -> str:
    return "done" if _is_work(row) else "sent"


def _is_work(row: Row) -> bool:
    return str(row.get("kind") or SEND) != SEND


def end_job(row: Row, situation: Situation) -> str:
    if not _is_work(row):
        return f"job {row['id']} is a message: what is in flight is never cut off"
    return "" if row["state"] == "processing" else f"job {row['id']} is {row['state']}: it does not run"


def again(row: Row, situation: Situation) -> str:
    if not _is_work(row):
        return f"job {row['id']} is a message: nothing sends it a second time"
    if row["state"] == "failed":
        return f"job {row['id']} failed: {situation.named('job.retry')} tries it again"
    if row["state"] not in ("completed", "skipped"):
        return f"job {row['id']} is {row['state']}: only one that is over is run again"
    return ""


def cancel_job(row: Row, situation: Situation) -> str:
    if row["state"] == "processing":
        return f"job {row['id']} is in flight: it finishes and is counted"
    if row["state"] not in ("pending", "held"):
        return f"job {row['id']} is {row['state']}: there is nothing to cancel"
    return f"it is being cancelled: {situation.named('undo')} takes it back" if row.get("reason") == "cancelled" else ""


def resolve(row: Row, situation: Situation) -> str:
    if row["state"] != "uncertain":
        return f"job {row['id']} is {row['state']}, not uncertain"
    return f"job {row['id']} is no message: was it done?" if _is_work(row) else ""


def resolve_work(row: Row, situation: Situation) -> str:
    if row["state"] != "uncertain":
        return f"job {row['id']} is {row['state']}, not uncertain"
    return "" if _is_work(row) else f"job {row['id']} is a message: was it sent?"


def person(row: Row, situation: Situation) -> str:
    if row["state"] == "processing":
        return f"a message to {row['address']} is in flight"
    if row["state"] == "uncertain":
        return f"a message may have been sent to {row['address']}: {situation.named('job.resolve')} decides first"
    if row["state"] in ("completed", "bounced"):
        return f"a message was sent to {row['address']}: what was sent keeps its address and fields"
    return ""


def resolve_campaign(row: Row, situation: Situation) -> str:
    return "" if row["counts"].get("uncertain") else f"nothing of {row['name']} is uncertain"


def continue_draft(row: Row, situation: Situation) -> str:
    return "" if row["state"] == "draft" else f"{row['name']} is {row['state']}: only a draft is still being made"


def message(row: Row, situation: Situation) -> str:
    if row["state"] == "active":
        return (
            f"{row['name']} is running: {situation.named('campaign.pause')} pauses it, then its message can be changed"
        )
    return f"{row['name']} is cancelled" if row["state"] == "cancelled" else ""


def add_step(row: Row, situation: Situation) -> str:
    if row["state"] == "completed":
        return f"{row['name']} is completed: a further message would begin at once"
    return message(row, situation)


def remove_step(row: Row, situation: Situation) -> str:
    if row["step"] == 1:
        return "the first message is the campaign's own: it is changed, not taken out"
    if not 1 < row["step"] <= len(row["steps"]):
        return f"{row['name']} has no step {row['step']}"
    return message(row, situation)


def pacing(row: Row, situation: Situation) -> str:
    return f"{row['name']} is {row['state']}" if row["state"] in ("completed", "cancelled") else ""


def import_people(row: Row, situation: Situation) -> str:
    return f"{row['name']} is cancelled" if row["state"] == "cancelled" else ""


def forget(row: Row, situation: Situation) -> str:
    return "" if row["state"] == "draft" else f"the campaign is {row['state']}: only a draft gives people back"


def engine_pause(row: Row, situation: Situation) -> str:
    return "everything is paused already" if situation.engine_paused else ""


def engine_resume(row: Row, situation: Situation) -> str:
    return "" if situation.engine_paused else "nothing is paused as a whole"


def engine_start(row: Row, situation: Situation) -> str:
    return "" if situation.lost else "an engine runs"


def undo(row: Row, situation: Situation) -> str:
    return "" if situation.undo else "nothing to undo"


def alarm_ack(row: Row, situation: Situation) -> str:
    if row["cleared_at"] is not None:
        return f"alarm {row['id']} is over"
    return f"alarm {row['id']} was acknowledged by {row['acknowledged_by']}" if row["acknowledged_by"] else ""


def schedule_disable(row: Row, situation: Situation) -> str:
    return "" if row["enabled"] else f"schedule {row['name']} is disabled already"


def schedule_enable(row: Row, situation: Situation) -> str:
    return f"schedule {row['name']} is enabled" if row["enabled"] else ""


def pipeline_run(row: Row, situation: Situation) -> str:
    open_run = row["state"] in ("pending", "processing")
    return f"a run of {row['name']} is under way: job {row['id']}" if open_run else ""


def queue_pause(row: Row, situation: Situation) -> str:
    return f"queue {row['name']} is paused already" if row["state"] == "paused" else ""


def queue_tune(row: Row, situation: Situation) -> str:
    if row.get("channel") != CHANNEL:
        return ""
    where = "[jobs]" if row["name"] == "default" else f"[jobs.queues.{row['name']}]"
    return f"{row['name']} holds background jobs: its concurrency stands in {where} of the configuration"


def queue_resume(row: Row, situation: Situation) -> str:
    return f"queue {row['name']} is ready" if row["state"] == "ready" and not row.get("throttle") else ""


def queue_probe(row: Row, situation: Situation) -> str:
    if row["state"] == "paused":
        return f"queue {row['name']} is paused: {situation.named('queue.resume')} resumes it"
    if row["state"] in ("ready", "probing"):
        return f"queue {row['name']} is {row['state']}: there is nothing to probe"
    return ""
