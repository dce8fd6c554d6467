"""The language of `:`: the command line's own words, as far as the console does them. Pure.

What a line means is read by the commands of the command line themselves, so that `:campaign pause x` is right exactly
when `paceline campaign pause x` is. Whether it is on, and what it asks, the registry says, as for a key.
"""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click
from click.core import ParameterSource

from storage.errors import PacelineError, UsageError
from tui.actions import ACTIONS, Action
from tui.list_words import narrowed
from tui.looks import LOOKS, Look
from tui.lookup import action as action_of

PLACES: dict[str, str] = {
    "overview": "overview", "over": "overview", "campaigns": "campaigns", "camp": "campaigns", "campaign": "campaigns",
    "jobs": "jobs", "job": "jobs", "failures": "failures", "fail": "failures", "queues": "queues", "queue": "queues",
    "approvals": "approvals", "appr": "approvals",
    "schedules": "schedules", "schedule": "schedules", "sched": "schedules",
    "performance": "performance", "perf": "performance", "log": "log", "events": "log",
}  # fmt: skip
"""Words that go to a view."""
LISTS = {
    ("campaign", "list"): "campaigns",
    ("job", "list"): "jobs",
    ("job", "failures"): "failures",
    ("approval", "list"): "approvals",
    ("queue", "list"): "queues",
    ("alarm", "list"): "overview",
    ("schedule", "list"): "schedules",
    ("pipeline", "list"): "schedules",
}
SHOWS = {
    ("campaign", "show"): "campaign",
    ("queue", "show"): "queue",
    ("job", "show"): "job",
    ("inbox", "show"): "inbox",
    ("schedule", "show"): "schedule",
}
MAKE = (("campaign", "new"), ("schedule", "add"), ("job", "add"))
"""Here the name alone is enough, or nothing at all: the rest is asked for."""
PAGES = {("suppression", "list"): "suppressions", ("inbox", "list"): "inbox"}
"""Lists that are pages over any view, by the word of their key."""
START = ("start",)
"""What a lost engine's block offers: `engine run` in one word, here in this console."""
DECIDE = ("campaign", "resolve")
"""Without a job: all that is uncertain, one after the other."""
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


RUNS: dict[str, Look] = {
    look.word: look
    for look in LOOKS
    if look.id.startswith("app.") and look.id not in ("app.command", "app.help", "app.back", "app.leave", "app.quit")
}
"""Words of the keys that only look."""
TAKE_NAME = ("app.theme", "app.dump", "app.write", "app.suppressions", "app.inbox")
THEME_NAMES = ("terminal", "dark", "light")
UNDO = ("undo",)
Command = Run | Go | Show | Do | DoMany | Leave | Help


BY_WORDS: dict[tuple[str, ...], Action] = {}
for _action in ACTIONS:
    if _action.twin and _action.words:
        BY_WORDS.setdefault(_action.words, _action)


def _spread(value: str) -> int:
    from engine.planning.durations import parse_spread

    return parse_spread(value)


FOR_MANY = {
    "job.retry": "jobs.retry", "job.cancel": "jobs.cancel", "approval.approve": "approvals.approve",
    "approval.reject": "approvals.reject",
}  # fmt: skip
"""What one job's action is called when a line names several."""
OPTIONS: dict[str, dict[str, Callable[[Any, int], dict[str, Any]]]] = {
    "campaign.start": {"at": lambda value, now: {"at": _time(value, now)}},
    "campaign.retry": {"spread": lambda value, now: {"spread": _spread(value)}},
    "campaign.live": {"off": lambda value, now: {"off": True}},
    "campaign.check": {"connect": lambda value, now: {"connect": True}},
    "campaign.test": {"to": lambda value, now: {"to": value}},
    "step.add": {"at": lambda value, now: {"place": value}},
    "recipients.edit": {"campaign": lambda value, now: {"campaign": value}},
    "recipients.import": {"campaign": lambda value, now: {"campaign": value}},
    "job.retry": {
        "filter": lambda value, now: {"filter": value},
        "spread": lambda value, now: {"spread": _spread(value)},
    },
    "job.cancel": {"filter": lambda value, now: {"filter": value}},
    "approval.approve": {"filter": lambda value, now: {"filter": value}},
    "approval.reject": {
        "filter": lambda value, now: {"filter": value},
        "reason": lambda value, now: {"reason": value},
    },
    "schedule.run": {"anyway": lambda value, now: {"anyway": True}},
    "suppression.add": {
        "reason": lambda value, now: {"reason": value},
        "list": lambda value, now: {"list_name": value},
        "note": lambda value, now: {"note": value},
    },
}
"""Options that mean the same here, by action: what they add to its arguments."""

