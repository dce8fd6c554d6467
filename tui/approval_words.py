"""Who must approve a campaign, in words."""

from __future__ import annotations

from tui.cli.output import span


def approval_in_words(approval: str, time: int) -> str:
    """Who must say yes before a campaign's messages are sent, and within which `time` (us); "" where nobody must."""
    match approval:
        case "message":
            return f"each message, within {span(time)}" if time else "each message"
        case "campaign":
            return "the campaign as a whole"
    return ""
