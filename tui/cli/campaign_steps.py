"""`paceline campaign steps` and `campaign step add|edit|remove`: the messages of a sequence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from storage.errors import UsageError
from tui.cli.campaign_make import letter_options, pacing_of, pacing_options
from tui.cli.campaign_run import tell
from tui.cli.output import Json, emit, out, pairs, say, table
from tui.cli.session import Session
from tui.cli.verbs import Change, Lazy, LazyGroup, Verb
from tui.safe_text import safe_text
from tui.sequence_steps import PARTS, reaches_at_once, refuse_empty, stored, with_step, without_step

CONDITIONS = ("no_reply", "no_bounce", "accepted", "not_accepted")
"""As `engine.sequences.CONDITIONS`, which a help page need not load; a test compares them."""


@click.command("steps", cls=Verb)
@click.argument("name")
@click.pass_obj
def steps(session: Session, name: str) -> None:
    """The messages of NAME in their order, what each waits for, and what became of it."""
    from tui.cli.step_rows import step_rows

    with session.reader() as reader:
        row = reader.campaign(name)
        rows = step_rows(reader, row)
    if session.json:
        emit({"campaign": name, "accounts": [one["name"] for one in row["accounts"]], "steps": rows})
        return
    table(
        ("step", "channel", "begins", "subject", "sent", "waiting", "skipped", "failed", "needs you"),
        [
            (
                step["step"], step["channel"], step["begins"], step["title"], step["sent"], step["waiting"],
                step["skipped"], step["failed"], step["needs_you"],
            )
            for step in rows
        ],
    )  # fmt: skip
    for step in rows:
        if n := step["waits_for_acceptance"]:
            say(f"after step {step['step']}: {n:,} {'waits' if n == 1 else 'wait'} for the invitation to be accepted")


@click.group(
    "step",
    cls=LazyGroup,
    lazy={
        "add": Lazy("tui.cli.campaign_steps:add", "Put a message behind the others, or between them."),
        "edit": Lazy("tui.cli.campaign_steps:edit", "Change its text, wait, conditions or pacing."),
        "remove": Lazy("tui.cli.campaign_steps:remove", "Take a message out that nobody has yet."),
    },
)
def step() -> None:
    """The messages behind the first one. The first is changed by `campaign edit`."""


def _step_options(command: Any) -> Any:
    options = (
        click.option("--template", "-t", type=click.Path(path_type=Path), help="The message, as for `campaign new`."),
        click.option("--channel", help="smtp, outbox, unipile or webhook [that of the first account]."),
        click.option("--wait", help='After the step before: "3d", "36h", "3 business days" [3d].'),
        click.option("--if", "conditions", multiple=True, type=click.Choice(CONDITIONS), help="Only then; repeatable."),
    )
    for option in reversed(options):
        command = option(command)
    return pacing_options(letter_options(command))


@click.command("add", cls=Change)
@click.argument("name")
@click.option("--at", "place", type=click.IntRange(2), help="Its place; later ones move on [the last].")
@_step_options
@click.pass_obj
def add(session: Session, /, name: str, place: int | None, **options: Any) -> None:
    """Add a message to the sequence of NAME: a template, a wait, conditions."""
    step = _given(options)
    with session.reader() as reader:
        row = reader.campaign(name)
    found, place = with_step(row, step, place)
    if reaches_at_once(row, place):
        session.confirm(
            f"Add step {place} to {safe_text(name)}? Whoever has had step {place - 1} gets it too, at once where its "
            "wait is over when the campaign goes on."
        )
    _change(session, row, found)


@click.command("edit", cls=Change)
@click.argument("name")
@click.argument("number", metavar="STEP", type=click.IntRange(1))
@click.option("--always", is_flag=True, help="No condition any more.")
@click.option("--drop", multiple=True, type=click.Choice(PARTS[1:]), help="Take a part out of the message.")
@_step_options
@click.pass_obj
def edit(session: Session, /, name: str, number: int, always: bool, drop: tuple[str, ...], **options: Any) -> None:
    """Change the parts of a step that are given; the others stay. A running campaign is paused first."""
    changes = _given(options)
    with session.reader() as reader:
        row = reader.campaign(name)
    found = stored(row)
    step = found[_place(row, number) - 2]
    step.update(changes)
    for part in drop:
        step[part] = {} if part == "headers" else [] if part == "attachments" else ""
    if always:
        step["conditions"] = []
    if not changes and not drop and not always:
        raise UsageError("nothing was given to change", hint="paceline campaign step edit --help")
    refuse_empty(row, step)
    _change(session, row, found)


@click.command("remove", cls=Change)
@click.argument("name")
@click.argument("number", metavar="STEP", type=click.IntRange(1))
@click.pass_obj
def remove(session: Session, name: str, number: int) -> None:
    """Take a step out of the sequence of NAME; later ones move up. One that somebody has a message of stays."""
    with session.reader() as reader:
        row = reader.campaign(name)
    found = without_step(row, _place(row, number))
    session.confirm(f"Take step {number} out of {safe_text(name)}?")
    _change(session, row, found)


def _given(options: Json) -> Json:
    """What a step's options say; only what was given. Raises UsageError."""
    from tui.cli.letters import read_parts

    letter = read_parts(
        options.pop("template"),
        subject=options["subject"],
        text=options.pop("text"),
        html=options.pop("html"),
        headers=options.pop("headers"),
        attach=options.pop("attach"),
    )
    step: Json = {part: getattr(letter, part) for part in PARTS if getattr(letter, part)}
    if options.pop("subject") == "":
        step["subject"] = ""
    step |= {key: value for key in ("channel", "wait") if (value := options.pop(key)) is not None}
    if conditions := options.pop("conditions"):
        step["conditions"] = list(conditions)
    if pacing := pacing_of(**options):
        step["pacing"] = pacing
    return step


def _place(row: Json, number: int) -> int:
    """A step that may be changed here. Raises UsageError, NotFoundError."""
    from storage.row_nouns import step_of

    if step_of(row, number).position == 1:
        raise UsageError(
            "the first step is the campaign's own message", hint=f"paceline campaign edit {row['name']} --template FILE"
        )
    return number


def _change(session: Session, row: Json, steps: list[Json]) -> None:
    args = {"name": row["name"], "version": row["version"], "steps": steps}
    result = session.call("campaign.edit", args)
    tell(session, result)
    if not session.json:
        pairs((("steps", result["steps"]), ("fields used", ", ".join(result["fields"]) or "none")))
        for account in result["unused"]:
            out(safe_text(f"account {account} is used by no step"))
