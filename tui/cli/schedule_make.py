"""`paceline schedule add` and `edit`: what is given is checked and its next firings are shown before it is saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from storage.errors import UsageError
from tui.cli.campaign_run import tell
from tui.cli.output import Json, dated, emit, say
from tui.cli.payloads import payload_of
from tui.cli.session import Session
from tui.cli.verbs import Change

F = Callable[..., Any]


def _fields(command: F) -> F:
    """The options that `add` and `edit` share."""
    for option in reversed(
        (
            click.option("--cron", metavar="EXPR", help='Five fields, or @hourly, @daily...: "0 8 * * MON-FRI".'),
            click.option("--zone", metavar="ZONE", help="Whose clocks they mean: America/New_York [the configured]."),
            click.option("--kind", metavar="KIND", help="What it makes: see paceline job types."),
            click.option("--payload", metavar="JSON", default="", help='What the job is given: {"days": 30}.'),
            click.option(
                "--payload-file", type=click.Path(path_type=Path), help="The same from a JSON or TOML file."
            ),
            click.option("--set", "fields", multiple=True, metavar="NAME=VALUE", help="One field of the payload."),
            click.option("--queue", metavar="NAME", help="The queue of its jobs [that of the kind]."),
            click.option("--priority", type=click.IntRange(0, 10), help="Of its jobs; 0: that of the kind [0]."),
            click.option(
                "--missed", type=click.Choice(["skip", "run_once", "catch_up"]),
                help="What becomes of firings that nobody was there for [run_once].",
            ),
            click.option("--grace", metavar="TIME", help="run_once: the newest, if at most so late [1h]."),
            click.option("--most", type=click.IntRange(1, 1_000), help="catch_up: at most the newest so many [10]."),
            click.option(
                "--overlap", type=click.Choice(["skip", "wait", "allow"]),
                help="What becomes of a firing while the run before goes on [skip].",
            ),
            click.option("--dry-run", is_flag=True, help="Check it, show its next five firings, save nothing."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


@click.command("add", cls=Change)
@click.argument("name")
@_fields
@click.option("--disabled", is_flag=True, help="Save it without letting it fire yet.")
@click.pass_obj
def add(session: Session, /, name: str, dry_run: bool, disabled: bool, **given: Any) -> None:
    """Make schedule NAME. The kind's own check of the payload is made now; the next five firings are shown, with a word
    where clocks change, and on a terminal you are asked before it is saved."""
    for field in ("cron", "kind"):
        if not given[field]:
            raise UsageError(f"--{field} is missing", hint="see paceline schedule add --help")
    spec = {"name": name, **_given(given)}
    shown = _preview(session, spec, dry_run=dry_run)
    if dry_run:
        return
    if shown["exists"]:
        raise UsageError(f"there is a schedule '{name}' already", hint="change it with `paceline schedule edit`")
    session.confirm("Save it?")
    tell(session, session.call("schedule.add", {**spec, "enabled": not disabled}))


@click.command("edit", cls=Change)
@click.argument("name")
@_fields
@click.pass_obj
def edit(session: Session, /, name: str, dry_run: bool, **given: Any) -> None:
    """Change what is given of schedule NAME. Other times count from now on; --payload replaces the whole payload, --set
    one field of it."""
    from storage.schedule_facts import schedule

    with session.reader() as reader:
        row = schedule(reader, name)
    spec = {"name": name, "version": row["version"], **_given(given, row["payload"])}
    if len(spec) == 2:
        raise UsageError("nothing to change is given", hint="see paceline schedule edit --help")
    _preview(session, spec, dry_run=dry_run)
    if not dry_run:
        session.confirm("Save it?")
        tell(session, session.call("schedule.edit", spec))


def _given(options: Json, before: Json | None = None) -> Json:
    """What was given, as `schedule.add` and `schedule.edit` take it. `before`: the payload that --set changes."""
    from engine.planning.durations import parse_duration

    found = {name: options[name] for name in ("cron", "zone", "kind", "queue", "priority", "missed", "most", "overlap")}
    if options["grace"] is not None:
        found["grace"] = parse_duration(options["grace"], field="--grace")
    payload = payload_of(options["payload"], options["payload_file"], options["fields"], kind=options["kind"] or "")
    whole = bool(options["payload"]) or options["payload_file"] is not None
    if payload is not None:
        found["payload"] = payload if whole else {**(before or {}), **payload}
    return {name: value for name, value in found.items() if value is not None}


def _preview(session: Session, spec: Json, *, dry_run: bool) -> Json:
    """Check it and show when it would fire: on stdout for a dry run, beside the answer else."""
    result = session.call("schedule.preview", spec)
    if dry_run and session.json:
        emit(dated(result))
    elif not session.json:
        say(f"{result['words']} ({result['zone']})")
        for number, firing in enumerate(result["next"]):
            say(f"{'next' if not number else '':<6}{firing['local']}   {firing['note']}".rstrip())
        if dry_run:
            say("nothing was saved")
    return result
