"""Who of a campaign another one writes to as well, by address or by profile: bounded look-ups for a plan, and for the
moment in which a message would leave."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from storage.model import DAY
from storage.reader import Reader

if TYPE_CHECKING:
    from storage.tx import Tx

AFTER = 3 * DAY
"""Distance (us) that a campaign with `overlap = "wait"` keeps from another one's message to the same person."""
WAITS = "another campaign"
"""The gate that keeps it, and why a pending job is due later than planned."""

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


_MINDS = "SELECT 1 FROM campaigns WHERE id = ? AND json_extract(settings, '$.overlap') = 'wait'"
# What was planned elsewhere is no reason here: two campaigns that wait for each other would wait for ever.
_LEFT = (
    "WITH same AS (SELECT id FROM recipients INDEXED BY recipients_key WHERE address_key = :key "
    "AND campaign_id <> :campaign UNION SELECT id FROM recipients INDEXED BY recipients_profile "
    "WHERE profile = :profile AND profile <> '' AND campaign_id <> :campaign), "
    "left_at AS (SELECT j.campaign_id, CASE WHEN j.state = 'processing' THEN (SELECT a.intent_at FROM attempts a "
    "WHERE a.job_id = j.id AND a.lease = j.lease) ELSE COALESCE(j.sent_at, j.updated_at) END AS at "
    "FROM same s JOIN jobs j ON j.recipient_id = s.id "
    "WHERE j.state IN ('processing', 'completed', 'uncertain', 'bounced')) "
    "SELECT c.name, l.at FROM left_at l JOIN campaigns c ON c.id = l.campaign_id WHERE l.at > :since "
    "ORDER BY l.at DESC LIMIT 1"
)


def minds(look: Tx | Reader, campaign_id: int) -> bool:
    """Whether a campaign waits for what others send to its people."""
    return look.one(_MINDS, (campaign_id,)) is not None


def just_left(look: Tx | Reader, campaign_id: int, address_key: str, profile: str, now: int) -> Overlap | None:
    """The last message of another campaign that left for this person, or may have, less than `AFTER` ago."""
    values = {"campaign": campaign_id, "key": address_key, "profile": profile, "since": now - AFTER}
    row = look.one(_LEFT, values)
    return Overlap(row["name"], row["at"]) if row is not None else None
