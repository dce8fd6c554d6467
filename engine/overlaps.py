"""One person in two campaigns: what a campaign does about somebody whom another one writes to as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from storage.nouns import Campaign
from storage.overlaps import AFTER, Overlap, overlaps
from storage.store import Store


def overlap_of(settings: Mapping[str, Any], channel: str) -> str:
    """The rule of a campaign whose first account is of `channel`: allow, skip or wait. A second invitation from one
    sender looks like a machine, so LinkedIn leaves such people out unless the campaign says otherwise."""
    return str(settings.get("overlap") or ("skip" if channel == "unipile" else "allow"))


async def others_of(
    store: Store, campaign: Campaign, channel: str, recipient_ids: Sequence[int], now: int
) -> dict[int, Overlap]:
    """Those of these people whom another campaign writes to, where the rule of this one asks; {} where it does not."""
    if overlap_of(campaign.settings, channel) == "allow":
        return {}
    return await store.read(lambda reader: overlaps(reader, campaign.id, recipient_ids, now))


def left_out(campaign: Campaign, channel: str, other: Overlap | None) -> str:
    """Why somebody is left out ("" when they are not)."""
    if other is None or overlap_of(campaign.settings, channel) != "skip":
        return ""
    return f"also in {other.campaign}"


def not_before(other: Overlap | None) -> int:
    """When somebody who waits for another campaign may be written to at the earliest (us)."""
    return 0 if other is None else other.at + AFTER
