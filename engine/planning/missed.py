"""What a schedule does about firings that nobody was there for: an engine that was off, a machine that slept.

Pure: the scheduler says when it last looked and what time it is, and gets the times to fire. Microseconds UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.planning.cron import Cron
from storage.errors import UsageError
from storage.model import HOUR, SECOND

TOLERANCE = 60 * SECOND
"""A firing that is later than this is missed; one that is at most so late is on time."""
POLICIES = ("skip", "run_once", "catch_up")
MOST_CAUGHT_UP = 1_000
MOST_COUNTED = 10_000
"""Missed firings are counted up to here, in a tenth of a second: a year of every minute would be half a million."""


@dataclass(frozen=True, slots=True)
class Missed:
    """What becomes of missed firings.

    `skip`: nothing. `run_once`: the latest is made up for, once, when it is at most `grace` (us) late and none is on
    time now, which would do its work anyway. `catch_up`: the newest `most` are made up for, each once. Raises
    UsageError that names the field.
    """

    policy: str = "run_once"
    grace: int = HOUR
    most: int = 10

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise UsageError(f"missed: {self.policy[:40]!r} is no policy", hint=f"Known are {', '.join(POLICIES)}.")
        if self.grace < 0:
            raise UsageError("missed: grace is below zero", hint="Write a duration such as 1h, or 0.")
        if not 1 <= self.most <= MOST_CAUGHT_UP:
            raise UsageError(f"missed: most must be between 1 and {MOST_CAUGHT_UP:,}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done with the firings up to now. Times in microseconds UTC.

    `fire`: the scheduled times to fire now, in order. `missed`: how many firings are given up, at most `MOST_COUNTED`,
    and `more` whether there were even more of them; `missed_first` and `missed_last`: the oldest and the newest of
    them, None without any. `next_at`: when the schedule fires again after now; None: never.
    """

    fire: tuple[int, ...]
    missed: int
    more: bool
    missed_first: int | None
    missed_last: int | None
    next_at: int | None

    @property
    def missed_words(self) -> str:
        """The count for a person: "3", or "10,000+"."""
        return f"{self.missed:,}{'+' if self.more else ''}"


def missed(cron: Cron, last: int, now: int, policy: Missed) -> Verdict:
    """Which firings in (`last`, `now`] are fired now, and which are given up.

    `last` is the newest scheduled time that is dealt with, fired or given up (for a new or newly enabled schedule: when
    it was made so). After the verdict the caller takes the newest of `fire` and `missed_last` as its new `last`. With a
    clock that was set back `now` lies before `last`: then nothing fires, and `next_at` lies after `last`, so that no
    scheduled time comes twice.
    """
    limit = now - TOLERANCE - 1
    on_time = cron.between(max(last, limit), now, MOST_COUNTED)
    made_up: list[int] = []
    if policy.policy == "catch_up":
        made_up = cron.newest(limit, last, policy.most)
    elif policy.policy == "run_once" and not on_time:
        made_up = [at for at in cron.newest(limit, last, 1) if now - at <= policy.grace]
    late = cron.between(last, limit, MOST_COUNTED + len(made_up) + 1)
    given_up = len(late) - len(made_up)
    return Verdict(
        fire=(*made_up, *on_time),
        missed=min(given_up, MOST_COUNTED),
        more=given_up > MOST_COUNTED,
        missed_first=late[0] if given_up else None,
        missed_last=cron.newest(limit, last, len(made_up) + 1)[0] if given_up else None,
        next_at=cron.next_after(max(last, now)),
    )
