"""One person in two campaigns: what a campaign does about somebody whom another one writes to as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.model import DAY

AFTER = 3 * DAY
"""Distance that a campaign with `overlap = "wait"` keeps from another one's message to the same person."""


def overlap_of(settings: Mapping[str, Any], channel: str) -> str:
    """The rule of a campaign whose first account is of `channel`: allow, skip or wait. A second invitation from one
    sender looks like a machine, so LinkedIn leaves such people out unless the campaign says otherwise."""
    return str(settings.get("overlap") or ("skip" if channel == "unipile" else "allow"))
