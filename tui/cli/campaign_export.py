"""`paceline campaign export`: people with their status, as a table or into the operator's own sheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from storage.errors import RefusedError, UsageError
from tui.cli.export import options, write_table
from tui.cli.output import emit, out, say
from tui.cli.session import Session
from tui.cli.times import now_us
from tui.cli.verbs import Verb
from tui.exporting.writer import refuse_existing

if TYPE_CHECKING:
    from engine.intake.tables import Table
    from tui.exporting.own_sheet import Outcome


@click.command("export", cls=Verb)
@click.argument("name")
@click.option("--to", "target", type=click.Path(path_type=Path), help="FILE.csv, .jsonl or .xlsx; - for stdout.")
@click.option("--into", "sheet", type=click.Path(path_type=Path), help="Your own CSV or XLSX: a copy with the status.")
@click.option("--in-place", is_flag=True, help="With --into: the file itself, after a backup beside it.")
@click.option("--column", help="With --into: the column of addresses [the one that holds most of them].")
@click.option("--sheet", "worksheet", help="With --into: the worksheet of an XLSX.")
@click.option("--encoding", help="With --into: the encoding, if it is detected wrongly.")
@click.option("--delimiter", help="With --into: the delimiter, one character or `tab`.")
@options
@click.pass_obj
def export(
    session: Session, name: str, target: Path | None, sheet: Path | None, in_place: bool, column: str | None,
    worksheet: str | None, encoding: str | None, delimiter: str | None, format_: str | None, text: str, overwrite: bool,
) -> None:  # fmt: skip
    """Write its people with their own fields and their status: `paceline export recipients --campaign NAME`.

    With --into a copy of your own sheet, every row and column as it is, with `paceline_status`, `paceline_at` and
    `paceline_reason` beside them; the copy is SHEET.status.csv (or .xlsx) unless --to names it.
    """
    if sheet is None:
        if target is None:
            raise UsageError("where to? Name a file with --to, or your own sheet with --into")
        if in_place or column or worksheet or encoding or delimiter:
            raise UsageError("--in-place, --column, --sheet, --encoding and --delimiter are for --into")
        with session.reader() as reader:
            if not reader.campaign(name)["recipients"]:
                raise RefusedError(f"campaign '{name}' has nobody to export", hint="see `paceline campaign show`")
            write_table(session, reader, "recipients", target, format_, text, name, overwrite=overwrite)
        return
    if format_ or text:
        raise UsageError("--format and --filter are for tables; your own sheet keeps its rows and its kind")
    from engine.intake.tables import open_table

    with open_table(sheet, sheet=worksheet, encoding=encoding, delimiter=delimiter) as table:
        _fill(session, name, table, target, column, in_place=in_place, overwrite=overwrite)


def _fill(
    session: Session, name: str, table: Table, target: Path | None, column: str | None, *, in_place: bool,
    overwrite: bool,
) -> None:  # fmt: skip
    from tui.exporting.own_sheet import backup_of, fill

    source, backup = table.path, None
    if in_place and target is not None:
        raise UsageError("--in-place and --to: one of them")
    target = target or source.with_name(f"{source.stem}.status{source.suffix}")
    if target.suffix.lower() != source.suffix.lower():
        raise UsageError(f"{target.name}: a copy of {source.name} is of its kind", hint=f"name it {source.suffix}")
    if target.exists() and target.samefile(source):
        raise RefusedError(f"{source} would be written over", hint="name another file, or say --in-place")
    if not (overwrite or in_place):
        refuse_existing(target, hint="name another file with --to, or add --overwrite")
    with session.reader() as reader:
        row = reader.campaign(name)
        if in_place:
            target = source.resolve()
            backup = backup_of(target, now_us())
        outcome = fill(reader, row, table, target, column=column, backup=backup)
    _report(session, name, outcome, target, backup)


def _report(session: Session, name: str, outcome: Outcome, target: Path, backup: Path | None) -> None:
    if session.json:
        emit(
            {
                "success": True,
                "campaign": name,
                "file": str(target),
                "backup": str(backup) if backup else None,
                "column": outcome.column,
                "same_file": outcome.same_file,
                "rows": outcome.rows,
                "found": outcome.found,
                "unknown": outcome.unknown,
                "unreadable": outcome.unreadable,
            }
        )
        return
    out(f"{outcome.found:,} of {outcome.rows:,} rows written with their status to {target}")
    if backup:
        out(f"as it was: {backup}")
    if outcome.unknown:
        say(f"{outcome.unknown:,} rows name nobody of {name} (column {outcome.column}):")
    for number, cell in outcome.strangers:
        say(f"row {number}: {cell or 'no address'}")
    if outcome.unknown > len(outcome.strangers):
        say("...")
    if outcome.unreadable:
        say(f"{outcome.unreadable:,} rows stay as they are: broken, or wider than the header")
