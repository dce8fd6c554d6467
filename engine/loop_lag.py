"""How late the engine's event loop wakes: whatever keeps it busy for long also keeps the next send waiting."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

EVERY = 0.25
"""Seconds between two samples: four wake-ups a second cost an idle engine 0.01 % of a core."""
KEPT = 240
"""Samples that are looked at: the last minute."""


class LoopLag:
    """Samples one running loop. Real time on purpose, not the engine's clock: it is the machine that is measured."""

    def __init__(self) -> None:
        self._samples: deque[int] = deque(maxlen=KEPT)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, in the running loop."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(EVERY, self._woken, loop, loop.time() + EVERY)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _woken(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self.add(round((loop.time() - due) * 1_000_000))
        self.start()

    def add(self, late: int) -> None:
        """Note one sample, in microseconds."""
        self._samples.append(max(0, late))

    def read(self) -> dict[str, Any]:
        """`{n, p50, p95, longest}` of the last minute in microseconds; None where nothing is measured yet."""
        late = sorted(self._samples)
        if not late:
            return {"n": 0, "p50": None, "p95": None, "longest": None}
        last = len(late) - 1
        return {"n": len(late), "p50": late[last * 50 // 100], "p95": late[last * 95 // 100], "longest": late[-1]}
