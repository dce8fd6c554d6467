"""How the outcomes of attempts develop, hour by hour. Reads sums per minute, never attempts."""

from __future__ import annotations

from typing import Any

from storage.model import HOUR
from storage.reader import Reader

Row = dict[str, Any]

FRESH = 2
"""Hours that are read again each time; older ones have ended and stay as they are."""


class HourlyOutcomes:
    """Sums per hour for one screen that stays open. A month of minutes is read once, then two hours at a time."""

    def __init__(self) -> None:
        self._ended: dict[int, Row] = {}

    def read(self, reader: Reader, now: int, hours: int) -> list[Row]:
        """The last `hours` hours, oldest first and the present one last, each hour named whether or not something
        happened: `{hour (us), done, sent, failed, duration}`.

        `done` are all attempts that ended, `sent` those that were accepted, `failed` those that were not; `duration`
        is the time (us) from intent to reply of the accepted ones, summed up.
        """
        present = now // HOUR
        first = present - hours + 1
        missing = next((hour for hour in range(first, present + 1) if hour not in self._ended), present)
        self._ended = {hour: row for hour, row in self._ended.items() if hour >= first}
        begin = min(missing, present - FRESH + 1)
        found = {hour: _nothing(hour) for hour in range(begin, present + 1)}
        for row in _by_hour(reader, begin):
            if row["hour"] in found:
                found[row["hour"]] = {**row, "hour": row["hour"] * HOUR, "failed": row["done"] - row["sent"]}
        self._ended |= {hour: row for hour, row in found.items() if hour <= present - FRESH}
        return [found.get(hour) or self._ended[hour] for hour in range(first, present + 1)]


def _by_hour(reader: Reader, since: int) -> list[Row]:
    return reader.rows(
        "SELECT minute / 60 AS hour, SUM(n) AS done, "
        "SUM(CASE WHEN outcome = 'accepted' THEN n ELSE 0 END) AS sent, "
        "SUM(CASE WHEN outcome = 'accepted' THEN duration ELSE 0 END) AS duration "
        "FROM outcome_minutes WHERE minute >= ? GROUP BY minute / 60",
        (since * 60,),
    )


def _nothing(hour: int) -> Row:
    return {"hour": hour * HOUR, "done": 0, "sent": 0, "failed": 0, "duration": 0}
