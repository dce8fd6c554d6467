"""An XLSX file written row by row. Text is always of the type text, never a formula, a link or a number."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import xlsxwriter

from engine.sheets import cell_text

ROWS = 1_048_576
"""Rows of a worksheet (ECMA-376, and Excel's own limit); what goes beyond stands on the next one."""
CHARACTERS = 32_767
"""Characters of a cell; a longer text is cut, and says so."""
CUT = " [cut]"
EXACT = 10**15
"""Beyond fifteen digits a spreadsheet's number is no longer the number that was written."""
_SURROGATE = re.compile("[\ud800-\udfff]")


class Workbook:
    """A context manager around one table. The library keeps the rows of a sheet in a file of its own until the end: it
    stands in a private folder beside the target, which is gone whatever happens."""

    def __init__(self, path: Path) -> None:
        self._folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=f"{path.name}.")
        self._book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": self._folder.name})
        self._sheet: Any = None
        self._header: list[Any] | None = None
        self._row = 0

    def __enter__(self) -> Self:
        self._next_sheet()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._folder:
            if kind is None:
                self._book.close()
            else:
                # What is closed is not complained about when it is collected.
                self._book.fileclosed = True
                for sheet in self._book.worksheets():
                    sheet.row_data_fh.close()

    def put(self, cells: Iterable[Any]) -> None:
        """Add one row; the first is the header, which stands above every sheet."""
        cells = list(cells)
        if self._header is None:
            self._header = cells
        elif self._row == ROWS:
            self._next_sheet()
            self._write(self._header)
        self._write(cells)

    def _next_sheet(self) -> None:
        self._sheet = self._book.add_worksheet()
        self._sheet.freeze_panes(1, 0)
        self._row = 0

    def _write(self, cells: list[Any]) -> None:
        for column, value in enumerate(cells):
            if isinstance(value, bool):
                self._sheet.write_boolean(self._row, column, value)
            elif isinstance(value, int | float) and abs(value) < EXACT:
                self._sheet.write_number(self._row, column, value)
            elif value is not None and value != "":
                self._sheet.write_string(self._row, column, _text(value))
        self._row += 1


def _text(value: Any) -> str:
    text = _SURROGATE.sub("?", cell_text(value))
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - len(CUT)] + CUT
