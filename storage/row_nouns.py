"""The nouns behind a reader's row of a campaign, for what composes and plans messages."""

from __future__ import annotations

from storage.model import Campaign, CampaignState, Step
from storage.reader import Row


def campaign_of(row: Row) -> Campaign:
    """The campaign of a row as `Reader.campaigns` gives it."""
    return Campaign(
        row["id"], row["name"], CampaignState(row["state"]), row["pause_reason"], row["pause_detail"],
        row["queue_id"], row["account"], row["priority"], row["concurrency"], row["pacing"], row["settings"],
        row["live"], row["seed"], row["created_at"], row["started_at"], row["completed_at"], row["cancelled_at"],
        row["last_start"], row["version"], row["weight"], row["hours"],
    )  # fmt: skip


def step_of(row: Row) -> Step:
    """The first step of a row as `Reader.campaign` gives it."""
    step = row["steps"][0]
    return Step(
        step["id"], row["id"], step["position"], step["subject"], step["text"], step["html"], step["headers"],
        tuple(step["attachments"]),
    )  # fmt: skip
