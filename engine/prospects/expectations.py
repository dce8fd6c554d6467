"""What a run usually brings: a run outside its ranges is worth a look, although nothing failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from engine.tables import Table


def _range(value: object) -> Any:
    """Two whole numbers, the lower one first."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("must be two numbers, such as [50, 150]")
    low, high = value
    if not all(isinstance(end, int) and not isinstance(end, bool) for end in (low, high)) or not 0 <= low <= high:
        raise ValueError("must be two whole numbers from 0 on, the lower one first")
    return (low, high)


Range = Annotated[tuple[int, int], BeforeValidator(_range)]


class Expectations(Table):
    """The range, both ends included, of each counter of a run that is watched; None for one that is not."""

    discovered: Range | None = None
    scored: Range | None = None
    queued: Range | None = None

    def missed(self, counts: Mapping[str, int]) -> tuple[str, ...]:
        """A sentence for each counter outside its range; one that `counts` does not have is 0."""
        told = []
        for name in type(self).model_fields:
            expected: tuple[int, int] | None = getattr(self, name)
            if expected is not None and not expected[0] <= counts.get(name, 0) <= expected[1]:
                told.append(f"{counts.get(name, 0):,} {name}, where {expected[0]:,} to {expected[1]:,} are expected")
        return tuple(told)
