"""Rows that were not imported, and the file that hands them back to the operator."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from engine.sheets import csv_rows
from storage.errors import UsageError

_REJECT_COLUMNS = ("reject_row", "reject_reason", "reject_field")


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be imported: `reason` is a sentence, `field` the column to blame (or empty)."""

    row: int
    reason: str
    field: str
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row whose address came before: in row `first_row` of this file, or (0) in the campaign already."""

    row: int
    address: str
    first_row: int
    cells: dict[str, str]

    @property
    def reason(self) -> str:
        if self.first_row:
            return f"The address {self.address} is already in row {self.first_row}."
        return f"The address {self.address} is already a recipient."


class RejectsWriter:
    """A CSV (UTF-8 with mark, for spreadsheets) of what was not imported, made with the first such row.

    Columns: reject_row, reject_reason, reject_field, then the file's own; cells are made harmless (`engine.sheets`).
    The file is readable by its owner only (0600), and every row is written out
    whole, so that a crash leaves a file that opens. A context manager; `written` counts its rows.

    Raises UsageError when `path` exists (unless `overwrite`), or cannot be written.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        if not overwrite and (path.exists() or path.is_symlink()):
            raise UsageError(f"{path.name} exists already.", hint="Name another file for the rejected rows.")
        if path.is_dir() or not path.parent.is_dir():
            raise UsageError(f"{path.name} cannot be written there.", hint="Name a file in an existing folder.")
        self.path = path
        self.written = 0
        self._columns: tuple[str, ...] = ()
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, problem: Rejected | Duplicate) -> None:
        """Append one row; the first one makes the file and fixes its columns."""
        if self._file is None:
            # The columns of an earlier rejects file, corrected and imported again, give way to the new ones.
            self._columns = tuple(name for name in problem.cells if name not in _REJECT_COLUMNS)
            self._file = self._create()
            self._put((*_REJECT_COLUMNS, *self._columns))
        field = problem.field if isinstance(problem, Rejected) else ""
        cells = (problem.cells.get(name, "") for name in self._columns)
        self._put((str(problem.row), problem.reason, field, *cells))
        self.written += 1

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _create(self) -> TextIO:
        try:
            # Unlink and create anew: opening an old file would keep its rights, or follow a link.
            self.path.unlink(missing_ok=True)
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            hint = "Name a file in a folder that you may write to."
            raise UsageError(f"{self.path.name} cannot be written: {error.strerror}.", hint=hint) from error
        return os.fdopen(handle, "w", encoding="utf-8-sig", errors="backslashreplace", newline="")

    def _put(self, cells: Sequence[str]) -> None:
        assert self._file is not None  # noqa: S101
        csv_rows(self._file)(cells)
        self._file.flush()
