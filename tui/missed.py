"""What a frozen screen missed: how two readings of one view differ. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from tui.format import count

Missed = tuple[int, int, int]
"""Changed, new, gone."""


def differences(before: Any, after: Any) -> Missed:
    """How many rows differ between two readings of one view: rows are dicts with an `id` or a `raw_key`."""
    old, new = _rows(before), _rows(after)
    changed = sum(row != new[key] for key, row in old.items() if key in new)
    return changed, len(new.keys() - old.keys()), len(old.keys() - new.keys())


def with_gone(before: Any, after: Any) -> Any:
    """The first reading, with `gone` in the rows that the second one has not. Made anew: readings share the rows that
    are the same in both."""
    missing = _rows(before).keys() - _rows(after).keys()

    def marked(name: Hashable, rows: list[Any]) -> list[Any]:
        return [{**row, "gone": True} if (name, _key(row)) in missing else row for row in rows]

    if isinstance(before, list):
        return marked("", before)
    if isinstance(before, dict):
        return {name: marked(name, rows) if isinstance(rows, list) else rows for name, rows in before.items()}
    return before


def _key(row: Any) -> Hashable | None:
    key: Hashable | None = row.get("id", row.get("raw_key")) if isinstance(row, dict) else None
    return key


def _rows(data: Any) -> dict[Hashable, Any]:
    lists = {"": data} if isinstance(data, list) else data if isinstance(data, dict) else {}
    found: dict[Hashable, Any] = {}
    for name, rows in lists.items():
        for row in rows if isinstance(rows, list) else ():
            if (key := _key(row)) is not None:
                found[name, key] = row
    return found


def in_words(missed: Missed) -> str:
    changed, new, gone = missed
    return f"{count(changed)} changed, {count(new)} new, {count(gone)} gone"
