"""`paceline campaign export`: people with their status, for the operator's own sheet."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, TextIO

import click

from storage.errors import RefusedError, UsageError
from tui.cli.facts import recipient_json
from tui.cli.output import Json, emit, out
from tui.cli.session import Session
from tui.cli.verbs import Verb
from tui.files import whole_file
from tui.sheets import csv_cell

STATUS = ("status", "attempts", "error", "due_at", "sent_at", "message_id")


@click.command("export", cls=Verb)
@click.argument("name")
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="FILE.csv or FILE.jsonl.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.pass_obj
def export(session: Session, name: str, target: Path, overwrite: bool) -> None:
    """Write its people with their original fields and their status to a file (0600, whole or not at all)."""
    if target.suffix.lower() not in (".csv", ".jsonl"):
        raise UsageError(f"{target.name}: only .csv and .jsonl can be written", hint="name the file so")
    if target.exists() and not overwrite:
        raise RefusedError(f"{target} exists and stays as it is", hint="name another file, or add --overwrite")
    with session.reader() as reader:
        row = reader.campaign(name)
        if not row["recipients"]:
            raise RefusedError(f"campaign '{name}' has nobody to export", hint="see `paceline campaign show`")
        columns = _columns(reader, row["id"]) if target.suffix.lower() == ".csv" else ()
        n = _write(target, reader.all_recipients(row["id"]), columns)
    if session.json:
        emit({"success": True, "campaign": name, "file": str(target), "rows": n})
    else:
        out(f"{n:,} people of {name} written to {target}")


def _columns(reader: Any, campaign_id: int) -> tuple[str, ...]:
    """Every field that anybody has, in the order in which they appear."""
    seen: dict[str, None] = {}
    for person in reader.all_recipients(campaign_id):
        seen.update(dict.fromkeys(person["fields"]))
    return tuple(seen)


def _write(target: Path, people: Any, columns: tuple[str, ...]) -> int:
    with whole_file(target, encoding="utf-8-sig" if columns else "utf-8") as file:
        return _csv(file, people, columns) if columns else _jsonl(file, people)


def _status(person: Json) -> Json:
    data = recipient_json(person)
    return {"status": data.pop("state"), **{key: data[key] for key in STATUS[1:]}}


def _csv(file: TextIO, people: Any, columns: tuple[str, ...]) -> int:
    taken = {name: f"paceline_{name}" if name in columns else name for name in STATUS}
    writer = csv.writer(file)
    writer.writerow([csv_cell(name) for name in (*columns, *taken.values())])
    n = 0
    for person in people:
        n += 1
        status = _status(person)
        cells = [person["fields"].get(name, "") for name in columns] + [status[name] for name in STATUS]
        writer.writerow([csv_cell(value) for value in cells])
    return n


def _jsonl(file: TextIO, people: Any) -> int:
    n = 0
    for person in people:
        n += 1
        line = {"address": person["address"], "fields": person["fields"], **_status(person)}
        file.write(json.dumps(line, ensure_ascii=True) + "\n")
    return n
