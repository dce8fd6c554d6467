"""`[alarms]` of the configuration, and `[accounts.NAME.alarms]` over it, key by key."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from engine.alarm_rules import AlarmRules
from engine.tables import Table, duration, whole
from storage.model import DAY, HOUR

Share = Annotated[float, Field(gt=0, le=1, strict=True, allow_inf_nan=False)]
Figure = Annotated[int, whole(1, 1_000_000)]


class AlarmsTable(Table):
    """From when on the engine stops, slows down or tells by itself: as `AlarmRules`, whose figures are the defaults.
    Shares of 1, times in microseconds."""

    bounce_share: Share = 0.05
    bounce_least: Figure = 100
    complaint_share: Share = 0.001
    complaint_least: Figure = 1_000
    complaints: Figure = 3
    unknown_in_a_row: Annotated[int, whole(2, 1_000)] = 10
    content_errors: Annotated[int, whole(1, 1_000)] = 3
    transient_share: Share = 0.25
    transient_of: Annotated[int, whole(10, 1_000)] = 50
    behind: Annotated[int, duration("1m", "30d")] = HOUR
    period: Annotated[int, duration("1h", "90d")] = 7 * DAY

    def rules(self) -> AlarmRules:
        """The thresholds as the engine asks them."""
        return AlarmRules(**self.model_dump())
