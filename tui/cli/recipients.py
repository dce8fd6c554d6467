"""`paceline recipients`: people from a file into a campaign."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from storage.errors import RefusedError
from tui.cli.output import emit, out, pairs, say, table
from tui.cli.session import Session
from tui.cli.verbs import Change, Lazy, LazyGroup
from tui.safe_text import safe_text

F = TypeVar("F", bound=Callable[..., Any])

FILE_OPTIONS = (
    click.option("--map", "mapping", multiple=True, metavar="COLUMN=FIELD", help="Map a column; the rest is guessed."),
    click.option("--group-by", metavar="address", help="One message an address: its rows become `rows`."),
    click.option("--sheet", help="The worksheet of an XLSX."),
    click.option("--encoding", help="The encoding, if it is detected wrongly."),
    click.option("--delimiter", help="The delimiter: one character, or `tab`."),
    click.option("--rejects", type=click.Path(path_type=Path), help="Where rejected rows go [FILE.rejects.csv]."),
)


def file_options(command: F) -> F:
    """The options of every command that reads a recipient file."""
    for option in reversed(FILE_OPTIONS):
        command = option(command)
    return command


@click.group(
    "recipients",
    cls=LazyGroup,
    lazy={
        "import": Lazy("tui.cli.recipients:import_", "Import people into a campaign."),
        "edit": Lazy("tui.cli.recipients_edit:edit", "Correct one person, and retry what failed."),
        "forget": Lazy("tui.cli.campaign_edit:forget", "Take an import of a draft back."),
    },
)
def recipients() -> None:
    """People and their merge fields."""


@click.command("import", cls=Change)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--campaign", "-c", required=True, help="The campaign they belong to.")
@click.option("--dry-run", is_flag=True, help="Check the file and change nothing.")
@file_options
@click.pass_obj
def import_(
    session: Session,
    file: Path,
    campaign: str,
    dry_run: bool,
    mapping: tuple[str, ...],
    group_by: str | None,
    sheet: str | None,
    encoding: str | None,
    delimiter: str | None,
    rejects: Path | None,
) -> int:
    """Import FILE (CSV, XLSX or JSONL) into a campaign.

    Every row ends as imported, rejected or duplicate (or grouped), and the sums add up. Rows that were not imported
    go to a rejects file with row number and reason.
    """
    from tui.cli.importing import Source, import_file, parse_mapping

    with session.reader() as reader:
        by_profile = reader.campaign(campaign)["channel"] == "unipile"
    source = Source(file, parse_mapping(mapping), group_by, sheet, encoding, delimiter, by_profile)
    if dry_run:
        return _dry_run(session, source, campaign)
    source.open()
    with session.control() as control:
        done = import_file(source, campaign, control, rejects=rejects)
    report(session, done, campaign)
    return 0 if done.counts.imported else 1


def _dry_run(session: Session, source: Any, campaign: str) -> int:
    from tui.cli.importing import known_keys, look_through, refusals

    with session.reader() as reader:
        known = known_keys(reader, campaign)
        found = look_through(source, known_keys=known.__contains__, refused=refusals(reader, campaign))
    report(session, found, campaign, dry_run=True)
    if not session.json and found.first:
        fields = [name for name in found.mapping.values() if name != "email"]
        table(
            ("row", "address", *fields),
            [(person.row, person.address, *(person.fields.get(name) for name in fields)) for person in found.first],
        )
    return 0 if found.counts.imported else 1


def report(session: Session, done: Any, campaign: str, *, dry_run: bool = False) -> None:
    """Sums, what was detected, and where the rejected rows went."""
    counts = done.counts
    data = {"success": counts.imported > 0, "campaign": campaign, "dry_run": dry_run, **done.to_json()}
    if session.json:
        from tui.cli.output import dated

        kept = ("queued", "held", "batch_id", "first_due", "last_due", "message")
        emit({**data, **dated({key: done.result[key] for key in kept if key in done.result})})
    else:
        grouped = f" + {counts.grouped:,} grouped" if counts.grouped else ""
        verb = "would be imported" if dry_run else "imported"
        out(
            f"{counts.rows:,} rows = {counts.imported:,} {verb} + {counts.rejected:,} rejected "
            f"+ {counts.duplicate:,} duplicate{grouped}"
        )
        table_ = done.table
        delimiter = {"\t": "tab"}.get(table_.delimiter, table_.delimiter)
        pairs(
            (
                ("file", f"{table_.path.name} ({table_.format})"),
                ("encoding", table_.encoding),
                ("delimiter", delimiter),
                ("sheet", table_.sheet),
                ("columns", ", ".join(f"{column} -> {name}" for column, name in done.mapping.items())),
            )
        )
        if done.result.get("queued"):
            out(safe_text(done.result["message"]))
    tell_problems(done)
    if not counts.imported:
        say("paceline: nobody was imported")


def tell_problems(done: Any) -> None:
    """The first rows that were not imported, and the file with all of them, on stderr."""
    for found in done.problems[:5]:
        say(f"row {found.row}: {found.reason}")
    bad = done.counts.rejected + done.counts.duplicate
    if bad > 5:
        say(f"... {bad:,} rows in all")
    if any(getattr(found, "first_row", 0) for found in done.problems):
        say("rows of one address as one message, with all of them in it: --group-by address")
    if done.rejects:
        say(f"rows that were not imported: {done.rejects}")


def refuse_if_nobody(done: Any) -> None:
    """For commands that need people: a file without a usable row makes nothing."""
    if not done.counts.imported:
        tell_problems(done)
        raise RefusedError(
            f"{done.table.path.name}: nobody can be imported from it, nothing was made",
            hint="correct the rows named above",
        )
