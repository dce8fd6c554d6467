"""What an explanation says, in one sentence and as lines: the same words for screens and commands. Pure."""

from __future__ import annotations

from tui.actions import KeyOf, Row, action, own_key
from tui.format import clock, soon

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
    help = remedy_of(held, scope_of(answer), named)
    return f"{gate_text(held, now)}{f': {help}' if help else ''}"


def gate_text(gate: Row, now: int) -> str:
    """How one gate stands, since when or until when."""
    since = f" since {clock(gate['since_at'], now)}" if gate["since_at"] else ""
    opens = gate["opens_at"]
    then = f", {gate['then']} {clock(opens, now, seconds=True)} ({soon(opens, now)})" if opens is not None else ""
    return f"{gate['words']}{since}{then}"


def remedy_of(gate: Row, scope: str, named: KeyOf | None) -> str:
    """What opens a gate that only a person opens; "" where nothing is known."""
    remedy = str(gate["remedy"])
    if named is None or not remedy:
        return remedy
    if gate["action"] and (found := action(gate["action"])).scope in REACHED[scope]:
        return f"{named(found.id)} {found.title}"
    return remedy.replace("paceline ", ":")


def scope_of(answer: Row) -> str:
    """What an answer is about: job, campaign or queue."""
    return next(scope for scope in REACHED if scope in answer)
