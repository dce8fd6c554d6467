"""A recipient file on its way to the holder of the lock: opened and checked here, streamed in slices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from engine.intake.keys import key_of
from engine.intake.mapping import GROUPED_ROWS, guess_mapping, resolve
from engine.intake.recipients import Counts, RecipientReader, file_digest, recipient_size
from engine.intake.rejects import Duplicate, Rejected, RejectsWriter
from engine.intake.tables import Table, open_table
from storage.errors import UsageError
from storage.nouns import RecipientRow
from storage.reader import Reader
from storage.suppression_pages import refused, why
from tui.cli.output import Json
from tui.cli.times import now_us
from tui.client import Control

SLICE_ROWS = 1_000
SLICE_BYTES = 900_000
"""A request of the control socket may have 1 MB."""
_JSON_OF_ONE = 100
"""Bytes of JSON around what a person's row says."""


@dataclass(frozen=True, slots=True)
class Source:
    """A recipient file and how the operator wants it read."""

    path: Path
    mapping: dict[str, str] = field(default_factory=dict)
    group_by: str | None = None
    sheet: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    by_profile: bool = False
    """Its people are known by their LinkedIn profile, as a campaign's whose first account is a LinkedIn one."""

    def open(self) -> Table:
        """Raises TableError."""
        return open_table(self.path, sheet=self.sheet, encoding=self.encoding, delimiter=self.delimiter)


@dataclass(frozen=True, slots=True)
class Glance:
    """The beginning of a file: how it was read, its first rows by column, and which field each column would become.
    `problem` says why the columns cannot be mapped so ("" when they can)."""

    format: str
    encoding: str
    delimiter: str
    sheet: str
    rows: list[dict[str, str]]
    mapping: dict[str, str]
    problem: str = ""


GLANCE_ROWS = 3


def glance(source: Source) -> Glance:
    """Look at the first rows of a file. Raises TableError for one that cannot be read."""
    with source.open() as table:
        rows = [row.cells for row in islice(table.rows(), GLANCE_ROWS)]
        problem = ""
        try:
            mapping = resolve(table.columns, source.mapping, None, by_profile=source.by_profile)
        except UsageError as error:
            mapping = {**guess_mapping(table.columns), **source.mapping}
            problem = f"{error.message} {error.hint}".strip()
        return Glance(table.format, table.encoding, table.delimiter, table.sheet, rows, mapping, problem)


def known_keys(reader: Reader, campaign: str) -> set[str]:
    """How the addresses of a campaign are compared. Raises NotFoundError."""
    row = reader.campaign(campaign)
    return {key_of(person["address"]) for person in reader.all_recipients(row["id"])}


def refusals(reader: Reader, campaign: str) -> Callable[[RecipientRow], str]:
    """Why somebody must not be imported into a campaign, "" for nothing: what an import itself would answer. Raises
    NotFoundError."""
    campaign_id, now = reader.campaign(campaign)["id"], now_us()

    def refusal(person: RecipientRow) -> str:
        found = refused(reader, campaign_id, [(person.row, person.key, person.profile)], now)
        return why(found[person.row]) if found else ""

    return refusal


@dataclass(slots=True)
class Imported:
    """What became of a file. `counts` add up; `result` is the engine's answer (empty for a dry run)."""

    table: Table
    mapping: dict[str, str]
    counts: Counts
    first: list[RecipientRow]
    problems: list[Rejected | Duplicate]
    rejects: Path | None = None
    result: Json = field(default_factory=dict)

    def to_json(self) -> Json:
        counts = self.counts
        return {
            "file": self.table.path.name,
            "format": self.table.format,
            "encoding": self.table.encoding or None,
            "delimiter": self.table.delimiter or None,
            "sheet": self.table.sheet or None,
            "mapping": self.mapping,
            "rows": counts.rows,
            "imported": counts.imported,
            "rejected": counts.rejected,
            "duplicate": counts.duplicate,
            "grouped": counts.grouped,
            "rejects": str(self.rejects) if self.rejects else None,
            "problems": [{"row": found.row, "reason": found.reason} for found in self.problems[:10]],
        }


def parse_mapping(items: tuple[str, ...]) -> dict[str, str]:
    """`--map "First Name=first_name"` as column -> field. Raises UsageError."""
    mapping = {}
    for item in items:
        column, equals, name = item.rpartition("=")
        if not equals or not column:
            raise UsageError(f"--map {item[:60]!r}: not COLUMN=FIELD", hint="for example --map 'E-mail address=email'")
        mapping[column.strip()] = name.strip()
    return mapping


def rejects_path(source: Path) -> Path:
    return source.with_name(source.name + ".rejects.csv")


