"""`paceline campaign new` and `apply`: drafts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from storage.errors import NotFoundError, UsageError
from tui.approval_words import approval_in_words
from tui.cli.output import Json, emit, out, pairs, say
from tui.cli.session import Session
from tui.cli.tuning import WINDOW, window_given, window_options
from tui.cli.verbs import Change

if TYPE_CHECKING:
    from tui.cli.plan_file import PlanFile

F = TypeVar("F", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path)
PACING_OPTIONS = (
    click.option("--pacing", "mode", type=click.Choice(["human", "steady", "blast"]), help="How sends are spread."),
    click.option(
        "--preset",
        help="very-safe, recommended, aggressive, risky, gmail, workspace, linkedin-free, linkedin-paid, cold.",
    ),
    click.option("--gap-min", help="human: shortest gap, such as 15m."),
    click.option("--gap-max", help="human: longest gap, such as 90m."),
    click.option("--distribution", type=click.Choice(["uniform", "lognormal"]), help="human: how gaps are drawn."),
    click.option("--burst", type=int, help="human: a rest after so many, with --rest."),
    click.option("--rest", help="human: how much longer that gap is, such as 30m."),
    click.option("--rate", help="steady: such as 60/min or 30/h."),
    click.option("--spread", is_flag=True, default=None, help="steady: the account's daily cap over the open time."),
    click.option("--concurrency", type=int, help="blast: so many at once."),
    click.option("--batch-delay", help="blast: delay between rounds, such as 2s."),
)
_SETTINGS = ("after_failure", "accept_within_days", "overlap", "unsubscribe_scope")
_MODE_OF = {
    **dict.fromkeys(("gap_min", "gap_max", "distribution", "burst", "rest"), "human"),
    **dict.fromkeys(("rate", "spread"), "steady"),
}
"""The mode that an option means when none is named; the rest mean a blast."""
LETTER_OPTIONS = (
    click.option("--subject", help="The subject; wins over the template's own."),
    click.option("--text", "text", type=_PATH, help="A plain text part, beside an HTML template."),
    click.option("--html", "html", type=_PATH, help="An HTML part, beside a text template."),
    click.option("--attach", multiple=True, type=_PATH, help="Attach a file."),
    click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="Add a header."),
)

SEQUENCE_OPTIONS = (
    click.option(
        "--stop-on",
        multiple=True,
        type=click.Choice(["reply", "bounce", "none"]),
        help="What ends a person's sequence [reply, bounce].",
    ),
    click.option(
        "--after-failure", type=click.Choice(["stop", "next"]), help="Whether a failed message ends it [stop]."
    ),
    click.option(
        "--accept-within-days", type=click.IntRange(1, 365), help="So long may an invitation be accepted [21]."
    ),
    click.option(
        "--overlap",
        type=click.Choice(["allow", "skip", "wait"]),
        help="Who has a message in another campaign [allow; skip for LinkedIn].",
    ),
)

LIST_OPTIONS = (
    click.option("--list", "list_name", metavar="NAME", help="The list that a reader of it leaves [its own name]."),
    click.option("--unsubscribe-scope", type=click.Choice(["all", "list"]), help="What who leaves it, leaves [all]."),
)


APPROVALS = ("none", "message", "campaign")
APPROVAL_OPTIONS = (
    click.option(
        "--approval",
        type=click.Choice(APPROVALS),
        help="Who must say yes before anything is sent: nobody, a person for each message, or once [none].",
    ),
    click.option("--approval-time", metavar="TIME", help="How long a message waits for it, such as 7d; 0: for ever."),
)


def approval_options(command: F) -> F:
    """The options that say what must be approved."""
    for option in reversed(APPROVAL_OPTIONS):
        command = option(command)
    return command


def approval_of(approval: str | None, time: str | None) -> Json:
    """What was given of them, as the actions take it. Raises UsageError."""
    from engine.planning.durations import parse_duration

    found: Json = {} if approval is None else {"approval": "" if approval == "none" else approval}
    if time is not None:
        found["approval_time"] = parse_duration(time, field="approval time")
    return found


def pacing_options(command: F) -> F:
    """The options that say how sends are spread."""
    for option in reversed(PACING_OPTIONS):
        command = option(command)
    return command


def letter_options(command: F) -> F:
    """The options that add to a message's template."""
    for option in reversed(LETTER_OPTIONS):
        command = option(command)
    return command


