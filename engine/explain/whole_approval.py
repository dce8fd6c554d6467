"""A campaign that waits for a yes as a whole, in words. Apart, because the console's first picture needs only these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def waits_for_approval(row: Mapping[str, Any]) -> str:
    """That a campaign waits for a yes as a whole, and what took the last one back where nobody changed it."""
    if note := row["approval_note"]:
        return f"waits for approval again, its sender changed: {note}"
    return "waits for approval as a whole"
