"""Places where a child engine dies: functions that are wrapped in that process, so that product code has no special
case for tests.

`install_point` makes the n-th passage of a place the last thing that the process does: SIGKILL to itself, no handler,
no flush, no goodbye.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from engine.channels.transaction import SmtpSession, Wire
from storage import deciding, endings, firings, gate
from storage.dispatch_nouns import Claim, ClaimRequest
from storage.events import Event
from storage.model import OutcomeClass, StageState
from storage.sqlite import SqliteStore
from storage.stages import Stage
from storage.tx import Tx
from storage.writer import Writer

Pass = Callable[[], None]


def _after_claim(passed: Pass) -> None:
    claim = SqliteStore.claim

    async def wrapped(self: SqliteStore, ask: Callable[[], ClaimRequest]) -> Claim:
        claimed = await claim(self, ask)
        if claimed.jobs:
            passed()
        return claimed

    SqliteStore.claim = wrapped  # type: ignore[method-assign]


def before_commit(module: ModuleType, name: str) -> Callable[[Pass], None]:
    """Inside the transaction of `<module>.<name>`: its statements ran, COMMIT did not."""

    def install(passed: Pass) -> None:
        function = getattr(module, name)

        def wrapped(tx: Tx, items: list[Any]) -> Any:
            answers = function(tx, items)
            passed()
            return answers

        setattr(module, name, wrapped)

    return install


def after_commit(module: ModuleType, name: str) -> Callable[[Pass], None]:
    """COMMIT returned for a group that held `<module>.<name>`; nobody was told."""

    def install(passed: Pass) -> None:
        commit = Writer._commit
        function = getattr(module, name)
        ran = False

        def noted(tx: Tx, items: list[Any]) -> Any:
            nonlocal ran
            ran = True
            return function(tx, items)

        def wrapped(self: Writer, connection: Any, group: Any) -> Any:
            nonlocal ran
            ran = False
            answers = commit(self, connection, group)
            if ran:
                passed()
            return answers

        setattr(module, name, noted)
        Writer._commit = wrapped  # type: ignore[method-assign]

    return install


def inside_flush(passed: Pass) -> None:
    flush = Tx.flush

    def wrapped(self: Tx) -> None:
        writes = bool(self.counters)
        flush(self)
        if writes:
            passed()

    Tx.flush = wrapped  # type: ignore[method-assign]


def _after_rcpt(passed: Pass) -> None:
    prepare = SmtpSession.prepare

    async def wrapped(self: SmtpSession, message: Any, *, begun: bool = False) -> Any:
        refusal = await prepare(self, message, begun=begun)
        if refusal is None:
            passed()
        return refusal

    SmtpSession.prepare = wrapped  # type: ignore[method-assign]


def _content(share: float) -> Callable[[Pass], None]:
    """A part of the content is with the kernel, then the end. Needs asyncio's own loop: it writes at once."""

    def install(passed: Pass) -> None:
        ask = Wire.ask

        async def wrapped(self: Wire, data: bytes, timeout: float) -> Any:
            if not data.endswith(b"\r\n.\r\n"):
                return await ask(self, data, timeout)
            part = int(len(data) * share)
            self._transport.write(data[:part])
            passed()
            return await ask(self, data[part:], timeout)

        Wire.ask = wrapped  # type: ignore[method-assign]

    return install


def _after_250(passed: Pass) -> None:
    deliver = SmtpSession.deliver

    async def wrapped(self: SmtpSession, message: Any) -> Any:
        outcome = await deliver(self, message)
        if outcome.cls is OutcomeClass.ACCEPTED:
            passed()
        return outcome

    SmtpSession.deliver = wrapped  # type: ignore[method-assign]


def _in_recovery(passed: Pass) -> None:
    rescue = endings.rescue

    def wrapped(tx: Tx, now: int, *, everything: bool, held: frozenset[int] = frozenset()) -> endings.Rescued:
        rescued = rescue(tx, now, everything=everything, held=held)
        if rescued.requeued or rescued.uncertain:
            passed()
        return rescued

    endings.rescue = wrapped


