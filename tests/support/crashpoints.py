"""Places where a child engine dies, and guards that can be switched off in it: by wrapping functions in that process.

Product code has no special case for tests. `install_point` makes the n-th passage of a place the last thing that the
process does (SIGKILL to itself: no handler, no flush, no goodbye); `switch_off` takes one guard out, so that the
proofs can show that they would see what it prevents.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

from engine.channels.transaction import SmtpSession, Wire
from storage import dispatch, endings, gate
from storage.model import OutcomeClass
from storage.sqlite import SqliteStore
from storage.writer import Tx, Writer

Pass = Callable[[], None]


def _after_claim(passed: Pass) -> None:
    claim = SqliteStore.claim

    async def wrapped(self: SqliteStore, request: dispatch.ClaimRequest) -> dispatch.Claim:
        claimed = await claim(self, request)
        if claimed.jobs:
            passed()
        return claimed

    SqliteStore.claim = wrapped  # type: ignore[method-assign]


def _before_commit(module: ModuleType, name: str) -> Callable[[Pass], None]:
    """Inside the transaction of `<module>.<name>`: its statements ran, COMMIT did not."""

    def install(passed: Pass) -> None:
        function = getattr(module, name)

        def wrapped(tx: Tx, items: list[Any]) -> Any:
            answers = function(tx, items)
            passed()
            return answers

        setattr(module, name, wrapped)

    return install


def _after_commit(module: ModuleType, name: str) -> Callable[[Pass], None]:
    """COMMIT returned for a group that held `<module>.<name>`; nobody was told."""

    def install(passed: Pass) -> None:
        commit = Writer._commit
        function = getattr(module, name)

        def wrapped(self: Writer, connection: Any, group: Any) -> Any:
            answers = commit(self, connection, group)
            if any(request.many is function for request in group):
                passed()
            return answers

        Writer._commit = wrapped  # type: ignore[method-assign]

    return install


def _inside_flush(passed: Pass) -> None:
    flush = Tx._flush

    def wrapped(self: Tx) -> None:
        writes = bool(self.counters)
        flush(self)
        if writes:
            passed()

    Tx._flush = wrapped  # type: ignore[method-assign]


def _after_rcpt(passed: Pass) -> None:
    prepare = SmtpSession.prepare

    async def wrapped(self: SmtpSession, message: Any) -> Any:
        refusal = await prepare(self, message)
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


POINTS: dict[str, Callable[[Pass], None]] = {
    "after claim": _after_claim,
    "before the intent's commit": _before_commit(gate, "begin_attempts"),
    "after the intent's commit": _after_commit(gate, "begin_attempts"),
    "after RCPT": _after_rcpt,
    "inside the content": _content(0.5),
    "after the dot": _content(1.0),
    "after the 250": _after_250,
    "before the outcome's commit": _before_commit(endings, "finish_attempts"),
    "inside a flush": _inside_flush,
    "after the outcome's commit": _after_commit(endings, "finish_attempts"),
}
"""In the order in which a message passes them."""

RECOVERY = "in the recovery"
"""While the next engine settles what the last one left."""

ALONE: dict[str, tuple[int, int]] = {
    "after claim": (0, 0),
    "before the intent's commit": (0, 0),
    "after the intent's commit": (1, 1),
    # The intent is written while MAIL and RCPT are on their way: it may be there or not.
    "after RCPT": (0, 1),
    "inside the content": (1, 1),
    "after the dot": (1, 1),
    "after the 250": (1, 1),
    "before the outcome's commit": (1, 1),
    "inside a flush": (0, 1),
    "after the outcome's commit": (0, 0),
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

    (_in_recovery if name == RECOVERY else POINTS[name])(passed)


# guards


def _no_intent_gate() -> None:
    """What died between the intent and its outcome counts as never begun."""

    def rescue(tx: Tx, now: int, *, everything: bool, held: frozenset[int] = frozenset()) -> endings.Rescued:
        rows = tx.all(
            "UPDATE jobs SET state = 'pending', ready = 1, lease = lease + 1, lease_until = NULL "
            "WHERE state = 'processing' AND (? = 1 OR lease_until < ?) "
            "RETURNING queue_id, campaign_id, batch_id, error_key",
            (1 if everything else 0, now),
        )
        for row in rows:
            scope = (row["queue_id"], row["campaign_id"], row["batch_id"])
            tx.count(*scope, "processing", "", -1)
            tx.count(*scope, "pending", row["error_key"], +1)
        return endings.Rescued(len(rows), 0)

    endings.rescue = rescue


def _as_if_held(module: ModuleType, name: str) -> None:
    """Let `<module>.<name>` read every job as its asker's own, whatever became of the lease."""
    function, by_id = getattr(module, name), Tx.by_id

    def wrapped(tx: Tx, requests: list[Any]) -> Any:
        leases = {request.job_id: request.lease for request in requests}

        def as_wished(self: Tx, select: str, ids: list[int]) -> dict[int, Any]:
            rows = by_id(self, select, ids)
            return {
                key: dict(row) | {"lease": leases[key], "state": "processing", "granted": 0}
                for key, row in rows.items()
            }

        Tx.by_id = as_wished  # type: ignore[method-assign]
        try:
            return function(tx, requests)
        finally:
            Tx.by_id = by_id  # type: ignore[method-assign]

    setattr(module, name, wrapped)


def _no_lease_fence() -> None:
    """Whoever asks for an intent gets it."""
    _as_if_held(gate, "begin_attempts")


def _no_completion_fence() -> None:
    """Every completion counts."""
    endings._FINISH = _without(endings._FINISH, " AND lease = ? AND state = 'processing'") + " AND ? > 0"
    _as_if_held(endings, "finish_attempts")


def _no_epoch_check() -> None:
    commit = Writer._commit

    def wrapped(self: Writer, connection: Any, group: Any) -> Any:
        self._epoch = connection.execute("SELECT max(id) FROM engines").fetchone()[0]
        return commit(self, connection, group)

    Writer._commit = wrapped  # type: ignore[method-assign]


def _no_claim_check() -> None:
    dispatch._LANES = _without(dispatch._LANES, "state = 'active' AND ")


def _gate_without(change: Callable[[Any, dispatch.IntentRequest], tuple[Any, dispatch.IntentRequest]]) -> None:
    closed_gate = gate._closed_gate

    def wrapped(tx: Tx, row: Any, request: dispatch.IntentRequest) -> tuple[str, int | None]:
        return closed_gate(tx, *change(row, request))

    gate._closed_gate = wrapped


def _no_gate_check() -> None:
    _gate_without(lambda row, request: (dict(row) | {"campaign_state": "active"}, request))


def _no_cap() -> None:
    _gate_without(lambda row, request: (row, replace(request, caps=())))


def _without(sql: str, words: str) -> str:
    if words not in sql:
        raise ValueError(f"this guard has moved: {words!r} is not in {sql!r}")
    return sql.replace(words, "")


GUARDS: dict[str, Callable[[], None]] = {
    "intent gate": _no_intent_gate,
    "lease fence of the gate": _no_lease_fence,
    "lease fence of a completion": _no_completion_fence,
    "epoch check": _no_epoch_check,
    "campaign check of the claim": _no_claim_check,
    "campaign check of the gate": _no_gate_check,
    "cap": _no_cap,
}


def switch_off(guard: str) -> None:
    """Take this guard out of the present process."""
    GUARDS[guard]()