def pacing_of(**options: Any) -> Json:
    """What `Pacing.from_dict` reads, from the pacing options; checked. The mode follows from the settings that were
    given. Raises UsageError."""
    from engine.planning.pacing import Pacing

    pacing = {key: value for key, value in options.items() if value is not None}
    if pacing and "mode" not in pacing and "preset" not in pacing:
        modes = {_MODE_OF.get(key, "blast") for key in pacing}
        if len(modes) > 1:
            raise UsageError("these pacing options belong to different modes", hint="name one with --pacing")
        pacing["mode"] = modes.pop()
    Pacing.from_dict(pacing)
    return pacing


def window_and_pacing(options: Json) -> tuple[Json, Json]:
    """What the window options and the pacing options say ({} for nothing), each checked. Raises UsageError."""
    window = {name: options.pop(name) for name in WINDOW}
    return window_given(window) or {}, pacing_of(**options)


def new_args(name: str, account: str, pacing: Json, letter: Any, **more: Any) -> Json:
    """The arguments of the action `campaign.new`."""
    return {
        "name": name,
        "account": account,
        "pacing": pacing,
        "subject": letter.subject,
        "text": letter.text,
        "html": letter.html,
        "headers": letter.headers,
        "attachments": letter.attachments,
        **more,
    }


def plan_args(plan: PlanFile) -> Json:
    """The same of a campaign.toml."""
    args = new_args(
        plan.name, plan.account, plan.pacing, plan.letter,
        priority=plan.priority, weight=plan.weight, window=plan.window, settings=plan.settings,
        also=list(plan.also), steps=list(plan.steps), list_name=plan.list_name, **plan.approval,
    )  # fmt: skip
    return {**args, "concurrency": plan.concurrency} if plan.concurrency else args


def sequence_options(command: F) -> F:
    """The options that say whom the steps of a sequence reach."""
    for option in reversed(SEQUENCE_OPTIONS):
        command = option(command)
    return command


def list_options(command: F) -> F:
    """The options that say what a reader leaves."""
    for option in reversed(LIST_OPTIONS):
        command = option(command)
    return command


def settings_of(cold: bool | None, identity: str | None, options: Json | None = None) -> Json:
    """The campaign settings that were given; those of a sequence are taken out of `options`."""
    options = {} if options is None else options
    stop_on = options.pop("stop_on", ())
    given = {
        "cold": cold,
        "identity": identity,
        "stop_on": [word for word in stop_on if word != "none"] if stop_on else None,
        **{key: options.pop(key, None) for key in _SETTINGS},
    }
    return {key: value for key, value in given.items() if value is not None}


