"""`paceline keys`: every binding's id, its keys and what it does; what `keys.toml` changes."""

from __future__ import annotations

import json

import click

from storage.errors import UsageError
from tui.cli.output import emit, out, table
from tui.cli.session import Session
from tui.cli.verbs import Verb
from tui.keymap import Keymap, defaults, keys_path, load_keymap, title_of


@click.command("keys", cls=Verb)
@click.option("--example", is_flag=True, help="Print a keys.toml with every id as it stands now, each as a comment.")
@click.pass_obj
def keys(session: Session, example: bool) -> None:
    """List what can be bound: id, keys, title. keys.toml beside the configuration changes them.

    Exit 2 when that file has a mistake: nothing of it counts then.
    """
    path = keys_path(session.config_file)
    keymap, wrong = load_keymap(path)
    if wrong:
        raise UsageError("\n".join(wrong), hint="nothing of it counts until that is put right")
    if example:
        out(_example(keymap))
    elif session.json:
        emit(
            {
                "success": True,
                "file": str(path),
                "keys": [
                    {"id": id, "keys": list(keymap.keys[id]), "title": title_of(id), "changed": id in keymap.changed}
                    for id in keymap.keys
                ],
            }
        )
    else:
        rows = [
            (id, keymap.shown(id) or "none", title_of(id), "*" if id in keymap.changed else "") for id in keymap.keys
        ]
        table(("ID", "KEYS", "DOES", "CHANGED"), rows)


def _example(keymap: Keymap) -> str:
    """Lines that stand in a file as they are, and change something once their # is gone."""
    own = defaults()
    lines = ['# Take away a "#" and change the key. Several keys stand in a list, none is "".']
    for id in own:
        shown = [json.dumps(key) for key in keymap.shown(id).split()]
        value = shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]" if shown else '""'
        lines.append(f"{'' if id in keymap.changed else '# '}{id} = {value:<24} # {title_of(id)}")
    return "\n".join(lines)