ONLY_SHELL = ("payload_file", "wait", "file", "name", "skip_bad", "rejects", "go_on")
"""Options of `job add` that a console does not take: it reads no file, and the list of jobs watches."""
TOGETHER = {"queue.tune": "tui.cli.queue_tune", "campaign.tune": "tui.cli.campaign_tune"}
"""Actions whose options are read together, by the module that reads them for the command line (`asked`)."""


def _together(action: Action, context: click.Context) -> dict[str, Any]:
    asked: dict[str, Any] = importlib.import_module(TOGETHER[action.id]).asked(context.params)
    return asked


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
        return Do(action, "", _job(context, now))
    if action.id in TOGETHER:
        return Do(action, str(context.params["name"]), _together(action, context))
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


def _job(context: click.Context, now: int) -> dict[str, Any]:
    """A background job as its options say it."""
    from datetime import UTC

    from tui.cli.job_add import asked

    for parameter in context.command.params:
        name = parameter.name or ""
        if name in ONLY_SHELL and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"{max(parameter.opts, key=len)} is for the command line", hint="paceline job add --help")
    if not context.params["kind"]:
        raise UsageError("which kind?", hint=":job add KIND")
    return {"kind": context.params["kind"], **asked(context.params, UTC, now)}


def offers(line: str, names: Mapping[str, Sequence[str]]) -> list[str]:
    """What a line could become; `names` holds the names of each scope (`campaign`, `queue`)."""
    *done, part = line.split(" ")
    if not done:
        nouns = {path[0] for path in BY_WORDS if len(path) > 1}
        found = sorted(f"{noun} " for noun in nouns) + sorted({*PLACES, *START, *LEAVE, *HELP, *UNDO, *RUNS} - nouns)
    elif done == ["theme"]:
        found = list(THEME_NAMES)
    elif len(done) == 1:
        verbs = {path[1] for path in (*BY_WORDS, *SHOWS) if len(path) > 1 and path[0] == done[0]}
        found = [f"{verb} " if _scope((done[0], verb)) != "engine" else verb for verb in sorted(verbs)]
    elif tuple(done) in (("recipients", "import"), ("recipients", "edit")):
        found = []
    elif done[0] == "recipients" and done[-1] in ("-c", "--campaign"):
        found = [shlex.quote(name) for name in names.get("campaign", ())]
    elif done[:2] == ["job", "add"] and done[-1] == "--set" and len(done) > 3:
        found = _fields(done[2])
    elif verbs := {path[2] for path in BY_WORDS if len(path) == 3 and path[:2] == tuple(done)}:
        found = [f"{verb} " for verb in sorted(verbs)]
    elif tuple(done) in BY_WORDS and len(done) == 3:
        found = [shlex.quote(name) for name in names.get("campaign", ())]
    elif len(done) == 2:
        found = [shlex.quote(name) for name in names.get(_scope((done[0], done[1])), ())]
    else:
        action = BY_WORDS.get((done[0], done[1])) or BY_WORDS.get(tuple(done[:3]))
        found = _options(action) if action else []
    return [" ".join([*done, word]) for word in found if word.startswith(part) and word != part]


def _fields(kind: str) -> list[str]:
    """The fields of a kind's payload."""
    from tui.screens.enqueue import about

    return [f"{one['name']}=" for one in about(kind)[1]]


def _options(action: Action) -> list[str]:
    if action.id == "job.add":
        from tui.cli.job_add import add

        every = [option for option in add.params if isinstance(option, click.Option) and option.expose_value]
        return [max(option.opts, key=len) for option in every if option.name not in ONLY_SHELL]
    if action.id not in TOGETHER:
        return [f"--{option}" for option in OPTIONS.get(action.id, ())]
    command: click.Command = importlib.import_module(TOGETHER[action.id]).tune
    shown = [option for option in command.params if isinstance(option, click.Option) and option.expose_value]
    return [max(option.opts, key=len) for option in shown]


def _scope(path: tuple[str, str]) -> str:
    if path == ("campaign", "resolve"):
        return "campaign"
    return BY_WORDS[path].scope if path in BY_WORDS else SHOWS.get(path, "")
