"""What the options of a command mean behind `:`: which are taken here, and what they add to an action's arguments."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from storage.errors import UsageError
from tui.actions import Action


def _spread(value: str) -> int:
    from engine.planning.durations import parse_spread

    return parse_spread(value)


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


def together(action: Action, context: click.Context) -> dict[str, Any]:
    """The arguments of an action of `TOGETHER`, by the command line's own reading. Raises UsageError."""
    asked: dict[str, Any] = importlib.import_module(TOGETHER[action.id]).asked(context.params)
    return asked


def _time(value: str, now: int) -> int:
    from datetime import UTC

    from tui.cli.times import parse_time

    return parse_time(value, UTC, now=now)


def background_job(context: click.Context, now: int) -> dict[str, Any]:
    """A background job as its options say it. Raises UsageError."""
    from datetime import UTC

    from tui.cli.job_add import asked

    for parameter in context.command.params:
        name = parameter.name or ""
        if name in ONLY_SHELL and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"{max(parameter.opts, key=len)} is for the command line", hint="paceline job add --help")
    if not context.params["kind"]:
        raise UsageError("which kind?", hint=":job add KIND")
    return {"kind": context.params["kind"], **asked(context.params, UTC, now)}
