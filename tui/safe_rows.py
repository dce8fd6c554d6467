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
        return safe_text(value, TEXT_LIMIT)
    if isinstance(value, dict):
        made = {clean(key): clean(item) for key, item in value.items()}
        if "error_key" in value:
            made["raw_key"] = value["error_key"]
        return made
    if isinstance(value, list | tuple):
        return type(value)(clean(item) for item in value)
    return value
