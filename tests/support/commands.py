"""Whether a command line that a page or a key names is one of the program."""

from __future__ import annotations

import click


def check_command(words: list[str]) -> None:
    """Fails where a command or an option of these words (without `paceline`) does not exist."""
    from tui.cli.root import cli

    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(context, name)
        assert found is not None, name
        command = found
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= options
