"""How long the messages of a campaign take, in one line: each account by its own limits, each person by their hours.

An estimate reckons with bounds and knows neither other campaigns nor what the caps have used: that is the forecast's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.planning.limits import Limits
from engine.planning.opening import of_person
from engine.planning.own_hours import OwnHours, joint_spans
from engine.planning.pacing import Estimate, Pacing, estimate
from engine.planning.windows import Window
from storage.nouns import Campaign

MOST_READ = 1_000
"""Different texts of fields that are remembered."""


class Share:
    """The messages of a campaign that go through one account with these limits and through these `windows` (as
    `plans.windows_of` has them), in the order of their plan: how many there are, and whose hours each keeps where a
    window asks."""

    def __init__(self, windows: Sequence[Window], limits: Limits) -> None:
        self.limits = limits
        self.n = 0
        self._windows = windows
        self._asked = sorted({window.recipient_zone for window in windows if window.recipient_zone})
        self._order: list[str] = []
        self._known: dict[str, str] = {}
        self._read: dict[str, str] = {}
        """Whose hours the texts of fields name that came before: of a few fields only there are few."""

    @property
    def asks(self) -> bool:
        """Whether a window depends on the person, so that `add` must be told who it is."""
        return bool(self._asked)

    def add(self, fields: str | Mapping[str, Any] = "{}", n: int = 1) -> None:
        """`n` messages more, to a person with these fields (a mapping, or its JSON text)."""
        self.n += n
        if self._asked:
            self._order += [self._whose(fields)] * n

    def add_all(self, people: Sequence[str]) -> None:
        """A message to each of these people, by their fields (JSON text)."""
        self.n += len(people)
        if self._asked:
            read = self._read
            self._order += [read.get(fields) or self._whose(fields) for fields in people]

    def _whose(self, fields: str | Mapping[str, Any]) -> str:
        person = json.loads(fields) if isinstance(fields, str) else fields
        text = json.dumps({name: person.get(name) for name in self._asked})
        whose = self._known.setdefault(text, text)
        if isinstance(fields, str) and len(self._read) < MOST_READ:
            self._read[fields] = whose
        return whose

    @property
    def own(self) -> OwnHours | None:
        """The hours that hold beside those of the plan; None where there are none. A minimum gap runs on while a window
        is closed, where the gaps of a plan stand still."""
        if len(self._windows) < 2 and not self._asked and not (self._windows and self.limits.min_gap):
            return None
        return OwnHours(
            self._order or ("{}",) * self.n,
            lambda fields: joint_spans([of_person(window, fields) for window in self._windows]),
        )

    def estimate(self, campaign: Campaign, pacing: Pacing, start: int, whose: str = "") -> Estimate:
        """When they are through from `start` (us) on, within what campaign and account allow. `whose` as
        `planning.pacing.estimate` takes it, whose errors these are."""
        limits, window = self.limits, self._windows[0] if self._windows else None
        return estimate(
            pacing,
            self.n,
            start=start,
            seed=campaign.seed,
            concurrency=min(campaign.concurrency, limits.concurrency),
            least=limits.least_time(self.n, start=start, window=window),
            window=window,
            spread=limits.cap_a_day if pacing.spread else 0,
            own=self.own,
            min_gap=limits.min_gap,
            whose=whose,
        )


def estimated(campaign: Campaign, pacing: Pacing, shares: Iterable[Share], start: int) -> Estimate:
    """When all shares are through, which the accounts send side by side from `start` (us) on: the slowest says. Raises
    UsageError for a window that does not open."""
    used = [share for share in shares if share.n]
    if len(used) < 2:
        return used[0].estimate(campaign, pacing, start) if used else estimate(pacing, 0, start=start, seed=0)
    whose = f"{sum(share.n for share in used)} through {len(used)} accounts"
    found = [share.estimate(campaign, pacing, start, whose) for share in used]
    return max(found, key=lambda one: one.last_high)._replace(first=min(one.first for one in found))
