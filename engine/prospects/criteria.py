"""The ideal customer: which industries, sizes and regions count, how much each, and from which score on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from engine.account_base import Text
from engine.prospects.prospect import LARGEST
from engine.tables import Table, whole

Points = Annotated[int, whole(0, 100)]
Employees = Annotated[int, whole(0, LARGEST)]
Names = Annotated[tuple[Annotated[Text, Field(min_length=1, max_length=200)], ...], Field(max_length=500)]


class Weights(Table):
    """Points for each criterion that a prospect meets, 100 together: so a score needs no second scale."""

    industry: Points = 40
    size: Points = 30
    region: Points = 30

    @model_validator(mode="after")
    def _a_hundred_together(self) -> Weights:
        if self.industry + self.size + self.region != 100:
            raise ValueError("the weights must add up to 100")
        return self


class Criteria(Table):
    """What is looked for. An empty list of industries or regions asks for nothing, and gives everybody its points.

    `min_size` and `max_size` are employees, both included (`max_size` None: no upper end). From `min_score` on a
    prospect fits, from `high_score` on it is of high priority, and only those are written to.
    """

    industries: Names = ()
    min_size: Employees = 0
    max_size: Employees | None = None
    regions: Names = ()
    weights: Weights = Weights()
    min_score: Points = 50
    high_score: Points = 80

    @model_validator(mode="after")
    def _in_order(self) -> Criteria:
        if self.max_size is not None and self.max_size < self.min_size:
            raise ValueError("max_size must not be below min_size")
        if self.high_score < self.min_score:
            raise ValueError("high_score must not be below min_score")
        return self

    @property
    def asks_for_size(self) -> bool:
        return self.min_size > 0 or self.max_size is not None
