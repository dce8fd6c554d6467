"""Who of a campaign another one writes to as well, by address or by profile: bounded look-ups for a plan."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from storage.model import DAY
from storage.reader import Reader

RECENT = 30 * DAY
"""So long a message of another campaign counts after it left."""

# Two look-ups by index, not an OR of both, which would read every person for each one asked for.
_OTHERS = (
    "WITH mine AS (SELECT id, address_key, profile FROM recipients WHERE id IN (SELECT value FROM json_each(:ids))), "
    "same AS (SELECT m.id, o.id AS other FROM mine m JOIN recipients o INDEXED BY recipients_key "
    "ON o.address_key = m.address_key WHERE o.campaign_id <> :campaign "
    "UNION SELECT m.id, o.id FROM mine m JOIN recipients o INDEXED BY recipients_profile "
    "ON o.profile = m.profile AND o.profile <> '' WHERE m.profile <> '' AND o.campaign_id <> :campaign) "
    "SELECT s.id, c.name, MAX(COALESCE(j.sent_at, j.due_at)) AS at FROM same s JOIN jobs j ON j.recipient_id = s.other "
    "JOIN campaigns c ON c.id = j.campaign_id WHERE "
    "(j.state IN ('held', 'pending', 'processing') AND c.state IN ('active', 'paused')) "
    "OR (j.state IN ('completed', 'uncertain', 'bounced') AND COALESCE(j.sent_at, j.updated_at) >= :since) "
    "GROUP BY s.id"
)


class Overlap(NamedTuple):
    """The campaign that somebody is also in, and when its last message to them left or is due (us)."""

    campaign: str
    at: int


def overlaps(reader: Reader, campaign_id: int, recipient_ids: Sequence[int], now: int) -> dict[int, Overlap]:
    """By recipient id, those of these people who have an open message in another campaign that runs or is paused, or
    had one from any other campaign in the last 30 days. At most some thousand people at once."""
    values = {"ids": json.dumps(list(recipient_ids)), "campaign": campaign_id, "since": now - RECENT}
    return {row["id"]: Overlap(row["name"], row["at"]) for row in reader.rows(_OTHERS, values)}
