"""Cells of a file that neither a spreadsheet nor a terminal takes for anything but text: every CSV file that is written
goes through here."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, TextIO

_FORMULA = ("=", "+", "-", "@", "\t", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection), in full width too."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""C0 and C1 but for tab and line end, which people have in their cells, line separators, and what turns the direction
of writing: `cat` of a file must neither act on a terminal nor show another text than there is."""


def cell_text(value: Any) -> str:
    """`value` as the text of a cell: lists and objects as JSON, every line end as one, a control character as `?`."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # A lone carriage return would let a terminal write over what stands before it.
    return _CONTROL.sub("?", text.replace("\r\n", "\n").replace("\r", "\n"))


def csv_cell(value: Any) -> str:
    """`cell_text`, and what begins like a formula gets an apostrophe before it."""
    text = cell_text(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_rows(file: TextIO, *, delimiter: str = ",", lineterminator: str = "\r\n") -> Callable[[Iterable[Any]], None]:
    """What writes one row of cells to `file`, each as `csv_cell` has it."""
    writer = csv.writer(file, delimiter=delimiter, lineterminator=lineterminator)

    def put(cells: Iterable[Any]) -> None:
        writer.writerow([csv_cell(cell) for cell in cells])

    return put
