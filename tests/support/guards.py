"""Guards that can be taken out of a process, so that the proofs can show that they would see what each one prevents.

Product code has no special case for tests: a guard is taken out by wrapping the function, or changing the statement,
that holds it. One that has moved is an error here, never a proof that proves nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

from engine import queue_runners
from engine.control import starting
from engine.explain import answer
from engine.planning import pacing
from storage import approvals, dispatch, endings, gate, lock, migrate, task_endings, tasks
from storage.dispatch_nouns import ClaimRequest, IntentRequest
from storage.limits import GateLimits
from storage.model import Effect
from storage.tx import Tx
from storage.writer import Writer


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
    endings._FINISH = _without(endings._FINISH, " AND jobs.lease = ended.lease AND jobs.state = 'processing'")
    _as_if_held(endings, "finish_attempts")


def _no_intent_of_a_job() -> None:
    """A background job that must not run twice is claimed as one that may."""
    claimed = tasks._claimed
    tasks._claimed = lambda row, request: replace(claimed(row, request), effect=Effect.REPEATABLE.value)


def _no_fence_of_a_job() -> None:
    """Every end of a background job counts."""
    finish = task_endings.finish
    task_endings._HELD_BY = _without(task_endings._HELD_BY, "state = 'processing' AND ")
    task_endings._DONE = _without(task_endings._DONE, "state = 'processing' AND lease = ?2 AND ")
    task_endings._FINISH = _without(task_endings._FINISH, " AND jobs.lease = ended.lease AND jobs.state = 'processing'")

    def wrapped(tx: Tx, groups: Any) -> Any:
        for task in (end.task for ends, _ in groups for end in ends):
            task.lease = tx.one("SELECT lease FROM jobs WHERE id = ?", (task.id,))["lease"]
        return finish(tx, groups)

    task_endings.finish = wrapped


def _no_epoch_check() -> None:
    commit = Writer._commit

    def wrapped(self: Writer, connection: Any, group: Any) -> Any:
        self._epoch = connection.execute("SELECT max(id) FROM engines").fetchone()[0]
        return commit(self, connection, group)

    Writer._commit = wrapped  # type: ignore[method-assign]


def _no_claim_check() -> None:
    lanes = _without(dispatch._LANES, "c.state = 'active' AND ")
    # The index holds active campaigns only.
    dispatch._LANES = _without(lanes, "INDEXED BY campaigns_active ")


def _gate_without(change: Callable[[Any, IntentRequest], tuple[Any, IntentRequest]]) -> None:
    closed_gate = gate._closed_gate

    def wrapped(tx: Tx, row: Any, request: IntentRequest, *more: Any) -> tuple[str, int | None]:
        return closed_gate(tx, *change(row, request), *more)

    gate._closed_gate = wrapped


def _no_approval_at_the_claim() -> None:
    dispatch._LANES = _without(dispatch._LANES, f"AND {approvals.APPROVED_LANES} ")


def _any_message_counts_as_approved() -> None:
    _gate_without(lambda row, request: (row, replace(request, digest=row["approved_digest"] or "")))


def _schema_without(words: str, instead: str = "") -> Callable[[], None]:
    """New stores are made without this part of the schema."""

    def off() -> None:
        first, *later = migrate.migrations()
        changed = [replace(first, sql=_without(first.sql, words, instead)), *later]
        migrate.migrations = lambda: changed

    return off


def _gate_reading(**facts: Any) -> Callable[[], None]:
    """The gate reads these facts of a job, whatever the store says."""
    return lambda: _gate_without(lambda row, request: (dict(row) | facts, request))


def _no_queue_check_of_the_claim() -> None:
    dispatch._QUEUE = _without(dispatch._QUEUE, "SELECT state,", "SELECT 'ready' AS state,")


def _no_engine_pause_at_the_claim() -> None:
    dispatch._QUEUE = _without(dispatch._QUEUE, dispatch.PAUSED, "0 AS paused")


def _no_gap_at_the_claim() -> None:
    dispatch._HEADS = _without(dispatch._HEADS, "j.gap,", "0 AS gap,")


def _claim_without(change: Callable[[ClaimRequest], ClaimRequest]) -> None:
    claim_and_begin = gate.claim_and_begin
    gate.claim_and_begin = lambda tx, request: claim_and_begin(tx, change(request))


def _no_window_at_the_claim() -> None:
    _claim_without(lambda request: replace(request, closed_until=0, opens=None, own_zones=False))


def _no_window_at_the_gate() -> None:
    _gate_without(lambda row, request: (row, replace(request, opens=0)))


def _no_limit_at_the_claim(**limits: Any) -> Callable[[], None]:
    return lambda: _claim_without(lambda request: replace(request, limits=replace(request.limits, **limits)))


def _no_limit_at_the_gate(**limits: Any) -> Callable[[], None]:
    return lambda: _gate_without(lambda row, request: (row, replace(request, limits=replace(request.limits, **limits))))


def _no_calendar_cap() -> None:
    def rolling(limits: GateLimits) -> GateLimits:
        return replace(limits, caps=tuple(cap for cap in limits.caps if not cap.until))

    _gate_without(lambda row, request: (row, replace(request, limits=rolling(request.limits))))


def _no_minimum_gap() -> None:
    _no_limit_at_the_claim(min_gap=0)()
    _no_limit_at_the_gate(min_gap=0)()


def _starts_in_the_future_stay() -> None:
    dispatch.forget_future_starts = lambda tx, queue_id, now: None


def _no_suppression_at_the_gate() -> None:
    gate.among = lambda tx, rows, now: {}


def _nothing_of_other_campaigns() -> None:
    gate._Grants.other_campaign = lambda self, row, now: 0  # type: ignore[method-assign]


def _no_allow_list() -> None:
    queue_runners.may_reach = lambda context, account: lambda address: True


def _one_sided_counters() -> None:
    """What leaves a state is not taken from its sum."""

    def move(self: Tx, rows: Iterable[tuple[Any, str, str, str, str]]) -> None:
        for row, _, _, state, key in rows:
            self.count(row["queue_id"], row["campaign_id"], row["batch_id"], state, key, 1)

    Tx.move = move  # type: ignore[method-assign]


def _no_seed() -> None:
    pacing.random = SimpleNamespace(Random=lambda seed: random.Random())  # type: ignore[assignment]


def _no_owner_lock() -> None:
    lock.fcntl = SimpleNamespace(  # type: ignore[assignment]
        flock=lambda fd, how: None, LOCK_EX=0, LOCK_NB=0, LOCK_SH=0, LOCK_UN=0
    )


def _no_word_about_nobody() -> None:
    starting._nothing_to_start = lambda campaign, suppressed=0: {
        "success": True,
        "campaign": campaign.name,
        "queued": 0,
    }


def _no_reason_for_a_standstill() -> None:
    answer._gates = lambda facts, job, now: ()


def _without(sql: str, words: str, instead: str = "") -> str:
    if words not in sql:
        raise ValueError(f"this guard has moved: {words!r} is not in {sql!r}")
    return sql.replace(words, instead)


GUARDS: dict[str, Callable[[], None]] = {
    "intent gate": _no_intent_gate,
    "lease fence of the gate": _no_lease_fence,
    "lease fence of a completion": _no_completion_fence,
    "intent of a background job": _no_intent_of_a_job,
    "lease fence of a background job": _no_fence_of_a_job,
    "epoch check": _no_epoch_check,
    "campaign check of the claim": _no_claim_check,
    "campaign check of the gate": _gate_reading(campaign_state="active"),
    "cap": _no_limit_at_the_gate(caps=()),
    "calendar cap": _no_calendar_cap,
    "warm-up": _no_limit_at_the_gate(warmup=None),
    "window at the claim": _no_window_at_the_claim,
    "window at the gate": _no_window_at_the_gate,
    "domain gap at the claim": _no_limit_at_the_claim(domain_gap=0),
    "domain gap at the gate": _no_limit_at_the_gate(domain_gap=0),
    "recipient stopped": _gate_reading(stopped=""),
    "suppression at the gate": _no_suppression_at_the_gate,
    "approval at the gate": _gate_reading(approval=""),
    "approval of this very message": _any_message_counts_as_approved,
    "approval at the claim": _no_approval_at_the_claim,
    "minimum gap": _no_minimum_gap,
    "minimum gap at the claim": _no_limit_at_the_claim(min_gap=0),
    "minimum gap at the gate": _no_limit_at_the_gate(min_gap=0),
    "a clock set back": _starts_in_the_future_stay,
    "a message's own gap at the claim": _no_gap_at_the_claim,
    "a message's own gap at the gate": _gate_reading(gap=0),
    "one message a person": _schema_without("UNIQUE (recipient_id, step_id),"),
    "one accepted attempt a message": _schema_without(
        "CREATE UNIQUE INDEX attempts_accepted", "CREATE INDEX attempts_accepted"
    ),
    "one attempt a lease": _schema_without("UNIQUE (job_id, lease),"),
    "queue check of the claim": _no_queue_check_of_the_claim,
    "queue check of the gate": _gate_reading(queue_state="ready"),
    "engine pause at the claim": _no_engine_pause_at_the_claim,
    "engine pause at the gate": _gate_reading(paused=0),
    "another campaign": _nothing_of_other_campaigns,
    "allow-list": _no_allow_list,
    "counters by delta": _one_sided_counters,
    "seeded plan": _no_seed,
    "owner's lock": _no_owner_lock,
    "a campaign says why": _no_reason_for_a_standstill,
    "nobody to send to": _no_word_about_nobody,
}


def switch_off(guard: str) -> None:
    """Take this guard out of the present process."""
    GUARDS[guard]()
