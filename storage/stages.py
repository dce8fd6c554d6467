"""Stages: those of a batch, whose jobs wait for one another, and those of a pipeline's run. Each function runs inside
the Writer's transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage.events import Event, add_event
from storage.model import StageState
from storage.recipients import SLICE
from storage.tasks import holds_lease

if TYPE_CHECKING:
    from storage.tx import Tx

_STAGED = "SELECT id, stage, go_on FROM batches INDEXED BY batches_staged WHERE stage > 0 AND state = 'ready'"
_COUNTS = (
    "SELECT COALESCE(SUM(CASE WHEN state IN ('held', 'pending', 'processing') THEN n ELSE 0 END), 0) AS open, "
    "COALESCE(SUM(CASE WHEN state IN ('failed', 'uncertain') THEN n ELSE 0 END), 0) AS bad "
    "FROM counters INDEXED BY counters_batch WHERE batch_id = ?"
)
_WAITING = (
    "SELECT count(*) AS n, min(t.stage) AS stage FROM jobs j INDEXED BY jobs_staged JOIN tasks t ON t.job_id = j.id "
    "WHERE j.batch_id = ? AND j.ready = 3"
)
_RELEASE = (
    "UPDATE jobs SET ready = CASE WHEN due_at <= ? THEN 1 ELSE 0 END WHERE id IN "
    "(SELECT j.id FROM jobs j INDEXED BY jobs_staged JOIN tasks t ON t.job_id = j.id "
    "WHERE j.batch_id = ? AND j.ready = 3 AND t.stage <= ? ORDER BY j.id LIMIT ?)"
)


def stage_batch(tx: Tx, batch_id: int, *, go_on: bool) -> None:
    """Let the jobs of a loading batch wait for those of its earlier stages, if it has any. What is left of a stage that
    ended badly waits for a person, unless `go_on`."""
    lowest = tx.one(
        "SELECT min(t.stage) AS stage, max(t.stage) AS last FROM jobs j JOIN tasks t ON t.job_id = j.id "
        "WHERE j.batch_id = ?",
        (batch_id,),
    )
    if lowest["stage"] is not None and lowest["stage"] < lowest["last"]:
        tx.execute("UPDATE batches SET stage = ?, go_on = ? WHERE id = ?", (max(1, lowest["stage"]), go_on, batch_id))


def advance(tx: Tx, now: int) -> bool:
    """Let the next stage of each batch begin whose earlier ones are over, one slice at a time; whether any did."""
    moved = False
    for batch in tx.all(_STAGED):
        waiting = tx.one(_WAITING, (batch["id"],))
        if not waiting["n"]:
            # Not before all is over: what is still being released, or was cancelled and can come back, is to wait.
            if not tx.one(_COUNTS, (batch["id"],))["open"]:
                tx.execute("UPDATE batches SET stage = 0 WHERE id = ?", (batch["id"],))
            continue
        if waiting["stage"] > batch["stage"]:
            counts = tx.one(_COUNTS, (batch["id"],))
            if counts["open"] > waiting["n"] or (counts["bad"] and not batch["go_on"]):
                continue
            tx.execute("UPDATE batches SET stage = ? WHERE id = ?", (waiting["stage"], batch["id"]))
        stage = max(waiting["stage"], batch["stage"])
        moved = bool(tx.execute(_RELEASE, (now, batch["id"], stage, SLICE)).rowcount) or moved
    return moved


def blocked(tx: Tx) -> int:
    """How many jobs wait for a stage that ended badly, and so for a person."""
    blocked = 0
    for batch in tx.all(_STAGED):
        counts, waiting = tx.one(_COUNTS, (batch["id"],)), tx.one(_WAITING, (batch["id"],))
        if counts["bad"] and not batch["go_on"] and counts["open"] == waiting["n"]:
            blocked += int(waiting["n"])
    return blocked


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a pipeline's run. `counters`: what it came to, by name; `output`: what later stages are given; times
    in microseconds."""

    position: int
    name: str
    state: StageState
    counters: dict[str, Any]
    output: dict[str, Any]
    note: str = ""
    flag: str = ""
    started_at: int | None = None
    finished_at: int | None = None


def ladder(tx: Tx, job_id: int, names: tuple[str, ...]) -> list[Stage]:
    """The stages of a run, made with these names when it has none; what an engine left running is to run again."""
    tx.executemany(
        "INSERT INTO stages (job_id, position, name) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(job_id, position, name) for position, name in enumerate(names, 1)],
    )
    tx.execute(
        "UPDATE stages SET state = 'waiting' WHERE job_id = ? AND state IN ('running', 'failed', 'skipped')", (job_id,)
    )
    return stages_of(tx.all("SELECT * FROM stages WHERE job_id = ? ORDER BY position", (job_id,)))


def figures_of(counters: Mapping[str, Any] | None) -> str:
    """Counters in words: "queued today 0, remaining 50". Whoever wrote a pipeline may have put anything there."""
    found = ((name.replace("_", " "), n) for name, n in (counters or {}).items())
    return ", ".join(f"{name} {n:,}" if isinstance(n, int) else f"{name} {n}" for name, n in found)


def stages_of(rows: list[Any]) -> list[Stage]:
    """Rows of `stages` as nouns."""
    return [
        Stage(
            row["position"], row["name"], StageState(row["state"]), json.loads(row["counters"]),
            json.loads(row["output"]), row["note"], row["flag"], row["started_at"], row["finished_at"],
        )
        for row in rows
    ]  # fmt: skip


def note_stage(tx: Tx, job_id: int, lease: int, stage: Stage, events: Sequence[Event], now: int) -> bool:
    """Keep what became of one stage, with what is to be told of it: both or none, so that nothing is told twice by a
    run that begins again. False: the lease of its job was lost, and nothing was changed."""
    if not holds_lease(tx, job_id, lease):
        return False
    tx.execute(
        "UPDATE stages SET state = ?, counters = ?, output = ?, note = ?, flag = ?, started_at = ?, finished_at = ? "
        "WHERE job_id = ? AND position = ?",
        (
            stage.state.value, json.dumps(stage.counters), json.dumps(stage.output), stage.note, stage.flag,
            stage.started_at, stage.finished_at, job_id, stage.position,
        ),
    )  # fmt: skip
    for event in events:
        add_event(tx, event, now)
    return True
