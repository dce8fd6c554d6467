"""The one source of time. Everything that waits or stamps takes a Clock; nothing calls `time` itself."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from storage.model import SECOND


class Clock(Protocol):
    """Wall time in integer microseconds UTC, a monotonic reading for durations, and a cancellable sleep."""

    def now(self) -> int: ...

    def monotonic(self) -> int: ...

    async def sleep(self, duration: int) -> None: ...

    async def wait(self, event: asyncio.Event, timeout: int | None) -> bool:
        """Wait for `event` at most `timeout` microseconds (None: for ever); true when it was set."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        return time.time_ns() // 1_000

    def monotonic(self) -> int:
        return time.monotonic_ns() // 1_000

    async def sleep(self, duration: int) -> None:
        await asyncio.sleep(max(0, duration) / SECOND)

    async def wait(self, event: asyncio.Event, timeout: int | None) -> bool:
        if event.is_set():
            return True
        if timeout is None:
            await event.wait()
            return True
        if timeout <= 0:
            return False
        try:
            async with asyncio.timeout(timeout / SECOND):
                await event.wait()
        except TimeoutError:
            return False
        return True
