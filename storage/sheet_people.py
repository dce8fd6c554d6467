"""The people of a campaign as an operator's own sheet names them: by address, or by the row that they came from."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Collection

from storage.reader import Reader, Row

SLICE = 5_000
"""People that one read looks through."""

# Of several messages the last one tells: it is the step that the person has come to.
_PERSON = (
    "SELECT r.id, r.address, r.address_key, r.stopped, r.row_number, COALESCE(j.state, 'draft') AS state, "
    "COALESCE(j.reason, '') AS reason, COALESCE(j.last_error, '') AS error, j.due_at, j.sent_at, j.updated_at "
    "FROM recipients r LEFT JOIN jobs j ON j.id = (SELECT max(id) FROM jobs WHERE recipient_id = r.id)"
)


def by_keys(reader: Reader, campaign_id: int, keys: Collection[str]) -> dict[str, Row]:
    """Those of a campaign whose addresses compare so; at most some hundred keys at once."""
    marks = ", ".join("?" * len(keys))
    sql = f"{_PERSON} WHERE r.campaign_id = ? AND r.address_key IN ({marks}) AND {reader.VISIBLE}"
    return {row["address_key"]: row for row in reader.rows(sql, (campaign_id, *keys))}


def by_ids(reader: Reader, ids: Collection[int]) -> dict[int, Row]:
    """These people; at most some hundred at once."""
    marks = ", ".join("?" * len(ids))
    return {row["id"]: row for row in reader.rows(f"{_PERSON} WHERE r.id IN ({marks})", tuple(ids))}


class ImportedRows:
    """Who came from which row of one import: 16 bytes a person."""

    def __init__(self, reader: Reader, campaign_id: int, import_id: int) -> None:
        found: list[tuple[int, int]] = []
        after = 0
        sql = (
            "SELECT id, row_number, import_id FROM recipients WHERE campaign_id = ? AND id > ? ORDER BY id "
            f"LIMIT {SLICE}"
        )
        while rows := reader.rows(sql, (campaign_id, after)):
            found += [(row["row_number"], row["id"]) for row in rows if row["import_id"] == import_id]
            after = rows[-1]["id"]
        found.sort()
        self._rows = array("q", (row for row, _ in found))
        self._ids = array("q", (id for _, id in found))

    def person(self, row: int) -> int | None:
        """The id of who came from this row; None for a row that made nobody."""
        place = bisect_left(self._rows, row)
        return self._ids[place] if place < len(self._rows) and self._rows[place] == row else None
