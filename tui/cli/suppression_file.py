"""`paceline suppression import`: a list of another system, row by row, each accepted or rejected with its number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from engine.control.suppressions import MOST, EntryArgs, entry_of
from engine.intake.mapping import EMAIL, field_name, guess_mapping
from engine.intake.rejects import Rejected, RejectsWriter
from engine.intake.tables import TableRow
from storage.errors import PacelineError, UsageError
from storage.suppressions import KINDS, REASONS
from tui.cli.importing import Source, parse_mapping, rejects_path
from tui.cli.output import Json, emit, out, say
from tui.cli.session import Session
from tui.cli.verbs import Change
from tui.client import Control

FIELDS = ("value", "kind", "reason", "list", "until", "note")
_TITLES = {
    "value": ("value", EMAIL, "address", "domain", "profile", "profile_url", "linkedin", "linkedin_url", "suppression"),
    "kind": ("kind", "type"),
    "reason": ("reason", "cause", "status"),
    "list": ("list", "list_name", "scope"),
    "until": ("until", "expires_at", "expires", "expiry"),
    "note": ("note", "notes", "comment"),
}
"""Names of columns by what they hold, the best first."""
_OTHER_WORDS = {
    "unsubscribe": "unsubscribed", "optout": "unsubscribed", "opt-out": "unsubscribed", "opt out": "unsubscribed",
    "unsub": "unsubscribed", "bounce": "bounced", "hard bounce": "bounced", "hardbounce": "bounced",
    "hard_bounce": "bounced", "complaint": "complained", "spam": "complained", "spam report": "complained",
    "spamreport": "complained", "abuse": "complained", "invalid": "dead", "": "",
}  # fmt: skip
"""What other systems call the reasons."""


@dataclass(slots=True)
class Taken:
    """What became of the rows: `rows` is the sum of `new`, `known` and `rejected`; `skipped` messages were spared."""

    rows: int = 0
    new: int = 0
    known: int = 0
    rejected: int = 0
    skipped: int = 0
    problems: list[Rejected] = field(default_factory=list)


@click.command("import", cls=Change)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--map", "mapping", multiple=True, metavar="COLUMN=FIELD", help=f"Fields: {', '.join(FIELDS)}.")
@click.option("--reason", type=click.Choice(REASONS), default="manual", show_default=True, help="Where a row has none.")
@click.option("--list", "list_name", default="", metavar="NAME", help="Where a row names none [all].")
@click.option("--until", metavar="TIME", help="Where a row says none: 2027-01-31, +90d.")
@click.option("--note", default="", metavar="TEXT", help="Where a row has none.")
@click.option("--sheet", help="The worksheet of an XLSX.")
@click.option("--encoding", help="The encoding, if it is detected wrongly.")
@click.option("--delimiter", help="The delimiter: one character, or `tab`.")
@click.option("--rejects", type=click.Path(path_type=Path), help="Where rejected rows go [FILE.rejects.csv].")
@click.option("--dry-run", is_flag=True, help="Check the file and change nothing.")
@click.pass_obj
def import_(
    session: Session,
    file: Path,
    mapping: tuple[str, ...],
    reason: str,
    list_name: str,
    until: str | None,
    note: str,
    sheet: str | None,
    encoding: str | None,
    delimiter: str | None,
    rejects: Path | None,
    dry_run: bool,
) -> int:
    """Suppress everybody in FILE (CSV, XLSX or JSONL): addresses, @domains, profiles.

    One column names whom; kind, reason, list, until and note may stand beside it. Every row ends as new, known or
    rejected. What stands already is made no weaker.
    """
    from tui.cli.suppression import until_of

    source = Source(file, {}, None, sheet, encoding, delimiter)
    given = _Given(reason, list_name, until_of(until, session), note, session)
    if rejects is not None and rejects.exists():
        raise UsageError(f"{rejects.name} exists already", hint="name another file for the rejected rows")
    if dry_run:
        taken = _read(source, parse_mapping(mapping), given, None, rejects or rejects_path(file))
    else:
        session.refuse_read_only()
        with session.control() as control:
            taken = _read(source, parse_mapping(mapping), given, control, rejects or rejects_path(file))
    return _report(session, taken, file, None if dry_run else (rejects or rejects_path(file)), dry_run=dry_run)


@dataclass(frozen=True, slots=True)
class _Given:
    """What the options say for rows that say nothing themselves."""

    reason: str
    list_name: str
    expires_at: int | None
    note: str
    session: Session


def columns_of(columns: Sequence[str], asked: dict[str, str]) -> dict[str, str]:
    """Field -> column, from the titles and what the operator said. Raises UsageError."""
    found: dict[str, str] = {}
    listed = ", ".join(columns)
    for column, name in asked.items():
        if name not in FIELDS:
            raise UsageError(f"--map: there is no field {name[:40]!r}", hint=f"there are: {', '.join(FIELDS)}")
        real = next((one for one in columns if one.casefold() == column.casefold()), None)
        if real is None:
            raise UsageError(f"There is no column {column[:80]!r} in the file.", hint=f"The columns are: {listed}.")
        found[name] = real
    names = {column: field_name(column) for column in columns}
    address = next((column for column, name in guess_mapping(columns).items() if name == EMAIL), None)
    for name, titles in _TITLES.items():
        if name in found:
            continue
        ranked = [column for title in titles for column in columns if names[column] == title]
        if name == "value" and address is not None and (not ranked or names[ranked[0]] != "value"):
            ranked = [address, *ranked]
        if ranked and ranked[0] not in found.values():
            found[name] = ranked[0]
    if "value" not in found:
        hint = f"The columns are: {listed}. Name the right one with --map COLUMN=value."
        raise UsageError("No column of the file says who is meant.", hint=hint)
    return found


def _read(source: Source, asked: dict[str, str], given: _Given, control: Control | None, rejects: Path) -> Taken:
    taken = Taken()
    part = rejects.with_name(f".{rejects.name}.part")
    with source.open() as found, RejectsWriter(part, overwrite=True) as writer:
        columns = columns_of(found.columns, asked)
        try:
            for rows in _slices(found.rows()):
                entries = []
                for row in rows:
                    taken.rows += 1
                    entry = _entry(row, columns, given)
                    if isinstance(entry, Rejected):
                        _reject(taken, entry, writer)
                    else:
                        entries.append(entry)
                _add(taken, entries, source, control)
            if control is not None and taken.rows > taken.rejected:
                sums = {"rows": taken.rows, "new": taken.new, "spared": taken.skipped}
                control.call("suppression.imported", {"source": source.path.name[-200:], **sums})
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    if writer.written and control is not None:
        part.replace(rejects)
    else:
        part.unlink(missing_ok=True)
    return taken


def _add(taken: Taken, entries: list[Json], source: Source, control: Control | None) -> None:
    if not entries:
        return
    if control is None:
        taken.new += len(entries)
        return
    args = {"entries": entries, "source": source.path.name[-200:], "quiet": True}
    answer = control.call("suppression.add", args)
    taken.new += answer["new"]
    taken.known += answer["known"]
    taken.skipped += answer["skipped"]


def _entry(row: TableRow, columns: dict[str, str], given: _Given) -> Json | Rejected:
    """The arguments of one entry, or why the row is none."""
    if row.problem:
        return Rejected(row.number, row.problem, row.field, row.cells)
    said = {name: row.cells.get(column, "").strip() for name, column in columns.items()}
    try:
        from tui.cli.suppression import until_of
        from tui.cli.times import now_us

        kind = said.get("kind", "").lower()
        reason = said.get("reason", "").lower()
        entry = EntryArgs(
            value=_value(said["value"], columns["value"])[:500],
            kind=kind if kind in KINDS else "",
            reason=_OTHER_WORDS.get(reason, reason) or given.reason,
            list_name=said.get("list") or given.list_name,
            note=(said.get("note") or given.note)[:500],
            expires_at=until_of(said.get("until"), given.session) or given.expires_at,
        )
        entry_of(entry, "", now_us())
    except PacelineError as error:
        return Rejected(row.number, error.message, columns["value"], row.cells)
    return entry.model_dump()


def _value(text: str, column: str) -> str:
    """A column of domains holds them without their `@`."""
    bare = field_name(column) == "domain" and text and "@" not in text
    return f"@{text}" if bare else text


def _reject(taken: Taken, problem: Rejected, writer: RejectsWriter) -> None:
    taken.rejected += 1
    if len(taken.problems) < 10:
        taken.problems.append(problem)
    writer.write(problem)


def _slices(rows: Iterator[TableRow]) -> Iterator[list[TableRow]]:
    batch: list[TableRow] = []
    for row in rows:
        batch.append(row)
        if len(batch) == MOST // 2:
            yield batch
            batch = []
    if batch:
        yield batch


def _report(session: Session, taken: Taken, file: Path, rejects: Path | None, *, dry_run: bool) -> int:
    accepted = taken.new + taken.known
    written = str(rejects) if rejects is not None and taken.rejected else None
    if session.json:
        emit(
            {
                "success": accepted > 0, "dry_run": dry_run, "file": file.name, "rows": taken.rows, "new": taken.new,
                "known": taken.known, "rejected": taken.rejected, "skipped": taken.skipped, "rejects": written,
                "problems": [{"row": one.row, "reason": one.reason} for one in taken.problems],
            }
        )  # fmt: skip
        return 0 if accepted else 1
    words = "would be suppressed" if dry_run else "newly suppressed"
    out(f"{taken.rows:,} rows = {taken.new:,} {words} + {taken.known:,} known + {taken.rejected:,} rejected")
    if taken.skipped:
        out(f"{taken.skipped:,} open messages will not be sent")
    for problem in taken.problems[:5]:
        say(f"row {problem.row}: {problem.reason}")
    if written:
        say(f"rows that were not taken: {written}")
    return 0 if accepted else 1
