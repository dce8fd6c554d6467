"""A channel that plays a script and keeps the other side's own ledger; and ways to make everything fail.

The ledger is the judge: what stands in `deliveries` was accepted, whatever the engine believes.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.channels.channel import Channel, ChannelError, Message, Session
from engine.classify import classify_smtp, route_failure, uncertain
from engine.clock import Clock
from engine.outcomes import Outcome
from storage.errors import StoreError
from storage.model import OutcomeClass


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server says to one attempt, and where: `mail`, `rcpt`, `data` or `content`. `hangs_up`: it closes."""

    code: int
    text: str
    phase: str = "rcpt"
    hangs_up: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """The line is lost. In phase `content` the message may have been `accepted` before."""

    phase: str = "rcpt"
    accepted: bool = False


Step = Reply | Cut

ACCEPT = Reply(250, "2.0.0 Ok: queued", "content")
GREYLISTED = Reply(451, "4.2.1 Greylisted, please come back later")
NO_SUCH_USER = Reply(550, "5.1.1 <someone>: no such user here")
SHUTTING_DOWN = Reply(421, "4.7.0 Too many connections, slow down", "mail", hangs_up=True)
DAILY_LIMIT = Reply(550, "5.4.5 Daily user sending limit exceeded", "data")
BAD_SETUP = Reply(550, "5.7.26 This mail is unauthenticated: SPF and DKIM failed", "content")
TOO_BIG = Reply(552, "5.3.4 Message size exceeds fixed limit", "content")
LOST_AND_SENT = Cut("content", accepted=True)
LOST_UNSENT = Cut("content")

REFUSED = route_failure("[Errno 111] Connect call failed: connection refused", phase="connect", server="mx.example")
BAD_LOGIN = classify_smtp(535, "5.7.8 Username and password not accepted", phase="auth", server="mx.example")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as the other side saw it. `at` in microseconds of wall time, `mono` of monotonic time."""

    at: int
    recipient: str
    message_id: str
    mono: int = 0
    content: bytes = field(default=b"", repr=False, compare=False)


@dataclass(slots=True)
class ScriptedChannel:
    """Plays `script[recipient]` step by step, then `answer(message)`; without either it accepts.

    `doors` are played at `open` (an Outcome refuses), then `door()`. `service` is the time (us) from the first byte of
    content to the reply, drawn evenly with `seed`. `during_prepare` runs inside every `prepare`, between claim and
    gate.
    """

    clock: Clock
    script: dict[str, Iterable[Step]] = field(default_factory=dict)
    service: tuple[int, int] = (0, 0)
    seed: int = 7
    answer: Callable[[Message], Step] | None = None
    door: Callable[[], Outcome | None] | None = None
    doors: deque[Outcome | None] = field(default_factory=deque)
    during_prepare: Callable[[Message], Awaitable[None]] | None = None
    opens: list[int] = field(default_factory=list)
    offers: list[Delivery] = field(default_factory=list)
    """Every envelope offered."""
    begun: list[Delivery] = field(default_factory=list)
    """Every content begun: an attempt that may leave something."""
    deliveries: list[Delivery] = field(default_factory=list)
    """Every message accepted."""
    inside: int = 0
    most_inside: int = 0
    _left: dict[str, deque[Step]] = field(default_factory=dict)
    _rng: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    async def open(self) -> Session:
        self.opens.append(self.clock.now())
        outcome = self.doors.popleft() if self.doors else self.door() if self.door else None
        if outcome is not None:
            raise ChannelError(outcome)
        return ScriptedSession(self)

    def next_step(self, message: Message) -> Step:
        if message.recipient not in self._left:
            self._left[message.recipient] = deque(self.script.get(message.recipient, ()))
        left = self._left[message.recipient]
        if left:
            return left.popleft()
        return self.answer(message) if self.answer else ACCEPT

    async def serve(self) -> None:
        low, high = self.service
        if high:
            await self.clock.sleep(self._rng.randint(low, high))

    def seen(self, message: Message) -> Delivery:
        now, mono = self.clock.now(), self.clock.monotonic()
        return Delivery(now, message.recipient, message.message_id, mono, message.content)

    # the judge

    @property
    def times(self) -> list[int]:
        """When each accepted message was accepted."""
        return [delivery.at for delivery in self.deliveries]

    @property
    def starts(self) -> list[int]:
        """When each content began."""
        return [delivery.at for delivery in self.begun]

    @property
    def accepted(self) -> Counter[str]:
        return Counter(delivery.recipient for delivery in self.deliveries)

    @property
    def twice(self) -> list[str]:
        return sorted(recipient for recipient, n in self.accepted.items() if n > 1)

    @property
    def ids(self) -> dict[str, set[str]]:
        """The Message-IDs that each recipient was ever offered."""
        found: dict[str, set[str]] = defaultdict(set)
        for offer in self.offers:
            found[offer.recipient].add(offer.message_id)
        return found

    def gaps(self) -> list[int]:
        """Between one content's beginning and the next."""
        return [later - earlier for earlier, later in zip(self.starts, self.starts[1:], strict=False)]


