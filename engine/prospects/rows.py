"""Rows of a source become prospects; what cannot is kept with its row number and a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.intake.addresses import AddressError, parse_address
from engine.intake.mapping import EMAIL, field_name, guess_mapping, resolve
from engine.intake.recipients import MAX_RECIPIENT, recipient_size
from engine.intake.records import ORDINARY, too_long
from engine.intake.rejects import Duplicate, Rejected
from engine.intake.tables import TableRow
from engine.prospects.prospect import COMPANY, FIRST_NAME, INDUSTRY, LAST_NAME, REGION, SIZE, Prospect, parse_size
from storage.errors import UsageError

_TITLES = {
    INDUSTRY: "industry sector branch branche business_sector industry_name company_industry job_company_industry",
    SIZE: "size employees employee_count employees_count number_of_employees num_employees headcount head_count staff "
    "company_size job_company_size job_company_employee_count mitarbeiter mitarbeiterzahl",
    REGION: "region country_code country state province location_country company_country land bundesland",
}
"""Titles of columns by the field that they become, best first; names and company are known to the intake."""
_OWN = (EMAIL, COMPANY, INDUSTRY, SIZE, REGION, FIRST_NAME, LAST_NAME)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a source one run takes: rows, and characters of all of them together."""

    rows: int = 10_000
    characters: int = 64 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """What a source held. `rows` were read and checked: `prospects` of them are usable, `rejects` are not. `cut` is the
    sentence that says why the rest was not read, "" when everything was."""

    prospects: tuple[Prospect, ...] = ()
    rejects: tuple[Rejected | Duplicate, ...] = ()
    rows: int = 0
    cut: str = ""


class Gathering:
    """Takes the rows of a source with these `columns`, until its bounds are reached.

    `wanted` (column -> field) overrides what the titles say. Raises UsageError for one that does not fit the columns,
    and where no column holds e-mail addresses.
    """

    def __init__(self, columns: Sequence[str], wanted: Mapping[str, str], bounds: Bounds) -> None:
        self._mapping = _mapping(columns, wanted)
        self._column = {field: column for column, field in self._mapping.items()}
        self._bounds = bounds
        self._prospects: list[Prospect] = []
        self._rejects: list[Rejected | Duplicate] = []
        self._first: dict[str, int] = {}
        self._rows = 0
        self._characters = 0
        self._cut = ""

    def is_read(self, column: str) -> bool:
        """Whether a prospect's own fields come from this column; the others are only carried along."""
        return self._mapping.get(column) in _OWN

    def take(self, row: TableRow) -> bool:
        """Judge one row; False when the bounds are reached, and the row was not taken."""
        size = recipient_size(row.cells)
        if self._rows >= self._bounds.rows:
            self._cut = f"The source holds more than {self._bounds.rows:,} rows; the rest was not read."
        elif self._characters + size > self._bounds.characters:
            megabytes = self._bounds.characters >> 20
            self._cut = f"The first {self._rows:,} rows fill {megabytes} MB; the rest was not read."
        if self._cut:
            return False
        self._rows += 1
        self._characters += size
        judged = self._judge(row, size)
        if isinstance(judged, Prospect):
            self._prospects.append(judged)
        else:
            self._rejects.append(judged)
        return True

    def found(self, cut: str = "") -> Found:
        """All that was taken; `cut` says why the source itself was not read to its end."""
        return Found(tuple(self._prospects), tuple(self._rejects), self._rows, self._cut or cut)

    def _judge(self, row: TableRow, size: int) -> Prospect | Rejected | Duplicate:
        cells = row.cells
        if row.problem:
            return Rejected(row.number, row.problem, row.field, cells)
        if size > MAX_RECIPIENT:
            reason = f"The row holds {size:,} characters; one prospect may hold {MAX_RECIPIENT:,}."
            return Rejected(row.number, reason, "", cells)
        for column, cell in cells.items():
            if len(cell) > ORDINARY.max_cell:
                return Rejected(row.number, too_long(len(cell), ORDINARY), column, cells)
        values = {field: cells.get(column, "").strip() for column, field in self._mapping.items()}
        address = key = ""
        try:
            if values[EMAIL]:
                parsed = parse_address(values[EMAIL])
                address, key = parsed.address, parsed.key
        except AddressError as error:
            return Rejected(row.number, error.reason, self._column[EMAIL], cells)
        try:
            employees = parse_size(values.get(SIZE, ""))
        except ValueError as error:
            return Rejected(row.number, str(error), self._column[SIZE], cells)
        if key and (first := self._first.setdefault(key, row.number)) != row.number:
            return Duplicate(row.number, address, first, cells)
        return Prospect(
            row.number,
            address,
            key,
            company=values.get(COMPANY, ""),
            industry=values.get(INDUSTRY, ""),
            size=employees,
            region=values.get(REGION, ""),
            first_name=values.get(FIRST_NAME, ""),
            last_name=values.get(LAST_NAME, ""),
            fields={name: value for name, value in values.items() if name not in _OWN},
        )


def _mapping(columns: Sequence[str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Field by column: what was asked for, then known titles, then the intake's guess. Raises UsageError."""
    taken = set(wanted.values())
    named = {name.strip().casefold() for name in wanted}
    by_name: dict[str, str] = {}
    for column in columns:
        if column.casefold() not in named:
            by_name.setdefault(field_name(column), column)
    titled: dict[str, str] = {}
    for field, titles in _TITLES.items():
        best = next((by_name[title] for title in titles.split() if title in by_name), None)
        if field not in taken and best is not None:
            titled[best] = field
    if EMAIL not in taken and EMAIL not in guess_mapping(columns).values():
        listed = ", ".join(columns)[:500]
        hint = f'The columns are: {listed}. Name the right one: columns = {{ "COLUMN" = "email" }}.'
        raise UsageError("No column of the source looks like e-mail addresses.", hint=hint)
    return resolve(columns, {**titled, **wanted}, None)
