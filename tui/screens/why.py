"""What an explanation says, in one sentence and as lines: the same words for screens and commands. Pure."""

from __future__ import annotations

from typing import NamedTuple

from tui.actions import Row
from tui.format import ahead, clock
from tui.lookup import KeyOf, action, own_key

THE_OTHERS = "the others"

REACHED = {
    "campaign": ("campaign", "engine"),
    "queue": ("queue", "engine"),
    "job": ("job", "person", "engine"),
}
"""Whose keys work where a thing of this scope is under the cursor."""


def why(answer: Row, now: int, named: KeyOf | None = own_key) -> str:
    """Why a job, a campaign or a queue does not run now, and when it will.

    `answer` is `Explanation.to_dict`. What helps is called by its key as `named` has it, where that key works, else by
    its line of `:`; without `named` by its command.
    """
    held = answer["holding"]
    if held is None:
        at = f" ({clock(answer['said_at'], now, seconds=answer['state'] == 'processing')})" if answer["said_at"] else ""
        return f"{answer['said']}{at}" if answer["said"] else "nothing holds it"
    line = gate_line(held, now, scope_of(answer), named)
    if answer["said"]:
        return f"{answer['said']}; then {line}" if held["opens_at"] is not None else str(answer["said"])
    return line


class Stands(NamedTuple):
    """How one gate stands: in one word (the one that holds has its own), its name, and what there is to tell."""

    word: str
    gate: str
    words: str


def gates(answer: Row, now: int, named: KeyOf | None) -> list[Stands]:
    """Every gate in order, and in one line behind them the several of which there is nothing to tell."""
    scope, held = scope_of(answer), answer["holding"]
    others = [gate["gate"] for gate in answer["gates"] if gate["idle"]]
    told = [
        Stands(_word(gate, held), gate["gate"], gate_line(gate, now, scope, named))
        for gate in answer["gates"]
        if not gate["idle"] or len(others) == 1
    ]
    return [*told, Stands("open", THE_OTHERS, ", ".join(others))] if len(others) > 1 else told


def _word(gate: Row, held: Row | None) -> str:
    return "HOLDS" if gate == held else "open" if gate["open"] else "closed"


def gate_line(gate: Row, now: int, scope: str, named: KeyOf | None) -> str:
    """How one gate stands, since when or until when, what opens it, and why."""
    help, why = _remedy(gate, scope, named), gate["detail"]
    return f"{_text(gate, now)}{f': {help}' if help else ''}{f' ({why})' if why else ''}"


def _text(gate: Row, now: int) -> str:
    since = f" since {clock(gate['since_at'], now)}" if gate["since_at"] else ""
    opens = gate["opens_at"]
    then = f", {gate['then']} {ahead(opens, now)}" if opens is not None else ""
    return f"{gate['words']}{since}{then}"


def _remedy(gate: Row, scope: str, named: KeyOf | None) -> str:
    remedy = str(gate["remedy"])
    if named is None or not remedy:
        return remedy
    if gate["action"] and (found := action(gate["action"])).scope in REACHED[scope]:
        return f"{named(found.id)} {found.title}"
    return remedy.replace("paceline ", ":")


def scope_of(answer: Row) -> str:
    """What an answer is about: job, campaign or queue."""
    return next(scope for scope in REACHED if scope in answer)