@click.command("new", cls=Change)
@click.argument("name")
@click.option("--account", "-a", required=True, help="Who sends.")
@click.option("--also", multiple=True, metavar="ACCOUNT", help="A further account; repeatable.")
@click.option("--template", "-t", type=_PATH, help="The message; may begin with `Subject: ...` and a blank line.")
@click.option("--priority", type=click.IntRange(1, 10), default=5, show_default=True, help="10 runs first.")
@click.option("--weight", type=click.IntRange(1, 100), default=1, show_default=True, help="Its turns beside others.")
@click.option("--cold", is_flag=True, help="Its people did not ask for it: needs an identity and a way to leave.")
@click.option("--identity", metavar="LINE", help="The sender's name and postal address, for a cold campaign.")
@approval_options
@letter_options
@sequence_options
@list_options
@window_options
@pacing_options
@click.pass_obj
def new(
    session: Session,
    /,
    name: str,
    account: str,
    also: tuple[str, ...],
    template: Path | None,
    priority: int,
    weight: int,
    cold: bool,
    identity: str | None,
    subject: str | None,
    text: Path | None,
    html: Path | None,
    attach: tuple[Path, ...],
    headers: tuple[str, ...],
    **options: Any,
) -> None:
    """Make the draft NAME from a template. Nothing is sent before `campaign start`."""
    from tui.cli.letters import read_letter

    letter = read_letter(template, subject=subject, text=text, html=html, headers=headers, attach=attach)
    settings = settings_of(cold or None, identity, options)
    list_name = options.pop("list_name") or ""
    asks = approval_of(options.pop("approval"), options.pop("approval_time"))
    window, pacing = window_and_pacing(options)
    args = new_args(
        name, account, pacing, letter,
        also=list(also), priority=priority, weight=weight, window=window, settings=settings, list_name=list_name,
        **asks,
    )  # fmt: skip
    result = session.call("campaign.new", args)
    if session.json:
        emit({"success": True, "campaign_id": result["id"], **result})
        return
    tell_new(result)
    say(f"next: paceline recipients import FILE --campaign {name}")


def tell_new(result: Json) -> None:
    """What a new draft came to."""
    out(f"campaign {result['campaign']} is a draft")
    pairs(
        (
            ("account", ", ".join(result["accounts"])),
            ("not used", f"{', '.join(result['unused'])}: no step goes through it" if result["unused"] else ""),
            ("steps", result["steps"] if result["steps"] > 1 else ""),
            ("pacing", result["pacing"]),
            ("window", result["window"]),
            (
                "lower ceiling",
                f"{result['ceiling']} of account {result['account']}: it wins" if result["ceiling"] else "",
            ),
            ("fields used", ", ".join(result["fields"]) or "none"),
            ("list", result["list"] if result["list"] != result["campaign"] else ""),
            ("approval", approval_in_words(result["approval"], result["approval_time"])),
        )
    )


@click.command("apply", cls=Change)
@click.argument("place", metavar="DIR_OR_FILE", type=_PATH)
@click.option("--rejects", type=_PATH, help="Where rejected rows go [FILE.rejects.csv].")
@click.pass_obj
def apply(session: Session, place: Path, rejects: Path | None) -> int:
    """Make a draft from a campaign.toml and import its people.

    The recipient file is read through before anything is made: a file that breaks off makes nothing.
    """
    from tui.cli.importing import import_file, look_through
    from tui.cli.plan_file import read_plan_file
    from tui.cli.recipients import refuse_if_nobody, report

    plan = read_plan_file(place)
    refuse_taken(session, plan.name)
    source = plan.source
    if source is not None:
        by_profile = session.config().account(plan.account).channel == "unipile"
        source = replace(source, by_profile=by_profile)
        refuse_if_nobody(look_through(source))
    done = None
    with session.control() as control:
        result = control.call("campaign.new", plan_args(plan))
        if source is not None:
            done = import_file(source, plan.name, control, rejects=rejects)
    if session.json:
        people = done.to_json() if done else None
        emit({"success": True, "campaign_id": result["id"], **result, "recipients": people})
        return 0
    tell_new(result)
    if done is not None:
        report(session, done, plan.name)
    say(f"next: paceline campaign preflight {plan.name}")
    return 0


def refuse_taken(session: Session, name: str) -> None:
    """Refuse a name that a campaign has, before any file is read. Raises UsageError."""
    with session.reader() as reader:
        try:
            row = reader.campaign(name)
        except NotFoundError:
            return
    raise UsageError(
        f"the campaign name '{name}' is taken ({row['state']})",
        hint="choose another name; see `paceline campaign list`",
    )
