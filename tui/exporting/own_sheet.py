"""The operator's own sheet with what became of each person: their rows, order and columns as they are, and beside them
`paceline_status`, `paceline_at` and `paceline_reason`. The source is written over only when a backup of it is made."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from engine.intake.addresses import AddressError, parse_address
from engine.intake.mapping import EMAIL, guess_mapping
from engine.intake.recipients import file_digest
from engine.intake.tables import Table, TableRow
from engine.whole_files import whole_path
from storage import sheet_people
from storage.errors import RefusedError, UsageError
from storage.model import SECOND
from storage.reader import Reader
from tui.exporting import own_csv, own_workbook
from tui.exporting.own_columns import Said

Row = dict[str, Any]

LOOKED_AT = 200
"""Rows in which the column of addresses is looked for."""
SLICE = 500
TOLD = 5
"""Rows without a person that are named one by one."""
_SHOWN = {"completed": "sent"}


@dataclass(slots=True)
class Outcome:
    """How a sheet was filled. `rows` = `found` + `unknown` (their addresses are not in the campaign; the first of them
    in `strangers`) + `unreadable` (broken, or wider than the header: as they were)."""

    column: str
    same_file: bool
    rows: int = 0
    found: int = 0
    unknown: int = 0
    unreadable: int = 0
    strangers: list[tuple[int, str]] = field(default_factory=list)


def fill(
    reader: Reader, campaign: Row, table: Table, target: Path, *, column: str | None = None, backup: Path | None = None
) -> Outcome:
    """Write a copy of an open table to `target` (0600, whole or not at all) with the three columns. With a `backup`
    the target is the table's own file, which is kept there.

    People are found by the address in `column` (None: the column that holds most addresses of the campaign) and, where
    the file is one that was imported, first by their row, so that a corrected address is found too. In a row that
    names nobody of the campaign the columns stay what they were.

    Raises UsageError for a file of another kind or without such a column, TableError for a broken one.
    """
    if table.format not in ("csv", "xlsx"):
        raise UsageError(f"{table.path.name}: a status goes into CSV and XLSX only", hint="or write one with --to")
    digest = file_digest(table.path)
    imported = [one for one in campaign["imports"] if one["sha256"] == digest and one["state"] == "done"]
    named = _column(reader, campaign, table, column)
    outcome = Outcome(named, bool(imported))
    rows = sheet_people.ImportedRows(reader, campaign["id"], imported[-1]["id"]) if imported else None
    said = _said(reader, campaign["id"], table.rows(), outcome, rows)
    with whole_path(target) as temporary:
        if table.format == "csv":
            wider = own_csv.write(table, temporary, said, digest)
        else:
            wider = own_workbook.write(table, temporary, said)
        if backup is not None:
            _back_up(table.path, backup, temporary)
        outcome.found -= wider
        outcome.unreadable += wider
    return outcome


def backup_of(source: Path, now: int) -> Path:
    """Where a sheet that is filled in place stays as it was. Raises RefusedError where such a file is."""
    stamp = datetime.fromtimestamp(now // SECOND, UTC).strftime("%Y%m%d-%H%M%S")
    backup = source.with_name(f"{source.stem}.before-{stamp}{source.suffix}")
    if backup.exists():
        raise RefusedError(f"{backup} exists and stays as it is", hint="try again in a second")
    return backup


def _back_up(source: Path, backup: Path, copy: Path) -> None:
    """Keep the source, and give what takes its place the source's own rights."""
    with whole_path(backup) as temporary:
        shutil.copyfile(source, temporary)
        shutil.copystat(source, temporary)
    shutil.copymode(source, copy)


def _column(reader: Reader, campaign: Row, table: Table, wanted: str | None) -> str:
    """The column of addresses. Raises UsageError."""
    listed = ", ".join(table.columns)
    if wanted is not None:
        if wanted not in table.columns:
            raise UsageError(f"there is no column '{wanted[:60]}' in the file", hint=f"the columns are: {listed}")
        return wanted
    looked_at = list(islice(table.rows(), LOOKED_AT))
    keys = [(column, key) for row in looked_at for column, cell in row.cells.items() if (key := _key(cell))]
    found: set[str] = set()
    distinct = sorted({key for _, key in keys})
    for begin in range(0, len(distinct), SLICE):
        found |= sheet_people.by_keys(reader, campaign["id"], distinct[begin : begin + SLICE]).keys()
    guess = next((column for column, name in guess_mapping(table.columns).items() if name == EMAIL), "")
    hits = Counter(column for column, key in keys if key in found)
    if not hits:
        if guess:
            return guess
        raise UsageError(
            "no column holds addresses of this campaign", hint=f"name it with --column; there are {listed}"
        )
    return max(hits, key=lambda column: (hits[column], column == guess))


def _said(
    reader: Reader,
    campaign_id: int,
    rows: Iterator[TableRow],
    outcome: Outcome,
    imported: sheet_people.ImportedRows | None,
) -> Iterator[tuple[int, Said | None]]:
    """The number of every row that is not blank, and what is said beside it."""
    while part := list(islice(rows, SLICE)):
        ids = {row.number: id for row in part if imported and (id := imported.person(row.number)) is not None}
        keys = {row.number: key for row in part if (key := _key(row.cells[outcome.column]))}
        people = sheet_people.by_ids(reader, set(ids.values()))
        known = sheet_people.by_keys(reader, campaign_id, set(keys.values()))
        for row in part:
            outcome.rows += 1
            person = people.get(ids.get(row.number, 0)) or known.get(keys.get(row.number, ""))
            if row.problem:
                outcome.unreadable += 1
                yield row.number, None
            elif person is None:
                outcome.unknown += 1
                if len(outcome.strangers) < TOLD:
                    outcome.strangers.append((row.number, row.cells[outcome.column]))
                yield row.number, None
            else:
                outcome.found += 1
                yield row.number, _of(person)


def _key(cell: str) -> str:
    try:
        return parse_address(cell).key if "@" in cell else ""
    except AddressError:
        return ""


def _of(person: Row) -> Said:
    """What stopped a person (a reply, a bounce, an unsubscribe) says more than the state of their message."""
    state: str = person["state"]
    at = person["sent_at"] or person["updated_at"]
    if state in ("pending", "held"):
        at = person["due_at"]
    said = "" if state in ("completed", "processing") else person["error"] or person["reason"]
    return Said(person["stopped"] or _SHOWN.get(state, state), _time(at), said)


def _time(us: int | None) -> str:
    """To the second: for people."""
    return "" if us is None else datetime.fromtimestamp(us // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
