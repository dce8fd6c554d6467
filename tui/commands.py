"""The language of `:`: the command line's own words, as far as the console does them. Pure.

What a line means is read by the commands of the command line themselves, so that `:campaign pause x` is right exactly
when `paceline campaign pause x` is. Whether it is on, and what it asks, the registry says, as for a key.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click
from click.core import ParameterSource

from storage.errors import PacelineError, UsageError
from tui.actions import Action
from tui.command_options import OPTIONS, TOGETHER, background_job, together
from tui.command_words import BY_WORDS, DECIDE, HELP, LEAVE, LISTS, MAKE, PAGES, PLACES, RUNS, SHOWS, START, UNDO
from tui.list_words import narrowed
from tui.looks import Look
from tui.lookup import action as action_of


@dataclass(frozen=True, slots=True)
class Go:
    """To a view, narrowed by a filter where one was typed."""

    mode: str
    filter: str = ""


@dataclass(frozen=True, slots=True)
class Show:
    """One campaign, queue or job: its `scope` and its name or id."""

    scope: str
    name: str


@dataclass(frozen=True, slots=True)
class Do:
    """An action of the registry for one thing, with the arguments that options added."""

    action: Action
    name: str
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DoMany:
    """An action of the registry for a set of jobs: these ids, or all that match a filter."""

    action: Action
    ids: tuple[int, ...] = ()
    filter: str = ""
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Leave:
    pass


@dataclass(frozen=True, slots=True)
class Help:
    pass


@dataclass(frozen=True, slots=True)
class Run:
    """A key that only looks, by its word; `rest` is what stood behind it."""

    look: Look
    rest: str = ""


Command = Run | Go | Show | Do | DoMany | Leave | Help

FOR_MANY = {
    "job.retry": "jobs.retry", "job.cancel": "jobs.cancel", "approval.approve": "approvals.approve",
    "approval.reject": "approvals.reject",
}  # fmt: skip
"""What one job's action is called when a line names several."""


def parse(line: str, now: int) -> Command | None:
    """What a line asks for; None for an empty one. Raises UsageError with the sentence to show."""
    try:
        words = shlex.split(line)
    except ValueError:
        raise UsageError("a quote is not closed") from None
    if not words:
        return None
    if len(words) == 1 and words[0] in START:
        return Do(action_of("engine.start"), "")
    if len(words) == 1 and words[0] in UNDO:
        return Do(action_of("undo"), "")
    if words[0] in RUNS and not _names_command(words):
        return Run(RUNS[words[0]], " ".join(words[1:]))
    if len(words) == 1 and words[0] in LEAVE:
        return Leave()
    if len(words) == 1 and words[0] in HELP:
        return Help()
    nouns = {path[0] for path in (*BY_WORDS, *LISTS, *SHOWS, *PAGES)}
    if words[0] in PLACES and (len(words) == 1 or words[0] not in nouns):
        return Go(PLACES[words[0]], line.strip().partition(" ")[2].strip())
    if words[0] not in nouns:
        raise _unknown(words)
    if tuple(words[:2]) in MAKE and len(words) < 4:
        return Do(BY_WORDS[tuple(words[:2])], "", {"wanted": words[2]} if len(words) == 3 else {})
    if tuple(words[:2]) == DECIDE and len(words) == 3:
        return Do(action_of("campaign.resolve"), words[2])
    path, context = _read(words)
    if path in LISTS:
        return Go(LISTS[path], narrowed(path, context))
    if path in PAGES:
        return Run(RUNS[PAGES[path]], narrowed(path, context))
    if path in SHOWS:
        named = next(value for key in ("name", "job_id", "inbox_id") if (value := context.params.get(key)) is not None)
        return Show(SHOWS[path], str(named))
    return _do(BY_WORDS[path], path, context, now)


def _names_command(words: Sequence[str]) -> bool:
    """Whether a word that is a page's, as `inbox`, begins a command of the command line here: `inbox list`."""
    from tui.cli.root import cli

    group = cli.get_command(click.Context(cli), words[0])
    return len(words) > 1 and isinstance(group, click.Group) and words[1] in group.list_commands(click.Context(group))


def _unknown(words: Sequence[str]) -> PacelineError:
    from tui.cli.root import cli

    if words[0] in cli.list_commands(click.Context(cli)):
        return _for_the_shell(words)
    return UsageError(f"there is no command ':{words[0][:40]}'", hint="tab shows what there is, :help every key")


def _for_the_shell(words: Sequence[str]) -> PacelineError:
    return UsageError(f"'{' '.join(words[:2])}' is for the command line", hint=f"paceline {' '.join(words[:2])} --help")


def _read(words: Sequence[str]) -> tuple[tuple[str, ...], click.Context]:
    """The command that the words name, and its arguments as the command line reads them."""
    from tui.cli.root import cli

    command: click.Command = cli
    path: list[str] = []
    rest = list(words)
    while isinstance(command, click.Group):
        if not rest:
            raise UsageError(f"'{' '.join(path)}' needs a verb", hint="tab shows them")
        found = command.get_command(click.Context(command), rest[0])
        if found is None:
            raise UsageError(
                f"there is no command ':{' '.join([*path, rest[0][:40]])}'", hint="tab shows what there is"
            )
        path.append(rest.pop(0))
        command = found
    if tuple(path) not in {*BY_WORDS, *LISTS, *SHOWS, *PAGES}:
        raise _for_the_shell(path)
    if help_asked := {"--help", "-h"} & set(rest):
        raise UsageError(f"{help_asked.pop()} is for the command line", hint=f"paceline {' '.join(path)} --help")
    try:
        return tuple(path), command.make_context(" ".join(path), rest)
    except click.ClickException as error:
        raise UsageError(error.format_message()) from None


def _do(action: Action, path: tuple[str, ...], context: click.Context, now: int) -> Do | DoMany:
    if action.id == "job.add":
        return Do(action, "", background_job(context, now))
    if action.id in TOGETHER:
        return Do(action, str(context.params["name"]), together(action, context))
    name, ids = "", tuple[int, ...]()
    more: dict[str, Any] = {}
    for parameter in context.command.params:
        key = parameter.name or ""
        if context.get_parameter_source(key) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params.get(key)
        if isinstance(parameter, click.Argument):
            # Of `campaign resolve NAME JOB` the job is what is acted on.
            ids = value if isinstance(value, tuple) else ()
            name = str(value) if not ids else str(ids[0])
            continue
        option = max(parameter.opts, key=len)
        if (add := OPTIONS.get(action.id, {}).get(option.removeprefix("--"))) is not None:
            more |= add(value, now)
        elif not (action.id in ("job.resolve", "work.resolve") and key == "verdict"):
            raise UsageError(f"{option} is for the command line", hint=f"paceline {' '.join(path)} --help")
    if action.id in FOR_MANY and (len(ids) > 1 or "filter" in more):
        chosen = str(more.pop("filter", "")).strip()
        if bool(ids) == bool(chosen):
            raise UsageError(
                "name jobs by id, or some by --filter", hint='for example --filter "state:failed since:1h"'
            )
        return DoMany(action_of(FOR_MANY[action.id]), ids, chosen, more)
    if action.id == "step.remove":
        return Do(action, name, {**more, "campaign": context.params["name"]})
    if action.id == "recipients.import":
        # The file is what the command line names first; what is acted on is the campaign.
        return Do(action, more.get("campaign", ""), {"path": name})
    return Do(action, name, more)
