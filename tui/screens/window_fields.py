"""A window as values of a form: hours, zone, holidays, own dates, and the field of a person's own zone. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.errors import UsageError
from tui.screens.form import field
from tui.widgets.columns import Item

PARTS = {
    "hours": ("window", 'hours, such as mon-fri 09:00-17:00; sat 10:00-14:00, or "none"'),
    "zone": ("zone", "time zone, such as Europe/Berlin"),
    "holidays": ("holidays", 'regions on whose holidays it is closed, such as DE-BY, US-CA, or "none"'),
    "closed": ("closed on", 'dates of your own, such as 2026-12-24, 2026-12-31, or "none"'),
    "recipient_zone": ("own clock", 'field that holds a person\'s own zone, or "none"'),
}
"""Each part with its label and what is asked for."""
NONE = "none"
VALUE = 24
"""Cells of a value, so that what is said beside them stands in one column."""
_LISTS = ("holidays", "closed")


def window_items(window: Mapping[str, Any] | None, *, without: str, note: str = "", style: str = "") -> list[Item]:
    """The parts of a window as it is stored; of none only its hours, which then read `without`."""
    if not window:
        return [field(("window", "hours"), PARTS["hours"][0], without, note, style=style)]
    items = []
    for part, (label, _) in PARTS.items():
        typed = typed_part(window, part)
        said = note if part == "hours" else ""
        shown = f"{typed or NONE:<{VALUE}}" if said else typed or NONE
        items.append(field(("window", part), label, shown, said, style=style if typed else "dim"))
    return items


def typed_part(window: Mapping[str, Any] | None, part: str) -> str:
    """What stands at the prompt for a part; "" where there is none."""
    value = (window or {}).get(part) or ""
    return ", ".join(value) if isinstance(value, list) else str(value)


def with_part(window: Mapping[str, Any] | None, part: str, text: str) -> dict[str, Any]:
    """The window with one part as it was typed; {} for no window at all. Raises UsageError for a zone that is left
    out: without hours there is no window, without a zone there is none either."""
    none = text.strip().lower() in ("", NONE)
    if part == "hours" and none:
        return {}
    if part == "zone" and none:
        raise UsageError("a window needs a time zone", hint="such as Europe/Berlin")
    value: Any = "" if none else text.strip()
    if part in _LISTS:
        value = [] if none else [word.strip() for word in text.split(",") if word.strip()]
    return {**(window or {}), part: value}
