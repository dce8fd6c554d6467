"""Which import brought somebody into a campaign."""

from __future__ import annotations

from collections.abc import Sequence

from storage.reader import Reader

AT_ONCE = 500
_SOURCES = (
    "SELECT r.address_key, i.source FROM recipients r JOIN imports i ON i.id = r.import_id "
    "WHERE r.campaign_id = ? AND i.state = 'done' AND r.address_key IN "
)


def import_sources_of(reader: Reader, campaign_id: int, keys: Sequence[str]) -> dict[str, str]:
    """By address key, of those who are in a campaign: the source of the import that brought them."""
    found: dict[str, str] = {}
    for at in range(0, len(keys), AT_ONCE):
        some = keys[at : at + AT_ONCE]
        marks = ", ".join("?" * len(some))
        rows = reader.rows(f"{_SOURCES}({marks})", (campaign_id, *some))
        found.update({row["address_key"]: row["source"] for row in rows})
    return found
