"""The messages behind the first one of a campaign, as commands and console hand them to `campaign.edit`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.errors import UsageError

Step = dict[str, Any]

PARTS = ("subject", "text", "html", "headers", "attachments")
"""What a step says."""
STORED = (*PARTS, "channel", "wait", "conditions", "pacing")
"""What `campaign.edit` takes of a further step."""
MAIL = ("smtp", "outbox")
"""Channels whose messages have a subject and headers."""


def stored(campaign: Mapping[str, Any]) -> list[Step]:
    """The steps behind the first of a campaign as `Reader.campaign` gives it."""
    return [{part: step[part] for part in STORED} for step in campaign["steps"][1:]]


def with_step(campaign: Mapping[str, Any], step: Step, place: int | None = None) -> tuple[list[Step], int]:
    """The same with one more at `place` (from 2; None: behind the last), and its place. Raises UsageError."""
    found = stored(campaign)
    place = place or len(found) + 2
    if not 2 <= place <= len(found) + 2:
        raise UsageError(
            f"the next step is {len(found) + 2}, not {place}", hint=f"paceline campaign steps {campaign['name']}"
        )
    refuse_empty(campaign, step)
    found.insert(place - 2, step)
    return found, place


def without_step(campaign: Mapping[str, Any], number: int) -> list[Step]:
    """The same without step `number`. Raises UsageError for one that is not behind the first."""
    found = stored(campaign)
    if not 2 <= number <= len(found) + 1:
        raise UsageError(f"{campaign['name']} has no step {number} behind the first")
    del found[number - 2]
    return found


def refuse_empty(campaign: Mapping[str, Any], step: Step) -> None:
    """Only an invitation may come without words. Raises UsageError."""
    channel = step.get("channel") or campaign["channel"]
    if channel != "unipile" and not step.get("text", "").strip() and not step.get("html", "").strip():
        raise UsageError("the message has no text", hint="write it below its subject, or name a file with --template")


def reaches_at_once(campaign: Mapping[str, Any], place: int) -> bool:
    """Whether a step that is added at `place` goes to people who had the one before it already."""
    return bool(campaign["state"] != "draft" and place == len(campaign["steps"]) + 1)
