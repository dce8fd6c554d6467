"""`paceline campaign report`: what became of a campaign, in figures that say what they are parts of."""

from __future__ import annotations

from pathlib import Path

import click

from storage.errors import UsageError
from tui.cli.output import dated, emit, out, pairs, say, table
from tui.cli.session import Session
from tui.cli.times import now_us
from tui.cli.verbs import Verb
from tui.exporting.writer import STDOUT, refuse_existing
from tui.reporting.pages import markdown, page
from tui.reporting.report import report as reported
from tui.reporting.words import Section, sections
from tui.safe_text import safe_text

_FILE = click.Path(path_type=Path)


@click.command("report", cls=Verb)
@click.argument("name")
@click.option("--html", "html", type=_FILE, metavar="FILE", help="One page for a browser; - for stdout.")
@click.option("--markdown", "plain", type=_FILE, metavar="FILE", help="Markdown; - for stdout.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.pass_obj
def report(session: Session, name: str, html: Path | None, plain: Path | None, overwrite: bool) -> None:
    """Sums and rates with what they are parts of, reasons, parts by step, account and domain, pace and timeline."""
    targets = [target for target in (html, plain) if target is not None]
    if targets.count(STDOUT) + session.json > 1:
        raise UsageError("one thing at a time goes to stdout", hint="name a file")
    if not overwrite:
        for target in targets:
            refuse_existing(target, hint="name another file, or add --overwrite")
    with session.reader() as reader:
        found = reported(reader, name, session.zone, now_us())
    told = sections(found, session.zone)
    if html is not None:
        _write(html, page(f"Report of {name}", told))
    if plain is not None:
        _write(plain, markdown(told))
    if session.json:
        emit({**dated(found), "files": [str(target) for target in targets]})
    elif not targets:
        for number, section in enumerate(told):
            _show(section, first=number == 0)


def _write(target: Path, text: str) -> None:
    from engine.whole_files import whole_file

    if target == STDOUT:
        out(text)
        return
    with whole_file(target) as file:
        file.write(text)
    say(f"written: {target}")


def _show(section: Section, *, first: bool) -> None:
    if not first:
        out()
    out(safe_text(section.title))
    pairs(section.pairs)
    if section.rows:
        table(section.head, section.rows)
    if section.note:
        out(safe_text(section.note, 1_000))
