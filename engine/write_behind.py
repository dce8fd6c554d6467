"""Writing one slice of a plan while the next one is planned."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class WriteBehind:
    """At most one write is under way. What it raises is raised by the next `begin`, or by `done`."""

    def __init__(self) -> None:
        self._task: asyncio.Future[None] | None = None

    async def begin(self, writing: Coroutine[Any, Any, None]) -> None:
        """Begin to write, once the write before has ended. What is asked of the store from now on comes after it, what
        takes the plan back among it."""
        try:
            await self.done()
        except BaseException:
            writing.close()
            raise
        self._task = asyncio.ensure_future(writing)
        await asyncio.sleep(0)

    async def done(self) -> None:
        """Wait until all is written."""
        task, self._task = self._task, None
        if task is not None:
            await task
