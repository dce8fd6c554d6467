"""Two threads that both must be prompt in one interpreter: the engine's, and the screen's beside it.

Measured with 50 messages a second and 300 resizes in 6 s at 200x50, on a machine that others used as well: the longest
time without a message was 280 and 310 ms as Python does by itself, 115 and 112 ms with the shorter turns, 89 and 119 ms
with the frozen collector too.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TURN = 0.0005
"""Seconds after which a thread that computes lets another one go on. A message passes the interpreter between its
threads several times, and at every one waits for a whole turn (5 ms by itself) while the screen is laid out."""


@contextmanager
def shared_interpreter() -> Iterator[None]:
    """Short turns for each thread. What was made before is left out of garbage collection: to look through all of it
    holds every thread up, for 126 ms on that machine."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    gc.freeze()
    try:
        yield
    finally:
        sys.setswitchinterval(before)
        gc.unfreeze()
