"""When the next step of a sequence is due, and the gap that its message keeps. Pure; the same whoever asks: the engine
when a message is over, a forecast before it has begun."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from engine.planning.opening import NEVER, of_person, opens
from engine.planning.pacing import Pacing, plan
from engine.planning.waits import Wait
from engine.planning.windows import Window


def due_after(began: int, wait: Wait, windows: Sequence[Window], *, zone: str, fields: str) -> int:
    """When a step is due whose wait began at `began` (us): at its end, or as soon as all windows are open then for a
    person with these fields (JSON text). Business days are those of the first window, without one of `zone`."""
    window = windows[0] if windows else None
    due = wait.end(began, zone=window.zone if window else zone, holidays=window.holidays if window else ())
    if windows and (opening := opens([of_person(one, fields) for one in windows], due)) < NEVER:
        return opening
    return due


def gap_of(pacing: Pacing, seed: int, person: int, step: int) -> int:
    """The gap (us) that a person's message of a step keeps from the start before it, by its pacing; the same however
    often it is asked. A round of a `blast` needs none: what was sent side by side is due side by side again."""
    if pacing.mode == "blast":
        return 0
    rng = random.Random(seed ^ person ^ step << 32)  # noqa: S311 - a plan must repeat
    pacing = replace(pacing, spread=False) if pacing.spread else pacing
    return next(plan(pacing, 1, start=0, seed=rng.getrandbits(32))).gap
