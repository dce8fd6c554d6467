"""What an account cannot send goes through another of its campaign: the figures of that rule, and the rule in the mind.

`engine.overflow` does it with jobs of the store; `engine.planning.network` with those of a simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.planning.lanes import Waiting
from storage.model import MINUTE

PATIENCE = 5 * MINUTE
"""An account that can send again within this time keeps its messages."""
MOST = 500
"""Messages that move between two accounts in one look."""

Plan = Callable[[int, Sequence[Waiting], int, int, int], Iterable[Waiting]]
"""Jobs as another queue (its id) plans them behind what it has: from a time on, none at or after another (us), as
decided at a third."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """How one campaign shares its accounts. `siblings`: by queue the others of its channel; `steps`: whose messages may
    move, those of people who were not yet written to through that channel."""

    siblings: Mapping[int, Sequence[int]]
    steps: frozenset[int]
    plan: Plan
