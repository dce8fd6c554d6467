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
        return type(value)(clean(item) for item in value)
    return value


def _text(text: str) -> str:
    return safe_text(text, TEXT_LIMIT)
