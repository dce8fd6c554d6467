"""`paceline campaign export`: people with their status, as a table or into the operator's own sheet."""

from __future__ import annotations

from pathlib import Path

import click

from storage.errors import RefusedError
from tui.cli.export import options, write_table
from tui.cli.session import Session
from tui.cli.verbs import Verb


@click.command("export", cls=Verb)
@click.argument("name")
@click.option(
    "--to", "target", required=True, type=click.Path(path_type=Path), help="FILE.csv, .jsonl or .xlsx; - for stdout."
)
@options
@click.pass_obj
def export(session: Session, name: str, target: Path, format_: str | None, text: str, overwrite: bool) -> None:
    """Write its people with their own fields and their status: `paceline export recipients --campaign NAME`."""
    with session.reader() as reader:
        if not reader.campaign(name)["recipients"]:
            raise RefusedError(f"campaign '{name}' has nobody to export", hint="see `paceline campaign show`")
        write_table(session, reader, "recipients", target, format_, text, name, overwrite=overwrite)
