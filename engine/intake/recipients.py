"""Rows of a table become checked recipients; what cannot is rejected with its row number and a reason."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.intake.addresses import AddressError, parse_address
from engine.intake.keys import profile_as_address
from engine.intake.mapping import EMAIL, GROUPED_ROWS, profile_column, resolve
from engine.intake.profiles import ProfileError, parse_profile
from engine.intake.rejects import Duplicate, Rejected
from engine.intake.tables import Table, TableRow
from storage.errors import UsageError
from storage.nouns import RecipientRow

MAX_RECIPIENT = 128 << 10
"""Characters of one recipient's fields: as escaped JSON they must fit one message of the control socket (1 MB)."""
_AT_MOST = f"one recipient may hold {MAX_RECIPIENT:,}."
PROBLEMS_KEPT = 100


@dataclass(slots=True)
class Counts:
    """What became of the rows read so far; `rows` is always the sum of the four others."""

    rows: int = 0
    imported: int = 0
    rejected: int = 0
    duplicate: int = 0
    grouped: int = 0


class RecipientReader:
    """Reads a table once: iterate for RecipientRow, or over `items()` for rejects and duplicates as well.

    `mapping` (column -> field) and `email_column` override the guess. `group_by` ("address", "email" or the address
    column) makes one recipient of all rows of an address: the first row's fields plus `rows`, a list of every row's
    fields. `known_keys` tells whether an address key is a recipient already, `refused` why somebody must not be
    imported ("" for nothing). `on_problem` gets each Rejected and Duplicate (RejectsWriter.write fits); the first 100
    also stay in `problems`.

    `by_profile`: people are known by their LinkedIn profile, which every row must have, and need no e-mail address;
    otherwise a profile is taken where one stands, and what is none is only a field.

    After or while reading, `counts` adds up. Memory: a key for each address, and with grouping all rows.

    Raises UsageError for a mapping that does not fit the file, and what `Table.rows` raises.
    """

    def __init__(
        self,
        table: Table,
        mapping: Mapping[str, str] | None = None,
        *,
        group_by: str | None = None,
        email_column: str | None = None,
        known_keys: Callable[[str], bool] | None = None,
        on_problem: Callable[[Rejected | Duplicate], None] | None = None,
        refused: Callable[[RecipientRow], str] | None = None,
        by_profile: bool = False,
    ) -> None:
        self.mapping = resolve(table.columns, mapping or {}, email_column, by_profile=by_profile)
        self.email_column = next((column for column, field in self.mapping.items() if field == EMAIL), "")
        self._by_profile = by_profile
        self._profile_column = profile_column(self.mapping)
        self._profiles: dict[str, int] = {}
        if group_by is not None and group_by not in ("address", EMAIL, self.email_column):
            raise UsageError(
                f"Rows cannot be grouped by {group_by!r}.", hint="Use --group-by address, the only one there is."
            )
        self.grouping = group_by is not None
        self.counts = Counts()
        self.problems: list[Rejected | Duplicate] = []
        self._table = table
        self._known = known_keys or (lambda key: False)
        self._on_problem = on_problem
        self._refused = refused or (lambda person: "")

    def __iter__(self) -> Iterator[RecipientRow]:
        for item in self.items():
            if isinstance(item, RecipientRow):
                yield item

    def items(self) -> Iterator[RecipientRow | Rejected | Duplicate]:
        """Every outcome in row order; grouped recipients come last, when the file is read to its end."""
        self.counts = Counts()
        self.problems.clear()
        first_rows: dict[str, int] = {}
        self._profiles.clear()
        groups: dict[str, _Group] = {}
        for row in self._table.rows():
            self.counts.rows += 1
            found: RecipientRow | Rejected | Duplicate | None = self._judge(row, first_rows)
            if isinstance(found, RecipientRow) and self.grouping:
                found = self._gather(found, row, groups)
            elif isinstance(found, RecipientRow):
                self.counts.imported += 1
            if isinstance(found, (Rejected, Duplicate)):
                self._note(found)
            if found is not None:
                yield found
        for group in groups.values():
            fields = {**group.recipient.fields, GROUPED_ROWS: group.rows}
            yield group.recipient._replace(fields=fields)

    def _judge(self, row: TableRow, first_rows: dict[str, int]) -> RecipientRow | Rejected | Duplicate:
        cells = row.cells
        if row.problem:
            return Rejected(row.number, row.problem, row.field, cells)
        try:
            profile = self._profile(cells)
            address, key = self._address(cells, profile)
        except ProfileError as error:
            return Rejected(row.number, error.reason, self._profile_column, cells)
        except AddressError as error:
            return Rejected(row.number, error.reason, self.email_column, cells)
        first = first_rows.get(key, 0)
        if (first and not self.grouping) or (not first and self._known(key)):
            return Duplicate(row.number, address, first, cells)
        if profile and (other := self._profiles.get(profile, 0)):
            if self._by_profile:
                return Duplicate(row.number, address, other, cells)
            # Two people with one profile are a slip of the file: the first one keeps it, both get their mail.
            profile = ""
        fields = {field: cells[column].strip() for column, field in self.mapping.items()}
        if "@" in address:
            fields[EMAIL] = address
        size = _size(fields)
        if size > MAX_RECIPIENT:
            return Rejected(row.number, f"The row holds {size:,} characters; {_AT_MOST}", "", cells)
        person = RecipientRow(row.number, address, key, fields, profile)
        if reason := self._refused(person):
            return Rejected(row.number, reason, self.email_column or self._profile_column, cells)
        first_rows.setdefault(key, row.number)
        if profile:
            self._profiles.setdefault(profile, row.number)
        return person

    def _profile(self, cells: Mapping[str, str]) -> str:
        """The cleaned profile of a row; "" where none is needed. Raises ProfileError."""
        cell = cells[self._profile_column] if self._profile_column else ""
        if self._by_profile:
            return parse_profile(cell)
        # A bare word in a column called "profile" may mean anything: only what says where it is counts.
        if "linkedin.com/" not in cell.lower():
            return ""
        try:
            return parse_profile(cell)
        except ProfileError:
            return ""

    def _address(self, cells: Mapping[str, str], profile: str) -> tuple[str, str]:
        """A row's address and how it is compared. Raises AddressError."""
        cell = cells[self.email_column] if self.email_column else ""
        if self._by_profile and not cell.strip():
            address = profile_as_address(profile)
            return address, address
        parsed = parse_address(cell)
        return parsed.address, parsed.key

    def _gather(self, found: RecipientRow, row: TableRow, groups: dict[str, _Group]) -> Rejected | None:
        """Put a good row into its address's group; rejected when the group has grown too large."""
        group = groups.get(found.key)
        if group is None:
            # Its first row stands in a grouped recipient twice: as the fields and as the first of the rows.
            groups[found.key] = _Group(found, [found.fields], 2 * _size(found.fields))
            self.counts.imported += 1
            return None
        size = group.size + _size(found.fields)
        if size > MAX_RECIPIENT:
            reason = f"With this row the group of {found.address} would hold {size:,} characters; {_AT_MOST}"
            return Rejected(row.number, reason, "", row.cells)
        group.rows.append(found.fields)
        group.size = size
        self.counts.grouped += 1
        return None

    def _note(self, problem: Rejected | Duplicate) -> None:
        if isinstance(problem, Rejected):
            self.counts.rejected += 1
        else:
            self.counts.duplicate += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(problem)
        if self._on_problem is not None:
            self._on_problem(problem)


@dataclass(slots=True)
class _Group:
    recipient: RecipientRow
    rows: list[dict[str, Any]]
    size: int


def recipient_size(fields: Mapping[str, Any]) -> int:
    """Characters of one recipient's fields, with those of every row of a grouped one."""
    rows = fields.get(GROUPED_ROWS)
    own = {name: value for name, value in fields.items() if isinstance(value, str)}
    return _size(own) + (sum(map(_size, rows)) if isinstance(rows, list) else 0)


def _size(fields: Mapping[str, str]) -> int:
    return sum(map(len, fields)) + sum(map(len, fields.values()))


def file_digest(path: Path) -> str:
    """The SHA-256 of a file in hex, read in chunks. Raises UsageError when it cannot be read, or is no file with an end
    (a pipe, a device)."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path.name}: this is not a regular file.", hint="Name one CSV, XLSX or JSONL file.")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        problem = f"{path.name} cannot be read: {error.strerror}."
        raise UsageError(problem, hint="Check the path and its rights.") from error