def _stage_end(*, kept: bool) -> Callable[[Pass], None]:
    """A stage of a pipeline has done its work; what it came to is committed (`kept`), or about to be."""

    def install(passed: Pass) -> None:
        note = SqliteStore.note_stage

        async def wrapped(self: SqliteStore, task: Any, stage: Stage, events: Sequence[Event] = ()) -> bool:
            ends = stage.state is StageState.DONE
            if ends and not kept:
                passed()
            held = await note(self, task, stage, events)
            if ends and kept:
                passed()
            return held

        SqliteStore.note_stage = wrapped  # type: ignore[method-assign]

    return install


def _at_drafts(passed: Pass) -> None:
    """The people of a slice of drafts are in their campaign, their messages are in the transaction that dies."""
    add = deciding.add_drafts

    def wrapped(*given: Any) -> list[int]:
        made = add(*given)
        passed()
        return made

    deciding.add_drafts = wrapped


STAGE_POINTS: dict[str, Callable[[Pass], None]] = {
    "before a stage's end is kept": _stage_end(kept=False),
    "after a stage's end is kept": _stage_end(kept=True),
    "before the drafts' commit": _at_drafts,
}
"""Where a pipeline dies; its stages pass the first two one after the other."""


def _in_firing(passed: Pass) -> None:
    decide = firings.decide

    def wrapped(tx: Tx, decision: firings.Decision, now: int) -> int | None:
        made = decide(tx, decision, now)
        passed()
        return made

    firings.decide = wrapped


def _after_firing(passed: Pass) -> None:
    decide = SqliteStore.decide_firings

    async def wrapped(self: SqliteStore, decision: firings.Decision) -> int | None:
        made = await decide(self, decision)
        passed()
        return made

    SqliteStore.decide_firings = wrapped  # type: ignore[method-assign]


SCHEDULE_POINTS: dict[str, Callable[[Pass], None]] = {
    "before a firing's commit": _in_firing,
    "after a firing's commit": _after_firing,
}
"""Where a schedule's times have become rows and jobs, or are about to."""

POINTS: dict[str, Callable[[Pass], None]] = {
    "after claim": _after_claim,
    "before the intent's commit": before_commit(gate, "begin_attempts"),
    "after the intent's commit": after_commit(gate, "begin_attempts"),
    "after RCPT": _after_rcpt,
    "inside the content": _content(0.5),
    "after the dot": _content(1.0),
    "after the 250": _after_250,
    "before the outcome's commit": before_commit(endings, "finish_attempts"),
    "inside a flush": inside_flush,
    "after the outcome's commit": after_commit(endings, "finish_attempts"),
}
"""In the order in which a message passes them."""

RECOVERY = "in the recovery"
"""While the next engine settles what the last one left."""

ALONE: dict[str, tuple[int, int]] = {
    # Near a server (`engine.head_start`) one commit holds an outcome, the next claim and its intent.
    "after claim": (0, 1),
    "before the intent's commit": (0, 1),
    "after the intent's commit": (1, 1),
    # Else it is written while MAIL and RCPT are on their way: it may be there or not.
    "after RCPT": (0, 1),
    "inside the content": (1, 1),
    "after the dot": (1, 1),
    "after the 250": (1, 1),
    "before the outcome's commit": (1, 1),
    "inside a flush": (0, 1),
    "after the outcome's commit": (0, 1),
}
"""How many messages are uncertain (least, most) when one connection dies there."""


def install_point(name: str, at: int) -> None:
    """The `at`-th passage of this point is the end of the process."""
    seen = 0

    def passed() -> None:
        nonlocal seen
        seen += 1
        if seen == at:
            os.kill(os.getpid(), signal.SIGKILL)

    {**POINTS, **STAGE_POINTS, **SCHEDULE_POINTS, RECOVERY: _in_recovery}[name](passed)
