"""Campaigns that run and begin later: nothing of them was sent, and their first message is still to come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from storage.model import MINUTE
from storage.reader import Reader

Row = dict[str, Any]


def add_due(reader: Reader, campaigns: Iterable[Row]) -> None:
    """Their due times (`Reader.due`) to the rows of those that may begin later."""
    for row in campaigns:
        if _not_begun(row):
            row["due"] = reader.due(row["id"])


def is_later(row: Row, now: int) -> bool:
    """Active, and its first message is more than a minute away; without its due times `row` tells of none."""
    return _not_begun(row) and "due" in row and (row["due"]["first"] or 0) > now + MINUTE


def _not_begun(row: Row) -> bool:
    counts = row["counts"]
    return row["state"] == "active" and not counts["completed"] and not counts["processing"]
