"""Cells of a file that neither a spreadsheet nor a terminal takes for anything but text."""

from __future__ import annotations

import json
import re
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""C0 and C1 but for tab and line ends, which people have in their cells: `cat` of a file must not act on a terminal."""


def cell_text(value: Any) -> str:
    """`value` as the text of a cell: lists and objects as JSON, a control character as `?`."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _CONTROL.sub("?", text)


def csv_cell(value: Any) -> str:
    """`cell_text`, and what begins like a formula gets a quote before it."""
    text = cell_text(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
