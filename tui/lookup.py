"""What a key, an id or a line of `:` means: the look-ups over the registry, and the situation they are asked in."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tui.actions import ACTIONS, Action, Row, Target

_BY_SCOPE = {scope: [one for one in ACTIONS if one.scope == scope] for scope in {one.scope for one in ACTIONS}}
KeyOf = Callable[[str], str]
"""The key of an action's id, "" where it has none; in sentences (`Keymap.named`) what asks for it then."""


def own_key(id: str) -> str:
    """The key that the program itself gives an action."""
    return action(id).key


class Situation(NamedTuple):
    """What every action asks about the surroundings. `lost` is why no engine can be asked ("" when one can)."""

    environment: str = "dev"
    production: bool = False
    read_only: bool = False
    lost: str = ""
    engine_paused: bool = False
    undo: str = ""
    """What `z` would undo, "" for nothing."""
    now: int = 0
    named: KeyOf = own_key
    """What a sentence calls the key of an action."""


def meant(wanted: Action, row: Row, situation: Situation) -> Action:
    """The action that a line's words mean for this row: of those that share them the one that is on, else the first."""
    same = [one for one in ACTIONS if one.scope == wanted.scope and one.words == wanted.words and one.words]
    return next((one for one in same if not one.off(row, situation)), wanted)


def job_targets(row: Row) -> list[Target]:
    """A job, and behind it the person whom it is for, where there is one."""
    job = Target("job", row)
    if not row.get("recipient_id") or not row.get("campaign"):
        return [job]
    person = {"id": row["recipient_id"], **{name: row[name] for name in ("address", "campaign", "state")}}
    return [job, Target("person", {**person, "off": row.get("off", "")})]


def action(id: str) -> Action:
    return next(found for found in ACTIONS if found.id == id)


def for_key(
    key: str, targets: list[Target], situation: Situation, key_of: KeyOf = own_key
) -> tuple[Action, Target, str] | None:
    """What a key means here: the first target that has an action on it, and of its actions the one that is on (or
    else the one that answers for them), with why it is off."""
    for target in targets:
        found = [a for a in _BY_SCOPE.get(target.scope, ()) if key_of(a.id) == key]
        if found:
            reasons = [(a, target, a.off(target.row, situation)) for a in found]
            return next((entry for entry in reasons if not entry[2]), None) or next(
                (entry for entry in reasons if entry[0].answers), reasons[0]
            )
    return None


def available(targets: list[Target], situation: Situation, key_of: KeyOf = own_key) -> list[Action]:
    """The actions that are on, in the order of the registry, one a key: what the hints row shows."""
    shown: list[Action] = []
    taken: set[str] = set()
    # Asked for with every frame: an action for something else is none of these keys.
    scopes = {target.scope for target in targets}
    for one in ACTIONS:
        if one.scope not in scopes:
            continue
        key = key_of(one.id)
        found = for_key(key, targets, situation, key_of) if key and key not in taken else None
        if found is not None and found[0] is one and not found[2]:
            shown.append(one)
            taken.add(key)
    return shown
