"""Rows of a table become checked recipients; what cannot is rejected with its row number and a reason."""

from __future__ import annotations

import csv
import hashlib
import keyword
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from engine.intake.addresses import AddressError, parse_address
from engine.intake.tables import Table, TableRow
from storage.errors import UsageError
from storage.model import RecipientRow

EMAIL = "email"
GROUPED_ROWS = "rows"
"""The field that holds the list of rows when rows are grouped by address; no column may be named so."""
MAX_RECIPIENT = 128 << 10
"""Characters of one recipient's fields: as escaped JSON they must fit one message of the control socket (1 MB)."""
_AT_MOST = f"one recipient may hold {MAX_RECIPIENT:,}."
PROBLEMS_KEPT = 100

_EMAIL_TITLES = (
    "email email_address e_mail e_mail_address emailaddress mail mail_address email_adresse e_mail_adresse "
    "mailadresse adresse_email adresse_e_mail adresse_mail courriel adresse_electronique correo "
    "correo_electronico indirizzo_email posta_elettronica emailadres e_mailadres epost e_post epostadress "
    "sahkoposti eposta e_posta adres_email adres_e_mail endereco_de_email почта электронная_почта "
    "メール メールアドレス 邮箱 電子メール 电子邮件 recipient to address adresse adres direccion indirizzo"
)
_EMAIL_NAMES = tuple(_EMAIL_TITLES.split())
"""Best name first: a plain `address` is taken only where nothing says mail more clearly."""
_SYNONYMS = {
    "first_name": "firstname given_name givenname fname forename vorname prenom nombre voornaam fornavn fornamn imie",
    "last_name": "lastname surname family_name familyname lname nachname familienname nom_de_famille apellido "
    "apellidos cognome achternaam etternavn efternamn nazwisko",
    "company": "company_name organisation organization firma unternehmen entreprise societe empresa azienda bedrijf",
}
_FIELD_OF = {name: field for field, names in _SYNONYMS.items() for name in names.split()}
_RESERVED = {"and", "or", "not", "in", "is", "if", "else", "elif", "for", "true", "false", "none", "loop"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
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


@dataclass(slots=True)
class Counts:
    """What became of the rows read so far; `rows` is always the sum of the four others."""

    rows: int = 0
    imported: int = 0
    rejected: int = 0
    duplicate: int = 0
    grouped: int = 0


def field_name(column: str) -> str:
    """A column's title as a template name: `First Name` is first_name; empty when no letter or digit is in it."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column)
    # Accents leave Latin letters only: without its marks a Cyrillic or Japanese word would be another one.
    plain = re.sub("(?<=[A-Za-z])[\u0300-\u036f]+", "", unicodedata.normalize("NFKD", spaced))
    name = re.sub(r"[\W_]+", "_", unicodedata.normalize("NFC", plain).casefold()).strip("_")
    if not name:
        return ""
    if not name.isidentifier() or keyword.iskeyword(name) or name in _RESERVED or name == GROUPED_ROWS:
        name = f"field_{name}"
    return name if name.isidentifier() else ""


def guess_mapping(columns: Sequence[str]) -> dict[str, str]:
    """Field by column, one for every column; the address column (if one is recognised) becomes `email`.

    Known titles in several languages become `first_name`, `last_name` and `company`, others their own name in
    snake_case. A name already taken gets `_2`, `_3`, ...; a title without letters becomes `column_N`.
    """
    return _complete(columns, {})


def _complete(columns: Sequence[str], fixed: Mapping[str, str]) -> dict[str, str]:
    """The fixed fields, and a guess for every other column."""
    names = {column: field_name(column) for column in columns if column not in fixed}
    mapping = dict(fixed)
    taken = set(fixed.values())
    if EMAIL not in taken:
        ranked = [column for column, name in names.items() if name in _EMAIL_NAMES]
        if ranked:
            address = min(ranked, key=lambda column: _EMAIL_NAMES.index(names[column]))
            mapping[address] = EMAIL
            taken.add(EMAIL)
    for place, column in enumerate(columns, 1):
        if column in mapping:
            continue
        wanted = _FIELD_OF.get(names[column], names[column]) or f"column_{place}"
        name, copy = wanted, 1
        while name in taken:
            copy += 1
            name = f"{wanted}_{copy}"
        mapping[column] = name
        taken.add(name)
    return {column: mapping[column] for column in columns}


def _resolve(columns: Sequence[str], wanted: Mapping[str, str], email_column: str | None) -> dict[str, str]:
    """Check what the operator asked for (`column -> field`) and guess the rest."""
    asked = dict(wanted)
    if email_column is not None:
        asked[email_column] = EMAIL
    listed = ", ".join(columns)
    fixed: dict[str, str] = {}
    for name, field in asked.items():
        column = _find_column(columns, name)
        if column is None:
            raise UsageError(f"There is no column {name!r} in the file.", hint=f"The columns are: {listed}.")
        if not field or field_name(field) != field:
            hint = f"Use letters, digits and underscores, such as {field_name(field) or 'first_name'!r}."
            raise UsageError(f"{field!r} cannot be the name of a field.", hint=hint)
        other = next((known for known, taken in fixed.items() if taken == field), column)
        if other != column:
            problem = f"The columns {other!r} and {column!r} are both mapped onto the field {field!r}."
            raise UsageError(problem, hint="Map each column onto a field of its own.")
        if fixed.setdefault(column, field) != field:
            problem = f"The column {column!r} is mapped onto both {fixed[column]!r} and {field!r}."
            raise UsageError(problem, hint="Map each column onto one field.")
    mapping = _complete(columns, fixed)
    if EMAIL not in mapping.values():
        hint = f"The columns are: {listed}. Name the right one with --map COLUMN=email."
        raise UsageError("No column of the file looks like e-mail addresses.", hint=hint)
    return mapping


def _find_column(columns: Sequence[str], name: str) -> str | None:
    if name in columns:
        return name
    alike = [column for column in columns if column.casefold() == name.strip().casefold()]
    return alike[0] if len(alike) == 1 else None


class RecipientReader:
    """Reads a table once: iterate for RecipientRow, or over `items()` for rejects and duplicates as well.

    `mapping` (column -> field) and `email_column` override the guess. `group_by` ("address", "email" or the address
    column) makes one recipient of all rows of an address: the first row's fields plus `rows`, a list of every row's
    fields. `known_keys` tells whether an address key is a recipient already. `on_problem` gets each Rejected and
    Duplicate (RejectsWriter.write fits); the first 100 also stay in `problems`.

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
    ) -> None:
        self.mapping = _resolve(table.columns, mapping or {}, email_column)
        self.email_column = next(column for column, field in self.mapping.items() if field == EMAIL)
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

    def __iter__(self) -> Iterator[RecipientRow]:
        for item in self.items():
            if isinstance(item, RecipientRow):
                yield item

    def items(self) -> Iterator[RecipientRow | Rejected | Duplicate]:
        """Every outcome in row order; grouped recipients come last, when the file is read to its end."""
        self.counts = Counts()
        self.problems.clear()
        first_rows: dict[str, int] = {}
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
            yield replace(group.recipient, fields=fields)

    def _judge(self, row: TableRow, first_rows: dict[str, int]) -> RecipientRow | Rejected | Duplicate:
        cells = row.cells
        if row.problem:
            return Rejected(row.number, row.problem, row.field, cells)
        try:
            address = parse_address(cells[self.email_column])
        except AddressError as error:
            return Rejected(row.number, error.reason, self.email_column, cells)
        key = address.key
        first = first_rows.get(key, 0)
        if (first and not self.grouping) or (not first and self._known(key)):
            return Duplicate(row.number, address.address, first, cells)
        fields = {field: cells[column].strip() for column, field in self.mapping.items()}
        fields[EMAIL] = address.address
        size = _size(fields)
        if size > MAX_RECIPIENT:
            return Rejected(row.number, f"The row holds {size:,} characters; {_AT_MOST}", "", cells)
        first_rows.setdefault(key, row.number)
        return RecipientRow(row.number, address.address, key, fields)

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


def _size(fields: Mapping[str, str]) -> int:
    return sum(map(len, fields)) + sum(map(len, fields.values()))


class RejectsWriter:
    """A CSV (UTF-8 with mark, for spreadsheets) of what was not imported, made with the first such row.

    Columns: reject_row, reject_reason, reject_field, then the file's own. Cells that a spreadsheet would take for
    a formula get a leading apostrophe. The file is readable by its owner only (0600), and every row is written out
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
        csv.writer(self._file).writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
        self._file.flush()


def file_digest(path: Path) -> str:
    """The SHA-256 of a file in hex, read in chunks. Raises UsageError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        problem = f"{path.name} cannot be read: {error.strerror}."
        raise UsageError(problem, hint="Check the path and its rights.") from error
