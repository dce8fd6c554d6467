"""`[jobs]` and `[retention]` of the configuration: how background jobs run, and how long what is over is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from engine.account_base import LocalPath
from engine.priority import Weights
from engine.tables import Table, duration, whole
from storage.errors import UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND

DEFAULT_QUEUE = "default"

Concurrency = Annotated[int, whole(1, 1_000)]
Poll = Annotated[int, duration("100ms", "1h")]
Timeout = Annotated[int, duration("1s", "24h")]
Retries = Annotated[int, whole(0, 1_000)]


def _factor(value: float) -> float:
    if not 1 <= value <= 10:
        raise ValueError("must lie between 1 and 10")
    return value


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError("must lie between 0 and 1")
    return value


class Backoff(Table):
    """`[jobs.backoff]`: the first wait after a failed try, by which each next one grows, its limit, and how much of it
    is left to chance, so that what failed together is not tried together."""

    first: Annotated[int, duration("1s", "24h")] = 10 * SECOND
    factor: Annotated[float, AfterValidator(_factor)] = 2.0
    most: Annotated[int, duration("1s", "7d")] = HOUR
    jitter: Annotated[float, AfterValidator(_share)] = 0.25


class QueueTable(Table):
    """`[jobs.queues.NAME]`: a queue of background jobs of its own."""

    concurrency: Concurrency = 3


class KindTable(Table):
    """`[jobs.kinds.KIND]`: what of a kind differs from its processor. `options` are the processor's own."""

    queue: str | None = None
    timeout: Timeout | None = None
    retries: Retries | None = None
    options: dict[str, Any] = Field(default_factory=dict)


_NO_KIND = KindTable()


class JobsTable(Table):
    """`[jobs]`. `concurrency` is that of the queue `default`; `poll`: how long the engine sleeps at most before it
    looks for due jobs by itself; `ageing`: a waiting job gains a step of priority each time this passes ("0s": none
    does); `folder`: where paths in payloads count from."""

    concurrency: Concurrency = 3
    # Who makes a job wakes its runner, in the same process: a look by the clock finds nothing that is not known, and a
    # look a second is a tenth of a percent of a processor for ever.
    poll: Poll = MINUTE
    timeout: Timeout = 5 * MINUTE
    retries: Retries = 3
    ageing: Annotated[int, duration("0s", "7d")] = 10 * MINUTE
    folder: LocalPath = Field(default=Path("work"), validate_default=True)
    backoff: Backoff = Backoff()
    priority: Weights = Weights()
    queues: dict[str, QueueTable] = Field(default_factory=dict)
    kinds: dict[str, KindTable] = Field(default_factory=dict)

    def queue_names(self) -> dict[str, int]:
        """Each queue of background jobs with its concurrency."""
        return {DEFAULT_QUEUE: self.concurrency} | {name: table.concurrency for name, table in self.queues.items()}

    def kind(self, kind: str) -> KindTable:
        """What the file says of a kind."""
        return self.kinds.get(kind, _NO_KIND)


def from_environment(tree: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The file's tables with what the environment says of `[jobs]`: JOB_QUEUE_CONCURRENCY and JOB_QUEUE_POLL_INTERVAL
    (milliseconds) win over the file. Raises UsageError for a value that is none, and for JOB_QUEUE_PERSISTENCE=false:
    every job stands on the disk before anybody is told that it was made."""
    jobs = dict(tree["jobs"]) if isinstance(tree.get("jobs"), dict) else {}
    for name, key in (("JOB_QUEUE_CONCURRENCY", "concurrency"), ("JOB_QUEUE_POLL_INTERVAL", "poll")):
        if value := environ.get(name, "").strip():
            if not value.isascii() or not value.isdigit():
                raise UsageError(f"{name}={value[:40]}: must be a whole number", hint=f"unset {name}, or mend it")
            jobs[key] = int(value) if key == "concurrency" else f"{int(value)}ms"
    if environ.get("JOB_QUEUE_PERSISTENCE", "").strip().lower() in ("false", "0", "no", "off"):
        raise UsageError(
            "JOB_QUEUE_PERSISTENCE=false: jobs are always kept on the disk", hint="unset JOB_QUEUE_PERSISTENCE"
        )
    return {**tree, "jobs": jobs} if jobs else tree


class RetentionTable(Table):
    """`[retention]`: how long background jobs that are over, events and firings of schedules are kept ("0s": for
    ever). Messages, their attempts and the audit of people are kept."""

    jobs: Annotated[int, duration("0s", "3650d")] = 30 * DAY
    logs: Annotated[int, duration("0s", "3650d")] = 30 * DAY
    firings: Annotated[int, duration("0s", "3650d")] = 30 * DAY
