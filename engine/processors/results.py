"""What several kinds say at their end."""

from __future__ import annotations

from dataclasses import replace

from engine.processors.processor import Done, Empty, Outcome

NAMED = 20
"""So many of what was left out are named in a result."""


def with_unknown(outcome: Outcome, unknown: dict[str, str]) -> Outcome:
    """An outcome that also tells of those who could not be looked up, by id; it is flagged then."""
    if not unknown or not isinstance(outcome, Done | Empty):
        return outcome
    named = dict(list(unknown.items())[:NAMED])
    result = {**outcome.result, "unknown": len(unknown), "unknown_ids": named}
    if isinstance(outcome, Empty):
        return replace(outcome, result=result)
    words = f"{len(unknown):,} could not be looked up: {next(iter(named.values()))}"
    return replace(outcome, result=result, flag=f"{words}; {outcome.flag}" if outcome.flag else words)
