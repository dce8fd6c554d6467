"""Cells of a CSV file that neither a spreadsheet nor a terminal takes for anything but text."""

from __future__ import annotations

import json
import re
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""C0 and C1 but for tab and line ends, which people have in their cells: `cat` of a file must not act on a terminal."""


def csv_cell(value: Any) -> str:
    """`value` as a cell: what begins like a formula gets a quote before it, a control character becomes `?`."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = _CONTROL.sub("?", text)
    return f"'{text}" if text.startswith(_FORMULA) else text
