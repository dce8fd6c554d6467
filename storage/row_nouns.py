"""The nouns behind a reader's row of a campaign, for what composes and plans messages."""

from __future__ import annotations

from storage.errors import NotFoundError
from storage.model import CampaignState
from storage.nouns import Campaign, Step
from storage.reader import Row


def campaign_of(row: Row) -> Campaign:
    """The campaign of a row as `Reader.campaigns` gives it."""
    return Campaign(
        row["id"], row["name"], CampaignState(row["state"]), row["pause_reason"], row["pause_detail"],
        row["queue_id"], row["account"], row["priority"], row["concurrency"], row["pacing"], row["settings"],
        row["live"], row["seed"], row["created_at"], row["started_at"], row["completed_at"], row["cancelled_at"],
        row["last_start"], row["version"], row["weight"], row["hours"],
        row["list"] or row["name"], row["approval"], row["approval_time"], row["approved_at"], row["approved_by"],
        row["approval_note"],
    )  # fmt: skip


def step_of(row: Row, position: int = 1) -> Step:
    """A step, counted from 1, of a row as `Reader.campaign` gives it. Raises NotFoundError."""
    steps = row["steps"]
    if not 1 <= position <= len(steps):
        have = "1 step" if len(steps) == 1 else f"{len(steps)} steps"
        raise NotFoundError(
            f"there is no step {position}: campaign '{row['name']}' has {have}",
            hint=f"paceline campaign steps {row['name']}",
        )
    step = steps[position - 1]
    return Step(
        step["id"], row["id"], step["position"], step["subject"], step["text"], step["html"], step["headers"],
        tuple(step["attachments"]), step["channel"], step["wait"], tuple(step["conditions"]), step["pacing"],
    )  # fmt: skip


def steps_of(row: Row) -> list[Step]:
    """Every step of such a row, in order."""
    return [step_of(row, position) for position in range(1, len(row["steps"]) + 1)]
