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


def gone_rows(before: Any, after: Any) -> list[dict[str, Any]]:
    """The rows of the first reading that the second one has not."""
    old, new = _rows(before), _rows(after)
    return [old[key] for key in old.keys() - new.keys()]


def _rows(data: Any) -> dict[Hashable, Any]:
    lists = {"": data} if isinstance(data, list) else data if isinstance(data, dict) else {}
    found: dict[Hashable, Any] = {}
    for name, rows in lists.items():
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and (key := row.get("id", row.get("raw_key"))) is not None:
                found[name, key] = row
    return found


def in_words(missed: Missed) -> str:
    changed, new, gone = missed
    return f"{count(changed)} changed, {count(new)} new, {count(gone)} gone"