class ScriptedSession:
    def __init__(self, channel: ScriptedChannel) -> None:
        self._channel = channel
        self._step: Step = ACCEPT
        self._usable = True
        self.closed = False

    @property
    def usable(self) -> bool:
        return self._usable and not self.closed

    async def prepare(self, message: Message, *, begun: bool = False) -> Outcome | None:
        channel = self._channel
        assert self.usable, "a session that is not usable was used again"
        channel.offers.append(channel.seen(message))
        if channel.during_prepare is not None:
            await channel.during_prepare(message)
        self._step = channel.next_step(message)
        return None if self._step.phase == "content" else self._outcome()

    async def deliver(self, message: Message) -> Outcome:
        channel = self._channel
        channel.begun.append(channel.seen(message))
        channel.inside += 1
        channel.most_inside = max(channel.most_inside, channel.inside)
        try:
            await channel.serve()
        finally:
            channel.inside -= 1
        outcome = self._outcome()
        if outcome.cls is OutcomeClass.ACCEPTED or (isinstance(self._step, Cut) and self._step.accepted):
            channel.deliveries.append(channel.seen(message))
        return outcome

    async def abandon(self) -> None:
        return

    async def close(self) -> None:
        self.closed = True

    def _outcome(self) -> Outcome:
        step = self._step
        if isinstance(step, Cut):
            self._usable = False
            if step.phase == "content":
                return uncertain("connection lost after the content", server="mx.example")
            return route_failure("connection lost", phase=step.phase, server="mx.example")
        self._usable = not step.hangs_up
        return classify_smtp(step.code, step.text, phase=step.phase, server="mx.example")


class FaultyChannel:
    """Every call of another channel's may raise what nobody declared, before or after its work."""

    def __init__(self, inner: Channel, *, chance: float, seed: int) -> None:
        self.inner = inner
        self.chance = chance
        self.rng = random.Random(seed)
        self.raised: Counter[str] = Counter()

    async def open(self) -> Session:
        return _FaultySession(self, await self.play("open", self.inner.open))

    async def play(self, name: str, call: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        fault = self.rng.random() < self.chance
        before = self.rng.random() < 0.5
        if fault and before:
            self._raise(name)
        result = await call(*args)
        if fault:
            self._raise(name)
        return result

    def _raise(self, name: str) -> None:
        self.raised[name] += 1
        raise RuntimeError(f"a bug in {name}")


class _FaultySession:
    def __init__(self, channel: FaultyChannel, inner: Session) -> None:
        self._channel = channel
        self._inner = inner

    @property
    def usable(self) -> bool:
        return self._inner.usable

    async def prepare(self, message: Message, *, begun: bool = False) -> Outcome | None:
        return await self._channel.play("prepare", self._inner.prepare, message)

    async def deliver(self, message: Message) -> Outcome:
        return await self._channel.play("deliver", self._inner.deliver, message)

    async def abandon(self) -> None:
        await self._channel.play("abandon", self._inner.abandon)

    async def close(self) -> None:
        await self._inner.close()


class StoreFaults:
    """Makes calls of an open store fail with StoreError: at random, or while `down`. Nothing of such a call is
    written."""

    def __init__(self, store: Any, *, chance: float = 0.0, seed: int = 7) -> None:
        self.chance = chance
        self.down = False
        self.raised = 0
        self._rng = random.Random(seed)
        writer = store.writer
        self._submit, self._submit_many, self._submit_late = writer.submit, writer.submit_many, writer.submit_late
        writer.submit_late = lambda make: self._play(lambda: self._submit_late(make))
        writer.submit = lambda run, **more: self._play(lambda: self._submit(run, **more))
        writer.submit_many = self._many

    def _many(self, many: Any, item: Any, *, keep: bool = False) -> asyncio.Future[Any]:
        """What must not be lost is not refused: the Writer itself waits until it can be written."""
        if keep:
            return self._submit_many(many, item, keep=True)
        return self._play(lambda: self._submit_many(many, item))

    def _play(self, call: Callable[[], asyncio.Future[Any]]) -> asyncio.Future[Any]:
        if not self.down and self._rng.random() >= self.chance:
            return call()
        self.raised += 1
        failed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        failed.set_exception(StoreError("the store could not be written: a test's fault"))
        return failed
