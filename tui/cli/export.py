"""`paceline export`: a whole table as a file for other programs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from storage.errors import UsageError
from tui.cli.output import emit, out, say
from tui.cli.session import Session
from tui.cli.verbs import Verb
from tui.exporting.tables import TABLES, Sheet, Wanted
from tui.exporting.writer import STDOUT, Format, format_of, refuse_existing, write_rows

if TYPE_CHECKING:
    from storage.reader import Reader

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--format", "format_", type=click.Choice([format.value for format in Format]),
        help="The format, where the file's name does not say it.",
    ),
    click.option("--filter", "text", default="", help='As in the console: "state:failed since:24h".'),
    click.option("--overwrite", is_flag=True, help="Replace an existing file."),
)  # fmt: skip


def options(command: F) -> F:
    """The options of every command that writes a table."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(
    "export",
    cls=Verb,
    epilog="\b\n" + "\n".join(f"{name:<12} {table.help}" for name, table in TABLES.items()),
)
@click.argument("table", type=click.Choice([*TABLES]), metavar="TABLE")
@click.option(
    "--to", "target", required=True, type=click.Path(path_type=Path), help="FILE.csv, .jsonl or .xlsx; - for stdout."
)
@click.option("--campaign", "-c", help="Only of this campaign.")
@options
@click.pass_obj
def export(
    session: Session, table: str, target: Path, campaign: str | None, format_: str | None, text: str, overwrite: bool
) -> None:
    """Write a whole table to a file (0600, whole or not at all): CSV, JSONL or XLSX by the ending of its name.

    Times are ISO 8601 UTC. The tables:
    """
    with session.reader() as reader:
        write_table(session, reader, table, target, format_, text, campaign, overwrite=overwrite)


def write_table(
    session: Session,
    reader: Reader,
    table: str,
    target: Path,
    wanted_format: str | None,
    text: str,
    campaign: str | None,
    *,
    overwrite: bool,
) -> None:
    """Write what a command asked for, and tell how much that was. Raises PacelineError; then no file is left."""
    format = format_of(target, wanted_format)
    if session.json and target == STDOUT:
        raise UsageError("--json and --to - both print on stdout", hint="take one; --format jsonl prints rows as JSON")
    if not overwrite:
        refuse_existing(target, hint="name another file, or add --overwrite")
    sheet = _sheet(reader, table, text, campaign)
    rows = sheet.rows if format is Format.JSONL else map(sheet.flat, sheet.rows)
    n = write_rows(target, rows, format, columns=sheet.columns, told=_told)
    if session.json:
        emit({"success": True, "table": table, "file": str(target), "format": format, "rows": n})
    else:
        (say if target == STDOUT else out)(f"{n:,} {table} written to {'stdout' if target == STDOUT else target}")


def _sheet(reader: Reader, table: str, text: str, campaign: str | None) -> Sheet:
    from storage.filters import parse
    from tui.cli.times import now_us

    chosen = TABLES[table]
    if text and chosen.language is None:
        raise UsageError(f"{table} have no filter", hint="leave --filter out")
    if campaign and not chosen.of_campaign:
        raise UsageError(f"{table} belong to no campaign", hint="leave --campaign out")
    filter = parse(text, chosen.language) if chosen.language is not None else parse("")
    return chosen.open(reader, Wanted(filter, reader.campaign(campaign) if campaign else None, now_us()))


def _told(n: int) -> None:
    if sys.stderr.isatty():
        say(f"{n:,} rows ...")
