"""The priority of a background job from what is known of it: base 5, and what urgency, tier and value add.

Urgency critical +5, high +3, medium 0, low -2; tier vip +3, premium +2, standard 0; value over 10,000 +3, over 5,000
+2, over 1,000 +1; clamped to 1..10, and 10 runs first. The weights are settings.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from engine.tables import Table, whole
from storage.errors import UsageError
from storage.work_terms import HIGHEST, LOWEST

Step = Annotated[int, whole(-10, 10)]


def _known(value: dict[str, int]) -> dict[str, int]:
    if not value:
        raise ValueError("must name at least one")
    return value


class ValueStep(Table):
    """So much is added to the priority of what is worth more than `over`."""

    over: float
    add: Step


class Weights(Table):
    """`[jobs.priority]`: what each word and each value adds to the base."""

    base: Annotated[int, whole(LOWEST, HIGHEST)] = 5
    urgency: Annotated[dict[str, Step], AfterValidator(_known)] = Field(
        default_factory=lambda: {"critical": 5, "high": 3, "medium": 0, "low": -2}
    )
    tier: Annotated[dict[str, Step], AfterValidator(_known)] = Field(
        default_factory=lambda: {"vip": 3, "premium": 2, "standard": 0}
    )
    value: tuple[ValueStep, ...] = (
        ValueStep(over=10_000, add=3),
        ValueStep(over=5_000, add=2),
        ValueStep(over=1_000, add=1),
    )


def priority_of(weights: Weights, *, urgency: str = "", tier: str = "", value: float | None = None) -> int:
    """The priority, 1 to 10; what is not told adds nothing. Raises UsageError for a word without a weight."""
    found = weights.base + _word(weights.urgency, "urgency", urgency) + _word(weights.tier, "tier", tier)
    if value is not None:
        if value != value:
            raise UsageError("value: must be a number")
        steps = sorted(weights.value, key=lambda step: -step.over)
        found += next((step.add for step in steps if value > step.over), 0)
    return max(LOWEST, min(HIGHEST, found))


def _word(weights: dict[str, int], field: str, word: str) -> int:
    if not word:
        return 0
    if word not in weights:
        raise UsageError(f"{field}: there is no {field} {word[:40]!r}", hint=f"there are: {', '.join(weights)}")
    return weights[word]
