"""The open connections of one queue: reused, replaced when spent, never left idle until the server drops them."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

from engine.channels.channel import Channel, ChannelError, Message, Session
from engine.classify import route_failure, uncertain
from engine.clock import Clock
from engine.outcomes import Outcome
from engine.retry import connect_wait
from storage.model import SECOND, OutcomeClass

log = logging.getLogger("paceline.sessions")

IDLE_LIMIT = 20 * SECOND
"""A session unused for longer is closed and opened anew: servers drop idle clients after 30 s and more, and a cut
found only at MAIL would look like trouble."""

CONNECT_ATTEMPTS = 3
"""Tries before the queue cools: a handful of connects in the first ten seconds of an outage, not hundreds."""


class GuardedSession:
    """A channel's session whose mistakes are outcomes: what it raises is said in the words of the phase it broke in,
    and it is never used again."""

    def __init__(self, inner: Session) -> None:
        self._inner = inner
        self._broken = False

    @property
    def usable(self) -> bool:
        return not self._broken and self._inner.usable

    async def prepare(self, message: Message, *, begun: bool = False) -> Outcome | None:
        try:
            return await self._inner.prepare(message, begun=begun)
        except Exception as error:
            # Nothing of the content was handed over: safe to repeat.
            return route_failure(self._mistake("offering", error), phase="rcpt")

    async def deliver(self, message: Message) -> Outcome:
        try:
            return await self._inner.deliver(message)
        except Exception as error:
            # What left is not known, and that is what must be said.
            return uncertain(self._mistake("sending", error))

    async def abandon(self) -> None:
        try:
            await self._inner.abandon()
        except Exception as error:
            self._mistake("giving up", error)

    async def close(self) -> None:
        try:
            await self._inner.close()
        except Exception as error:
            self._mistake("closing", error)

    def _mistake(self, doing: str, error: Exception) -> str:
        self._broken = True
        log.exception("a session failed while %s", doing)
        return _words(doing, error)


def _words(doing: str, error: Exception) -> str:
    return f"internal error while {doing}: {type(error).__name__}"


@dataclass(slots=True)
class _Idle:
    session: Session
    since: int


class SessionPool:
    """Sessions of one account. `take` gives one to one message; `give_back` returns it."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self._idle: list[_Idle] = []
        self.open = 0

    async def take(self) -> Session:
        """An idle session that is still fresh, or a new one. Raises ChannelError."""
        while self._idle:
            idle = self._idle.pop()
            if idle.session.usable and self._clock.monotonic() - idle.since < IDLE_LIMIT:
                return idle.session
            await self._close(idle.session)
        try:
            session = GuardedSession(await self._channel.open())
        except ChannelError:
            raise
        except Exception as error:
            log.exception("a session could not be opened")
            raise ChannelError(route_failure(_words("connecting", error), phase="connect")) from error
        self.open += 1
        return session

    @property
    def ready(self) -> int:
        """How many idle sessions are fresh enough to be used at once."""
        now = self._clock.monotonic()
        return sum(idle.session.usable and now - idle.since < IDLE_LIMIT for idle in self._idle)

    async def warm(self) -> None:
        """Make sure that one session stands ready, trying a few times for trouble of the route.

        Called before the first claim, so that an unreachable server never touches a job. Raises ChannelError.
        """
        if any(idle.session.usable for idle in self._idle) or self.open > len(self._idle):
            return
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(CONNECT_ATTEMPTS),
            wait=connect_wait(),
            retry=retry_if_exception(_is_route_trouble),
            sleep=lambda seconds: self._clock.sleep(round(seconds * SECOND)),
            reraise=True,
        ):
            with attempt:
                session = await self.take()
        self.give_back(session)

    def give_back(self, session: Session) -> None:
        self._idle.append(_Idle(session, self._clock.monotonic()))

    async def drop(self, session: Session) -> None:
        """Close a session that must not be used again."""
        await self._close(session)

    async def close(self) -> None:
        """Close every idle session."""
        while self._idle:
            await self._close(self._idle.pop().session)

    async def prune(self) -> None:
        """Close what has been idle too long."""
        now = self._clock.monotonic()
        stale = [idle for idle in self._idle if now - idle.since >= IDLE_LIMIT]
        self._idle = [idle for idle in self._idle if now - idle.since < IDLE_LIMIT]
        for idle in stale:
            await self._close(idle.session)

    async def _close(self, session: Session) -> None:
        self.open -= 1
        await session.close()


def _is_route_trouble(error: BaseException) -> bool:
    return isinstance(error, ChannelError) and error.outcome.cls is OutcomeClass.ROUTE
