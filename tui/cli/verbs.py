"""How commands are declared: groups that import a noun's module when it is used, and the options every verb has."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from tui.cli.session import Session

ID = click.IntRange(1, (1 << 63) - 1)
"""An id on the line: what a store cannot hold is refused as usage."""


class Lazy(NamedTuple):
    """A command that is not imported yet: `module:attribute`, and its line in the help."""

    target: str
    help: str


class LazyGroup(click.Group):
    """A group whose commands are imported one by one, when they are named."""

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = self._lazy.get(cmd_name)
        if found is None:
            return None
        module, _, attribute = found.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self._lazy and not name.startswith("-"):
            close = difflib.get_close_matches(name, self._lazy, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(self._lazy)}"
            ctx.fail(f"there is no command '{name[:40]}': {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in self._lazy.items()])


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    session = ctx.find_object(Session)
    if session is not None and param.name and value not in (None, False):
        setattr(session, param.name.removeprefix("at_"), value)


def _places() -> list[click.Option]:
    """The program's own options, taken behind a verb too."""
    path = click.Path(path_type=Path)
    kept: dict[str, Any] = {"callback": _keep, "expose_value": False, "hidden": True}
    return [
        click.Option(["--db", "at_database"], type=path, **kept),
        click.Option(["--config", "at_config_path"], type=path, **kept),
        click.Option(["--read-only", "at_read_only"], is_flag=True, **kept),
    ]


class Verb(click.Command):
    """A command with `--json`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(
                ["--json", "at_json"], is_flag=True, callback=_keep, expose_value=False, help="Print JSON on stdout."
            )
        )
        self.params += _places()


class Change(Verb):
    """A command that changes something: `--yes` answers its question beforehand."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(
                ["--yes", "-y", "at_yes"],
                is_flag=True,
                callback=_keep,
                expose_value=False,
                help="Answer the question with yes.",
            )
        )
