"""Faults for the demo relay: what a broken or hostile server does, at one phase, for one recipient or turn.

    Relay(Rules(), ledger=Ledger(), hook=Faults(Fault("rcpt", reply("550 5.1.1 no"),
    recipient="ada@example.org")))

Phases are those of `tui.demo.transaction.Hook`. A fault's action gets the transaction and the relay's own reply and
returns the bytes to send in its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tui.demo.transaction import Hangup, Transaction

Action = Callable[[Transaction, bytes], Awaitable[bytes]]


@dataclass(slots=True)
class Fault:
    """Do `action` at `phase`, for `recipient` only ("": any), at the `turn`-th time it comes by (1: the
    first; 0: every time), at most `times` times (0: no limit)."""

    phase: str
    action: Action
    recipient: str = ""
    turn: int = 0
    times: int = 0
    seen: int = 0
    done: int = 0

    def due(self, phase: str, transaction: Transaction) -> bool:
        if phase != self.phase or (self.recipient and self.recipient not in transaction.recipients):
            return False
        self.seen += 1
        if (self.turn and self.seen != self.turn) or (self.times and self.done >= self.times):
            return False
        self.done += 1
        return True


class Faults:
    """A hook that plays `faults` and keeps every phase it saw and, from phase `dot`, the contents.

    `reached(phase)` lets a test wait for the relay instead of sleeping.
    """

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        self.phases: list[str] = []
        self.contents: list[bytes] = []
        self._waiting: dict[str, asyncio.Event] = {}

    async def __call__(self, phase: str, transaction: Transaction, reply: bytes) -> bytes:
        self.phases.append(phase)
        if phase == "dot":
            self.contents.append(transaction.content)
        self._waiting.setdefault(phase, asyncio.Event()).set()
        for fault in self.faults:
            if fault.due(phase, transaction):
                reply = await fault.action(transaction, reply)
        return reply

    async def reached(self, phase: str) -> None:
        await self._waiting.setdefault(phase, asyncio.Event()).wait()


def close() -> Action:
    """Cut the connection without a word."""

    async def act(transaction: Transaction, reply: bytes) -> bytes:
        raise Hangup

    return act


def silent() -> Action:
    """Say nothing, and go on reading."""

    async def act(transaction: Transaction, reply: bytes) -> bytes:
        return b""

    return act


def reply(text: str) -> Action:
    """Answer `text` (lines split by a newline) in place of the relay's own reply; a 421 closes."""

    async def act(transaction: Transaction, reply: bytes) -> bytes:
        return text.encode().replace(b"\n", b"\r\n") + b"\r\n"

    return act


def raw(data: bytes) -> Action:
    """Send exactly `data`: garbage, escape sequences, half a line."""

    async def act(transaction: Transaction, reply: bytes) -> bytes:
        return data

    return act


def extra(text: str) -> Action:
    """The relay's own reply and a second one in the same segment."""

    async def act(transaction: Transaction, reply: bytes) -> bytes:
        return reply + text.encode() + b"\r\n"

    return act


def late_extra(text: str, when: asyncio.Event) -> Action:
    """The relay's own reply, and a second one of its own once `when` is set."""

    async def act(transaction: Transaction, reply: bytes) -> bytes:
        await transaction.send(reply)
        await when.wait()
        return text.encode() + b"\r\n"

    return act


def endless(line: bytes) -> Action:
    """Send `line` for as long as anybody reads it."""

    async def act(transaction: Transaction, reply: bytes) -> bytes:
        while True:
            await transaction.send(line * 100)

    return act


def drip(data: bytes, pause: float) -> Action:
    """Send `data` for ever, one byte every `pause` seconds."""

    async def act(transaction: Transaction, reply: bytes) -> bytes:
        while True:
            for position in range(len(data)):
                await transaction.send(data[position : position + 1])
                await asyncio.sleep(pause)

    return act
