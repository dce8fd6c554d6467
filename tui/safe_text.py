"""The one door for strings from outside: every row that leaves the database for a screen, a log or a terminal.

Control characters (C0, C1), bidirectional overrides, zero-width characters and lone surrogates become visible
stand-ins; length is bounded. Markup needs no escaping here because nothing that leaves is ever parsed as markup
(`Text`, `Content` or `Segment` only).
"""

from __future__ import annotations

import re
from typing import Any

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 and C1: escape sequences begin here
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # invisible, or of no width
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, line separators, bidirectional overrides
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff"
    "\U000e0000-\U000e0fff]"  # tags and variation selectors
)
_STAND_IN = {"\n": " ", "\r": " ", "\t": " "}


def safe_text(value: Any, limit: int = 500) -> str:
    """`value` as one line that a terminal shows as it is: at most `limit` characters, `...` where it was cut."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    cut = len(text) > limit
    text = text[: limit + 1] if cut else text
    if not (text.isascii() and text.isprintable()):
        text = _UNSAFE.sub(lambda found: _STAND_IN.get(found[0], "?"), text)
    return text[: limit - 3] + "..." if cut else text
