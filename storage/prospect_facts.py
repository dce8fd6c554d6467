"""What the store knows of people whom a pipeline found, and what pipelines laid before people to approve. Times are
microseconds UTC."""

from __future__ import annotations

import json
from collections.abc import Sequence

from storage.reader import Reader
from storage.suppression_pages import refused

_KNOWN = f"""\
SELECT DISTINCT r.address_key FROM json_each(:keys) k
CROSS JOIN recipients r INDEXED BY recipients_key ON r.address_key = k.value
WHERE {Reader.VISIBLE} AND (r.campaign_id <> :campaign OR r.stopped <> ''
    OR EXISTS (SELECT 1 FROM jobs j WHERE j.recipient_id = r.id))
"""
_ADDED_SINCE = (
    "SELECT COALESCE(SUM(total), 0) AS n FROM batches INDEXED BY batches_campaign "
    "WHERE campaign_id = ? AND created_at >= ?"
)
_LAID_BY = (
    "SELECT j.id FROM batches b INDEXED BY batches_campaign JOIN jobs j INDEXED BY jobs_batch ON j.batch_id = b.id "
    "JOIN approvals a ON a.job_id = j.id WHERE b.campaign_id = ? AND b.id > ? AND b.created_by = ? "
    "AND b.state <> 'loading' AND j.created_at >= ? ORDER BY j.id"
)


def known(reader: Reader, campaign_id: int, keys: Sequence[str]) -> set[str]:
    """Whose address keys are recipients of any campaign, whatever became of their messages: sent, waiting, rejected,
    expired. Somebody whom this campaign took in without ever making a message for them is not known yet."""
    rows = reader.rows(_KNOWN, {"keys": json.dumps(list(keys)), "campaign": campaign_id})
    return {row["address_key"] for row in rows}


def suppressed(reader: Reader, campaign_id: int, keys: Sequence[str], now: int) -> set[str]:
    """Whose address keys must not be contacted now, by an entry for everything or for the campaign's list."""
    found = refused(reader, campaign_id, [(place, key, "") for place, key in enumerate(keys)], now)
    return {keys[place] for place in found}


def added_since(reader: Reader, campaign_id: int, since: int) -> int:
    """How many messages were made for people who came into a campaign since then; further steps do not count."""
    row = reader.one(_ADDED_SINCE, (campaign_id, since))
    return int(row["n"]) if row else 0


def laid_by(reader: Reader, campaign_id: int, actor: str, after: int, since: int = 0) -> list[int]:
    """The messages of a campaign that `actor` laid before people to approve, in batches behind the batch `after`, and
    not before `since`."""
    return [row["id"] for row in reader.rows(_LAID_BY, (campaign_id, after, actor, since))]
