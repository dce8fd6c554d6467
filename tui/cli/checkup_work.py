"""The findings of `doctor` about background jobs: kinds without processor, stages and queues that wait. Reads only."""

from __future__ import annotations

from collections.abc import Iterator

from storage import kind_facts, work_facts
from storage.errors import PacelineError
from storage.reader import Reader
from tui.cli.findings import Finding
from tui.cli.session import Session

_OPEN = ("pending", "processing", "held")


def examine_work(session: Session, reader: Reader) -> Iterator[Finding]:
    """What of background jobs waits for a person or cannot run at all."""
    totals = kind_facts.totals(reader)
    yield from _without_processor(totals)
    for kind, counts in totals.items():
        if n := counts["uncertain"]:
            message = f"{_jobs(n)} of kind {kind} {'is' if n == 1 else 'are'} uncertain: done or not?"
            yield Finding("jobs", "note", message, f"paceline job list --state uncertain --kind {kind}")
        if n := counts["held"]:
            message = f"{_jobs(n)} of kind {kind} {'is' if n == 1 else 'are'} held"
            yield Finding("jobs", "note", message, f"paceline job list --state held --kind {kind}")
    for batch in work_facts.blocked(reader):
        bad = f"{batch['failed']:,} failed" if batch["failed"] else f"{batch['uncertain']:,} are uncertain"
        message = (
            f"batch {batch['id']} ({batch['name']}): {_jobs(batch['waiting'])} wait for you, since of an earlier stage "
            f"{bad}"
        )
        yield Finding("batch", "problem", message, _unblock(batch["id"], failed=bool(batch["failed"])))
    yield from _without_queue(session, reader)


def _unblock(batch_id: int, *, failed: bool) -> str:
    if failed:
        return f'paceline job retry --filter "batch:{batch_id} state:failed"'
    return f'paceline job list --filter "batch:{batch_id} state:uncertain"'


def _without_processor(totals: dict[str, dict[str, int]]) -> Iterator[Finding]:
    """Open jobs of a kind that is not installed, or cannot be loaded."""
    from engine.processors.registry import Registry

    registry = Registry()
    for kind, counts in totals.items():
        waiting = sum(counts[state] for state in _OPEN)
        if not waiting:
            continue
        try:
            registry.get(kind)
        except PacelineError as error:
            message = f"{_jobs(waiting)} of kind {kind} cannot run: {error.message}"
            remedy = f"install what brings the kind, or: paceline job cancel --filter kind:{kind}"
            yield Finding("jobs", "problem", message, remedy)


def _without_queue(session: Session, reader: Reader) -> Iterator[Finding]:
    """Queues of background jobs that the configuration no longer names, or that were stopped."""
    try:
        names = session.config().jobs.queue_names()
    except PacelineError:
        return
    for queue in kind_facts.queues(reader):
        if (waiting := queue["pending"]) and queue["queue"] not in names:
            message = f"{_jobs(waiting)} wait for queue {queue['queue']}, which is not configured"
            yield Finding("queue", "problem", message, f"add [jobs.queues.{queue['queue']}] again, then reload")


def _jobs(n: int) -> str:
    return f"{n:,} {'job' if n == 1 else 'jobs'}"
