"""Whether queue, campaign and person may be written to at one moment, and when they may: three windows at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from storage.model import DAY

if TYPE_CHECKING:
    from engine.planning.windows import Window

NEVER = 1 << 60
"""A window that opens at no time within the next year: nothing begins, and `explain` says so."""
AGAIN = DAY
"""How long (us) a message waits whose windows never open: then a queue that runs looks anew, for hours and zones may be
mended meanwhile."""
LOOKS = 64
"""Windows looked at in turn before giving up on a moment at which all are open."""


@lru_cache(maxsize=256)
def parsed(hours: str) -> Window:
    """A campaign's window from its JSON text. Raises UsageError."""
    from engine.planning.windows import Window  # most campaigns have none

    return Window.from_dict(json.loads(hours))


def of_person(window: Window, fields: str) -> Window:
    """The window as it holds for a person with these fields (JSON text of an object)."""
    if not window.recipient_zone:
        return window
    zone = json.loads(fields).get(window.recipient_zone)
    return window.for_zone(zone.strip()) if isinstance(zone, str) else window


def opens(windows: list[Window], at: int) -> int:
    """The first time, `at` (us) or later, at which all windows are open; `NEVER` when there is none."""
    if len(windows) == 1:
        opening = windows[0].next_open(at)
        return NEVER if opening is None else opening
    moment = at
    for _ in range(LOOKS):
        latest = moment
        for window in windows:
            opening = window.next_open(latest)
            if opening is None:
                return NEVER
            latest = max(latest, opening)
        if latest == moment:
            return moment
        moment = latest
    return NEVER


def opener(windows: list[Window]) -> Callable[[int], int | None]:
    """`opens` of these windows, made once for many questions; its answer is None when there is no such time."""
    if len(windows) == 1:
        return windows[0].opener

    def opening(at: int) -> int | None:
        found = opens(windows, at)
        return None if found >= NEVER else found

    return opening


class Openings:
    """The windows of one queue and its campaigns. `queue`: the queue's own; None for always."""

    def __init__(self, queue: Window | None) -> None:
        self._queue = queue
        self.own_zones = queue is not None and bool(queue.recipient_zone)
        """The queue's hours are those of each person's own clock: only with the person's fields there is an answer."""
        self._open = (0, 0)
        """The span in which the queue's own window was last seen open."""

    def of_queue(self, now: int) -> int:
        """0 while the queue's window is open, or each person has an own one; else when it opens."""
        if self._queue is None or self.own_zones or self._open[0] <= now < self._open[1]:
            return 0
        span = self._queue.span(now)
        if span is None:
            return NEVER
        if span[0] <= now:
            self._open = span
            return 0
        return span[0]

    def of(self, hours: str, fields: str | None, now: int) -> int:
        """0 while this campaign (and this person, with `fields`) may be written to, else when: the queue's window and
        theirs together."""
        if not hours and not self.own_zones:
            return self.of_queue(now)
        found = [self._queue] if self._queue is not None else []
        found += [parsed(hours)] if hours else []
        if fields is None:
            # Where each person has an own window it is asked again with the fields.
            found = [window for window in found if not window.recipient_zone]
        else:
            found = [of_person(window, fields) for window in found]
        if all(window.is_open(now) for window in found):
            return 0
        moment = opens(found, now)
        return 0 if moment <= now else moment

    def of_running(self, hours: str, fields: str | None, now: int) -> int:
        """`of` where a due time is made of it: of windows that never open it is the time to look anew."""
        moment = self.of(hours, fields, now)
        return moment if moment < NEVER else now + AGAIN
