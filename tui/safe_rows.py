"""Whole rows through the one door: what the database or the engine's socket gave, made safe for a screen."""

from __future__ import annotations

from typing import Any

from tui.safe_text import safe_text

TEXT_LIMIT = 2_000


def clean(value: Any) -> Any:
    """Every string of a row made safe, at any depth.

    `error_key` is kept as it is stored under `raw_key`, because control compares it.
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        # Without a call for each cell: a page of jobs has ten thousand of them, four times a second.
        made = {}
        for key, item in value.items():
            if isinstance(item, str):
                item = item if item.isascii() and item.isprintable() and len(item) <= TEXT_LIMIT else _text(item)
            elif item is not None and not isinstance(item, int):
                item = clean(item)
            plain = isinstance(key, str) and len(key) < 64 and key.isascii() and key.isidentifier()
            made[key if plain else clean(key)] = item
        if "error_key" in value:
            made["raw_key"] = value["error_key"]
        return made
    if isinstance(value, list | tuple):
        items = [clean(item) for item in value]
        # A named tuple takes its fields one by one.
        return items if isinstance(value, list) else getattr(value, "_make", tuple)(items)
    return value


class Cleaner:
    """`clean` for what is read again and again: a row that is as it was the last time is the same object as then.

    Rows are found again by their `id`, in the lists of what was read, and compared whole, so that nothing that a
    statement joined to them can be missed. Nobody may change what this gave.
    """

    def __init__(self) -> None:
        self._known: dict[Any, tuple[Any, Any]] = {}

    def clean(self, read: Any) -> Any:
        """What was read, made safe; only what this reading holds is remembered."""
        if not isinstance(read, dict) or "error_key" in read:
            return clean(read)
        known, self._known = self._known, {}
        return {
            clean(name): [self._row(name, row, known) for row in value] if isinstance(value, list) else clean(value)
            for name, value in read.items()
        }

    def _row(self, name: Any, row: Any, known: dict[Any, tuple[Any, Any]]) -> Any:
        if not isinstance(row, dict) or "id" not in row:
            return clean(row)
        key = name, row["id"]
        before = known.get(key)
        self._known[key] = before = before if before is not None and before[0] == row else (row, clean(row))
        return before[1]


def _text(text: str) -> str:
    return safe_text(text, TEXT_LIMIT)
