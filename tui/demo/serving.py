"""How a server of the demo runs as a program of its own: it says where it listens, and ends when it is told to."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Listening(Protocol):
    """A server that is up."""

    host: str
    port: int


async def serve_until_told(server: AbstractAsyncContextManager[Listening]) -> None:
    """Serve until SIGTERM or SIGINT; the first line of standard output names the place."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with server as up:
        sys.stdout.write(f"listening on {up.host}:{up.port}\n")
        sys.stdout.flush()
        await ended.wait()
