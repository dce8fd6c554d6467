"""The language of `:`: the command line's own words, as far as the console does them. Pure.

What a line means is read by the commands of the command line themselves, so that `:campaign pause x` is right exactly
when `paceline campaign pause x` is. Whether it is on, and what it asks, the registry says, as for a key.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click
from click.core import ParameterSource

from storage.errors import PacelineError, UsageError
from tui.actions import ACTIONS, Action

PLACES: dict[str, str] = {
    "overview": "overview", "over": "overview", "campaigns": "campaigns", "camp": "campaigns", "campaign": "campaigns",
    "jobs": "jobs", "job": "jobs", "failures": "failures", "fail": "failures", "queues": "queues", "queue": "queues",
    "approvals": "approvals", "appr": "approvals", "schedules": "schedules", "sched": "schedules",
    "performance": "performance", "perf": "performance", "log": "log", "events": "log",
}  # fmt: skip
"""Words that go to a view."""
LISTS = {("campaign", "list"): "campaigns", ("job", "list"): "jobs", ("queue", "list"): "queues"}
SHOWS = {("campaign", "show"): "campaign", ("queue", "show"): "queue", ("job", "show"): "job"}
LEAVE = ("q", "quit")
HELP = ("help",)


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
class Leave:
    pass


@dataclass(frozen=True, slots=True)
class Help:
    pass


Command = Go | Show | Do | Leave | Help


def _words_of(action: Action) -> tuple[str, ...]:
    words = action.twin.split()[1:]
    end = next((i for i, word in enumerate(words) if not word.isalpha()), len(words))
    return tuple(words[:end])


NAMED = ("campaign", "queue", "job", "engine")
"""Scopes of what a line can name; a group of failures or a set of marks it cannot."""
BY_WORDS: dict[tuple[str, ...], Action] = {}
for _action in ACTIONS:
    if _action.twin and _action.scope in NAMED:
        BY_WORDS.setdefault(_words_of(_action), _action)


def _spread(value: str) -> int:
    from engine.control.retrying import parse_spread

    return parse_spread(value)


OPTIONS: dict[str, dict[str, Callable[[Any, int], dict[str, Any]]]] = {
    "campaign.start": {"at": lambda value, now: {"at": _time(value, now)}},
    "campaign.retry": {"spread": lambda value, now: {"spread": _spread(value)}},
    "campaign.live": {"off": lambda value, now: {"off": True}},
    "job.retry": {"spread": lambda value, now: {"spread": _spread(value)}},
}
"""Options that mean the same here, by action: what they add to its arguments."""


def _time(value: str, now: int) -> int:
    from datetime import UTC

    from tui.cli.times import parse_time

    return parse_time(value, UTC, now=now)


def parse(line: str, now: int) -> Command | None:
    """What a line asks for; None for an empty one. Raises UsageError with the sentence to show."""
    try:
        words = shlex.split(line)
    except ValueError:
        raise UsageError("a quote is not closed") from None
    if not words:
        return None
    if len(words) == 1 and words[0] in LEAVE:
        return Leave()
    if len(words) == 1 and words[0] in HELP:
        return Help()
    nouns = {path[0] for path in (*BY_WORDS, *LISTS, *SHOWS)}
    if words[0] in PLACES and (len(words) == 1 or words[0] not in nouns):
        return Go(PLACES[words[0]], line.strip().partition(" ")[2].strip())
    if words[0] not in nouns:
        raise _unknown(words)
    path, context = _read(words)
    if path in LISTS:
        return Go(LISTS[path])
    if path in SHOWS:
        return Show(SHOWS[path], str(context.params.get("name", context.params.get("job_id"))))
    return _do(BY_WORDS[path], path, context, now)


def _unknown(words: Sequence[str]) -> PacelineError:
    from tui.cli.root import cli

    if words[0] in cli.list_commands(click.Context(cli)):
        return _for_the_shell(words)
    return UsageError(f"there is no command ':{words[0][:40]}'", hint="tab shows what there is, ? every key")


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
    if tuple(path) not in {*BY_WORDS, *LISTS, *SHOWS}:
        raise _for_the_shell(path)
    if help_asked := {"--help", "-h"} & set(rest):
        raise UsageError(f"{help_asked.pop()} is for the command line", hint=f"paceline {' '.join(path)} --help")
    try:
        return tuple(path), command.make_context(" ".join(path), rest)
    except click.ClickException as error:
        raise UsageError(error.format_message()) from None


def _do(action: Action, path: tuple[str, ...], context: click.Context, now: int) -> Do:
    name, more = "", {}
    for parameter in context.command.params:
        key = parameter.name or ""
        if context.get_parameter_source(key) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params.get(key)
        if isinstance(parameter, click.Argument):
            # Of `campaign resolve NAME JOB` the job is what is acted on.
            name = str(value) if not isinstance(value, tuple) else _only(value)
        elif (add := OPTIONS.get(action.id, {}).get(key)) is not None:
            more |= add(value, now)
        elif not (action.id == "job.resolve" and key == "verdict"):
            option = max(parameter.opts, key=len)
            raise UsageError(f"{option} is for the command line", hint=f"paceline {' '.join(path)} --help")
    return Do(action, name, more)


def _only(values: tuple[Any, ...]) -> str:
    if len(values) != 1:
        raise UsageError("one job at a time here", hint=f"paceline job retry {' '.join(map(str, values[:5]))}")
    return str(values[0])


def offers(line: str, names: Mapping[str, Sequence[str]]) -> list[str]:
    """What a line could become; `names` holds the names of each scope (`campaign`, `queue`)."""
    *done, part = line.split(" ")
    if not done:
        nouns = {path[0] for path in BY_WORDS if len(path) > 1}
        found = sorted(f"{noun} " for noun in nouns) + sorted({*PLACES, *LEAVE, *HELP} - nouns)
    elif len(done) == 1:
        verbs = {path[1] for path in (*BY_WORDS, *SHOWS) if len(path) == 2 and path[0] == done[0]}
        found = [f"{verb} " if _scope((done[0], verb)) != "engine" else verb for verb in sorted(verbs)]
    elif len(done) == 2:
        found = [shlex.quote(name) for name in names.get(_scope((done[0], done[1])), ())]
    else:
        action = BY_WORDS.get((done[0], done[1]))
        found = [f"--{option}" for option in OPTIONS.get(action.id if action else "", ())]
    return [" ".join([*done, word]) for word in found if word.startswith(part) and word != part]


def _scope(path: tuple[str, str]) -> str:
    if path == ("campaign", "resolve"):
        return "campaign"
    return BY_WORDS[path].scope if path in BY_WORDS else SHOWS.get(path, "")
