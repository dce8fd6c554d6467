"""What a line of `:` could become: the words, names and options that tab offers. Pure."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Mapping, Sequence

import click

from tui.actions import Action
from tui.command_options import ONLY_SHELL, OPTIONS, TOGETHER
from tui.command_words import BY_WORDS, HELP, LEAVE, PLACES, RUNS, SHOWS, START, THEME_NAMES, UNDO


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
