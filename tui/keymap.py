"""`keys.toml`: which key asks for what. Pure but for the one read.

    campaign.pause = "K"                # another key
    move.down = ["j", "down", "^n"]     # several, for what only looks
    view.last = ""                      # none

Every action and every look has an id (`paceline keys` lists them). A file with a mistake changes nothing at all: a half
of a map would put a key where its owner does not expect it.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from tui.actions import ACTIONS, Action
from tui.keynames import read_key, shown_key
from tui.looks import LOOKS, Look

FILE = "keys.toml"
LARGEST = 1 << 16
"""Bytes beyond which a file is no map of keys."""
UNBOUND = "unbound"
"""A key that no terminal sends: the toolkit takes an empty name for "as it was"."""

KEPT: Mapping[str, str] = {
    "tilde": "ssh takes ~ at the beginning of a line",
    "ctrl+a": "screen takes it", "ctrl+s": "some lines stop the output on it",
    "ctrl+q": "some lines take it for flow control", "ctrl+z": "it would stop an engine in this process",
    "ctrl+i": "terminals send it for tab", "ctrl+m": "terminals send it for enter", "ctrl+j": "it is a line's end",
    "ctrl+h": "terminals send it for backspace", "ctrl+c": "it cancels a prompt or asks to quit",
}  # fmt: skip
"""Keys that terminals, or the lines to them, keep for themselves."""
QUIT = "app.quit"
NEEDED = (QUIT, "app.command", "app.back")
"""What must stay reachable: with `:` everything else is."""


def defaults() -> dict[str, tuple[str, ...]]:
    """Every id with the keys that the program gives it, by the toolkit's names."""
    actions = {action.id: (read_key(action.key),) if action.key else () for action in ACTIONS}
    return actions | {look.id: look.keys for look in LOOKS}


@dataclass(frozen=True, slots=True)
class Keymap:
    """What is bound to what. `changed` holds the ids that a file names; without any the program's own keys count."""

    keys: Mapping[str, tuple[str, ...]] = field(default_factory=defaults)
    changed: frozenset[str] = frozenset()

    def key(self, id: str) -> str:
        """The first key of an id, as the toolkit names it; "" where it has none."""
        return next(iter(self.keys.get(id, ())), "")

    def shown(self, id: str) -> str:
        """All keys of an id, as an operator reads them."""
        return " ".join(shown_key(key) for key in self.keys.get(id, ()))

    def named(self, id: str) -> str:
        """What a sentence calls the way to an id: its first key, else its word at `:`, else its title."""
        key = self.key(id)
        return shown_key(key) if key else _word_of(id) or title_of(id)

    def for_toolkit(self) -> dict[str, str]:
        """Every id with its keys, as `App.set_keymap` takes them; {} where nothing is changed.

        All of them, because ids that share a key lose it when only one of them is named.
        """
        if not self.changed:
            return {}
        return {id: ",".join(keys) or UNBOUND for id, keys in self.keys.items()}


def keys_path(config: Path) -> Path:
    """Where the map of a configuration stands: beside it."""
    return config.with_name(FILE)


def load_keymap(path: Path) -> tuple[Keymap, tuple[str, ...]]:
    """The map of a file, and what is wrong with the file: sentences, with which the program's own keys stay.

    A file that is not there is no mistake.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        return Keymap(), ()
    except OSError as error:
        return Keymap(), (f"{path} cannot be read: {(error.strerror or 'unknown reason').lower()}",)
    try:
        if len(data) > LARGEST:
            raise ValueError(f"is larger than {LARGEST >> 10} KB")
        tree = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return Keymap(), (f"{path}: the file is not UTF-8 text",)
    except (ValueError, RecursionError) as error:
        return Keymap(), (f"{path}: not TOML: {error}",)
    keymap, wrong = changed_by(tree)
    return keymap, tuple(f"{path}: {sentence}" for sentence in wrong)


def changed_by(tree: Mapping[str, Any]) -> tuple[Keymap, tuple[str, ...]]:
    """The program's own keys with those of a file's tables over them, or everything that is wrong with these."""
    own = defaults()
    found: dict[str, tuple[str, ...]] = {}
    wrong: list[str] = []
    for id, value in _flat(tree):
        if id not in own:
            near = difflib.get_close_matches(id, own, n=1)
            wrong.append(f"{id}: there is nothing of this id{f': did you mean {near[0]}?' if near else ''}")
            continue
        keys, mistakes = _read(id, value)
        found[id] = keys
        wrong += mistakes
    merged = own | found
    wrong += [f"{id}: it needs a key, or there is no way to it" for id in NEEDED if not merged[id]]
    wrong += _conflicts(merged, own)
    return (Keymap(), tuple(wrong)) if wrong else (Keymap(merged, frozenset(found)), ())


def _flat(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Ids may stand in quotes, dotted, or in tables: they mean the same."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _read(id: str, value: Any) -> tuple[tuple[str, ...], list[str]]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return (), [f'{id}: a key stands in quotes ("x"), several in a list (["x", "f5"]), none is ""']
    keys = [(text, read_key(text)) for text in texts if text]
    wrong = [f"{id}: '{text[:20]}' is no key that every terminal sends" for text, key in keys if not key]
    found = tuple(dict.fromkeys(key for _, key in keys if key))
    wrong += [f"{id}: {shown_key(key)} cannot be taken: {why}" for key in found if (why := _kept(id, key))]
    if id in _ACTIONS and len(found) > 1:
        wrong.append(f"{id}: what changes something has one key")
    return found, wrong


def _kept(id: str, key: str) -> str:
    """Why this key is not for this id; "" when it is."""
    if id == QUIT and key in ("ctrl+q", "ctrl+c"):
        return ""
    if key in KEPT:
        return KEPT[key]
    return "no ctrl key changes data" if id in _ACTIONS and key.startswith("ctrl+") else ""


def _conflicts(keys: Mapping[str, tuple[str, ...]], own: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [
        f"{shown_key(key)} is for {one} and for {other}: give one of them another key"
        for one, other in combinations(keys, 2)
        for key in keys[one]
        if key in keys[other] and not _may_share(one, other, key, own)
    ]


def _may_share(one: str, other: str, key: str, own: Mapping[str, tuple[str, ...]]) -> bool:
    """Actions for different things may share a key, as pausing a campaign and a queue do; the row tells them apart."""
    if key in own[one] and key in own[other]:
        return True
    first, second = _ACTIONS.get(one), _ACTIONS.get(other)
    if first is None or second is None or first.scope == second.scope:
        return False
    return "engine" not in (first.scope, second.scope)


_ACTIONS: dict[str, Action] = {action.id: action for action in ACTIONS}
_LOOKS: dict[str, Look] = {look.id: look for look in LOOKS}


def _word_of(id: str) -> str:
    """What asks for this id at `:`, with the colon; "" where only a key does."""
    if id in _ACTIONS:
        return f":{' '.join(_ACTIONS[id].words)}" if _ACTIONS[id].words else ""
    look = _LOOKS[id]
    return f":{look.word}" if look.asked else ""


def title_of(id: str) -> str:
    """What an id does, in the words of the hints row."""
    found: Action | Look = _ACTIONS[id] if id in _ACTIONS else _LOOKS[id]
    return found.title