def look_through(
    source: Source,
    *,
    known_keys: Callable[[str], bool] | None = None,
    refused: Callable[[RecipientRow], str] | None = None,
    visit: Callable[[RecipientRow], None] | None = None,
) -> Imported:
    """Read and check the whole file and change nothing. `refused` says why somebody must not be imported, `visit` sees
    every person."""
    with source.open() as table:
        reader = RecipientReader(
            table,
            source.mapping,
            group_by=source.group_by,
            known_keys=known_keys,
            refused=refused,
            by_profile=source.by_profile,
        )
        first: list[RecipientRow] = []
        for person in reader:
            if len(first) < 5:
                first.append(person)
            if visit is not None:
                visit(person)
        return Imported(table, reader.mapping, reader.counts, first, reader.problems)


def import_file(
    source: Source, campaign: str, control: Control, *, rejects: Path | None = None, known_digest: str = ""
) -> Imported:
    """Stream a file into a campaign; all of it becomes part of it, or nothing.

    What is not imported goes to `rejects` (default: FILE.rejects.csv beside the source, replaced if it exists).
    Raises PacelineError; then nothing was imported and no rejects file is left.
    """
    target = rejects or rejects_path(source.path)
    if rejects is not None and rejects.exists():
        raise UsageError(f"{rejects.name} exists already", hint="name another file for the rejected rows")
    part = target.with_name(f".{target.name}.part")
    with source.open() as table, RejectsWriter(part, overwrite=True) as writer:
        reader = RecipientReader(
            table,
            source.mapping,
            group_by=source.group_by,
            on_problem=writer.write,
            by_profile=source.by_profile,
        )
        digest = known_digest or file_digest(source.path)
        opened = control.call(
            "recipients.begin", {"campaign": campaign, "source": source.path.name[-500:], "sha256": digest}
        )
        import_id = opened["import_id"]
        try:
            first = _stream(reader, control, import_id, writer)
            counts = reader.counts
            result = control.call(
                "recipients.commit",
                {
                    "import_id": import_id,
                    "campaign": campaign,
                    "source": source.path.name,
                    "rows": counts.rows,
                    "imported": counts.imported,
                    "rejected": counts.rejected,
                    "duplicates": counts.duplicate,
                    "grouped": counts.grouped,
                },
            )
        except BaseException:
            _abort(control, import_id)
            part.unlink(missing_ok=True)
            raise
    written = writer.written
    if written:
        part.replace(target)
    return Imported(table, reader.mapping, counts, first, reader.problems, target if written else None, result)


def _abort(control: Control, import_id: int) -> None:
    """Best effort: an engine that went away removes the unfinished import at its next start."""
    try:
        control.call("recipients.abort", {"import_id": import_id})
    except Exception:
        pass


def _stream(reader: RecipientReader, control: Control, import_id: int, writer: RejectsWriter) -> list[RecipientRow]:
    """Send every slice; those whom the campaign has already become duplicates in the reader's sums."""
    columns = {name: column for column, name in reader.mapping.items()}
    first: list[RecipientRow] = []
    for people in _slices(iter(reader)):
        first += people[: 5 - len(first)]
        rows = [(person.row, person.address, person.key, person.fields, person.profile) for person in people]
        answer = control.call("recipients.rows", {"import_id": import_id, "rows": rows})
        already = set(answer["duplicates"])
        for person in people:
            suppressed = answer["suppressed"].get(str(person.row), "")
            if suppressed or person.row in already:
                _count_out(reader, person, columns, writer, suppressed)
    return first


def _count_out(
    reader: RecipientReader, person: RecipientRow, columns: dict[str, str], writer: RejectsWriter, suppressed: str
) -> None:
    """Somebody whom the engine did not take: `suppressed` says why, else they are in the campaign already."""
    rows: list[dict[str, Any]] = person.fields.get(GROUPED_ROWS) or [person.fields]
    counts = reader.counts
    counts.imported -= 1
    counts.grouped -= len(rows) - 1
    if suppressed:
        counts.rejected += len(rows)
    else:
        counts.duplicate += len(rows)
    for fields in rows:
        cells = {columns[name]: value for name, value in fields.items() if name in columns}
        problem = (
            Rejected(person.row, suppressed, reader.email_column, cells)
            if suppressed
            else Duplicate(person.row, person.address, 0, cells)
        )
        if len(reader.problems) < 10:
            reader.problems.append(problem)
        writer.write(problem)


def _slices(people: Iterator[RecipientRow]) -> Iterator[list[RecipientRow]]:
    """At most `SLICE_ROWS` people and `SLICE_BYTES` of JSON at once, were each character an escape of six bytes."""
    batch: list[RecipientRow] = []
    size = 0
    for person in people:
        cost = _JSON_OF_ONE + 6 * (recipient_size(person.fields) + len(person.address) + len(person.key))
        if batch and (len(batch) == SLICE_ROWS or size + cost > SLICE_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(person)
        size += cost
    if batch:
        yield batch
