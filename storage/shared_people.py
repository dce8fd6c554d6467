"""Who of a campaign is also in another one of the last days: bounded reads of one subject."""

from __future__ import annotations

import json
from typing import NamedTuple

from storage.reader import Reader, Row

_OTHERS = (
    "SELECT id FROM campaigns WHERE id <> :campaign AND started_at IS NOT NULL "
    "AND COALESCE(completed_at, cancelled_at, :since) >= :since"
)
# `recipients` is unique by campaign and key: one probe of that index a person and other campaign.
_SHARED = (
    "FROM recipients a WHERE a.campaign_id = :campaign "
    f"AND {Reader.VISIBLE.replace('r.', 'a.')} "
    "AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.recipient_id = a.id) "
    "AND EXISTS (SELECT 1 FROM recipients b WHERE b.campaign_id IN (SELECT value FROM json_each(:others)) "
    "AND b.address_key = a.address_key)"
)
_COUNT = f"SELECT count(*) AS n {_SHARED}"
_FIRST = (
    "SELECT a.row_number, a.address, (SELECT c.name FROM recipients b JOIN campaigns c ON c.id = b.campaign_id "
    "WHERE b.campaign_id IN (SELECT value FROM json_each(:others)) AND b.address_key = a.address_key "
    f"ORDER BY c.started_at DESC LIMIT 1) AS campaign {_SHARED} ORDER BY a.id LIMIT :limit"
)


class SharedPeople(NamedTuple):
    """`n` people without a message yet who are in other campaigns too; `first` of them as `row_number, address,
    campaign` (the one that was started last)."""

    n: int
    first: list[Row]


def shared_people(reader: Reader, campaign_id: int, *, since: int, limit: int) -> SharedPeople:
    """People of a campaign whom another one reaches that ran at `since` (microseconds UTC) or later."""
    others = [row["id"] for row in reader.rows(_OTHERS, {"campaign": campaign_id, "since": since})]
    if not others:
        return SharedPeople(0, [])
    values = {"campaign": campaign_id, "others": json.dumps(others), "limit": limit}
    found = reader.one(_COUNT, values)
    n = int(found["n"]) if found else 0
    return SharedPeople(n, reader.rows(_FIRST, values) if n else [])
