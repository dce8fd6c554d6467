"""What the options of a list's command (`job list --state failed -c spring`) are in the filter language of its view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
from click.core import ParameterSource

from storage.errors import UsageError
from storage.filter_terms import quoted

TERMS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "state": lambda value: f"state:{value}",
    "failed": lambda value: "state:failed",
    "unmatched": lambda value: "state:unmatched",
    "kinds": lambda value: f"kind:{','.join(map(quoted, value))}",
    "queue": lambda value: f"queue:{quoted(value)}",
    "campaign": lambda value: f"campaign:{quoted(str(value))}",
    "batch_id": lambda value: f"batch:{value}",
    "error_key": lambda value: f"error:{quoted(value)}",
    "since": lambda value: f"since:{value}",
}
"""Options that say which rows, by the name of their parameter."""


def narrowed(path: Sequence[str], context: click.Context) -> str:
    """The filter that a list's options ask for. Raises UsageError for one that a view has no words for: left out, it
    would show more than was asked for."""
    terms = []
    for parameter in context.command.params:
        name = parameter.name or ""
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        if name not in TERMS:
            option = max(parameter.opts, key=len)
            raise UsageError(f"{option} is for the command line", hint=f"paceline {' '.join(path)} --help")
        terms.append(TERMS[name](context.params[name]))
    return " ".join(term for term in terms if term)
