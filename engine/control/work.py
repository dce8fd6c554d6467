"""What people do with background jobs: make one or many, ask a running one to end."""

from __future__ import annotations

from itertools import count
from typing import Any

from pydantic import Field

from engine import plans
from engine.control.actions import Args, Context, Result, action, audit
from engine.planning.durations import format_duration
from engine.priority import priority_of
from engine.processors.registry import check_payload
from storage.errors import PacelineError, RefusedError, UsageError
from storage.events import Event
from storage.model import SEND, Actor, JobState
from storage.task_facts import task
from storage.tasks import Made, NewTask
from storage.work_terms import CHANNEL

OPEN = (JobState.HELD, JobState.PENDING, JobState.PROCESSING)
MOST_ROWS = 1_000
"""Jobs of one call; more are made in several, under one batch."""
LONGEST_ERROR = 300


class JobSpec(Args):
    """A background job to be made. `priority` 1 to 10, or what it follows from: `urgency`, `tier`, `value`. `due_at`
    and `timeout` in microseconds. `unique`: it is made only when no job that is open or uncertain has this key.
    `stage`: its place in a batch of stages, from 1 on."""

    kind: str = Field(min_length=1, max_length=100)
    payload: dict[str, Any] = Field(default_factory=dict)
    queue: str | None = None
    priority: int | None = Field(default=None, ge=1, le=10)
    urgency: str = ""
    tier: str = ""
    value: float | None = None
    due_at: int | None = Field(default=None, ge=0)
    retries: int | None = Field(default=None, ge=0, le=1_000)
    timeout: int | None = Field(default=None, ge=1_000_000, le=24 * 3_600_000_000)
    unique: str = Field(default="", max_length=200)
    stage: int = Field(default=0, ge=0, le=1_000)


class AddArgs(JobSpec):
    """`origin`: what made it."""

    origin: str = Field(default="manual", max_length=100)


class BeginArgs(Args):
    """`name`: what the batch is called; `go_on`: its later stages run although something of an earlier one failed."""

    name: str = Field(default="", max_length=200)
    go_on: bool = False


class RowsArgs(Args):
    """One slice of a batch; `numbers`: those of its rows in their file, for the words of errors (default: from 1 on).
    `skip_bad`: what is right of a slice with mistakes is added all the same."""

    batch_id: int
    rows: list[dict[str, Any]] = Field(max_length=MOST_ROWS)
    numbers: list[int] = Field(default_factory=list, max_length=MOST_ROWS)
    skip_bad: bool = False
    origin: str = Field(default="manual", max_length=100)


class CommitArgs(Args):
    batch_id: int
    go_on: bool = False


class BatchArgs(Args):
    batch_id: int


class EndArgs(Args):
    ids: list[int] = Field(min_length=1, max_length=1_000)


class JobArgs(Args):
    job: int


@action("job.add", AddArgs)
async def add(context: Context, args: AddArgs, actor: Actor) -> Result:
    """Make one background job. With a unique key that a job has which is open or uncertain, that one is answered
    instead."""
    task = new_task(context, args, await queues_of(context), origin=args.origin)

    def tell(made: list[Made]) -> Event:
        text = f"made job {made[0].id}: {args.kind}"
        return audit("job.added", text, actor, job_id=made[0].id, n=1, data={"kind": args.kind, "origin": args.origin})

    batch_id, [made] = await context.store.enqueue([task], name=args.kind, actor=actor.user, tell=tell)
    context.hooks.wake()
    trigger = "manual" if args.origin == "manual" else args.origin
    said = f"job {made.id} queued" if made.new else f"job {made.id} has this key and is not over: nothing was made"
    return {
        "success": True,
        "message": said,
        "job_id": made.id,
        "jobId": made.id,
        "new": made.new,
        "batch_id": batch_id or None,
        "kind": args.kind,
        "priority": task.priority,
        "due_at": task.due_at,
        "statusUrl": f"paceline job show {made.id}",
        "meta": {"trigger": trigger, "timestamp": context.clock.now()},
    }


@action("job.again", JobArgs)
async def again(context: Context, args: JobArgs, actor: Actor) -> Result:
    """Make a background job like one that is over: of its kind, given the same, by its own limits, due now."""
    before = await context.store.read(lambda reader: reader.job(args.job))
    if before["kind"] == SEND:
        raise RefusedError(f"job {args.job} is a message: nothing sends it a second time")
    if before["state"] in OPEN:
        raise RefusedError(f"job {args.job} is {before['state']}: only one that is over is run again")
    if before["state"] == JobState.UNCERTAIN:
        raise RefusedError(f"job {args.job} is uncertain: it may have been done", hint=_instead(before))
    known = await context.store.read(lambda reader: task(reader, args.job)) or {}
    spec = AddArgs(
        kind=before["kind"],
        payload=known["payload"] or {},
        queue=before["queue"],
        priority=before["priority"],
        retries=known["retries"],
        timeout=known["timeout"],
        unique=known["unique_key"],
        origin=f"job {args.job}",
    )
    return await add(context, spec, actor)


@action("job.begin", BeginArgs)
async def begin(context: Context, args: BeginArgs, actor: Actor) -> Result:
    """Begin a batch of background jobs; nothing of it can run before `job.commit`."""
    batch_id = await context.store.begin_batch(None, "enqueue", args.name, actor.user)
    return {"success": True, "batch_id": batch_id}


@action("job.rows", RowsArgs)
async def rows(context: Context, args: RowsArgs, actor: Actor) -> Result:
    """Add one slice; each mistake is told with its row. Of a slice with one nothing is added, unless `skip_bad`."""
    tasks: list[NewTask] = []
    queues = await queues_of(context)
    errors: list[dict[str, Any]] = []
    for number, row in zip(args.numbers or count(1), args.rows, strict=False):
        try:
            tasks.append(new_task(context, _spec(row), queues, origin=args.origin))
        except PacelineError as error:
            errors.append({"row": number, "error": error.message[:LONGEST_ERROR], "hint": error.hint[:LONGEST_ERROR]})
    if errors and not args.skip_bad:
        return {"success": False, "added": 0, "known": 0, "ids": [], "errors": errors}
    made = await context.store.add_tasks(args.batch_id, tasks)
    new = sum(one.new for one in made)
    ids = [one.id for one in made]
    return {"success": not errors, "added": new, "known": len(made) - new, "ids": ids, "errors": errors}


@action("job.commit", CommitArgs)
async def commit(context: Context, args: CommitArgs, actor: Actor) -> Result:
    """Let a whole batch run; one with nothing in it is removed."""

    def tell(n: int, name: str) -> Event:
        text = f"made {n:,} {'job' if n == 1 else 'jobs'}{f' of {name}' if name else ''} (batch {args.batch_id})"
        return audit("job.added", text, actor, n=n, data={"batch": args.batch_id})

    await context.store.finish_enqueue(args.batch_id, go_on=args.go_on, tell=tell)
    await plans.release(context.store, args.batch_id)
    context.hooks.wake()
    return {"success": True, "batch_id": args.batch_id}


@action("job.discard", BatchArgs)
async def discard(context: Context, args: BatchArgs, actor: Actor) -> Result:
    """Take a batch back that was not committed."""
    await plans.discard(context.store, args.batch_id)
    return {"success": True, "batch_id": args.batch_id}


@action("job.end", EndArgs)
async def end(context: Context, args: EndArgs, actor: Actor) -> Result:
    """Ask running background jobs to end: at the next good place, or in 10 s where they are. One that must not run
    twice ends at a good place only."""
    asked = []
    for job_id in dict.fromkeys(args.ids):
        if await context.store.ask_to_end(job_id, actor.user):
            context.hooks.end_job(job_id, actor.user)
            asked.append(job_id)
    if not asked:
        raise RefusedError("none of these jobs runs", hint="cancel a waiting one with `paceline job cancel`")
    words = f"job {asked[0]}" if len(asked) == 1 else f"{len(asked)} jobs"
    await context.store.add_event(audit("job.end", f"asked {words} to end", actor, n=len(asked), data={"jobs": asked}))
    return {"success": True, "asked": asked, "message": f"{words} asked to end"}


@action("job.reset", JobArgs)
async def reset(context: Context, args: JobArgs, actor: Actor) -> Result:
    """Take a background job back that nobody runs any more: it waits again, or is uncertain when it must not run twice.
    Engines do so by themselves, a minute after its lease ran out at the latest."""
    before = await context.store.read(lambda reader: reader.job(args.job))
    if before["kind"] == SEND:
        raise RefusedError(f"job {args.job} is a message: the engine itself settles what is in flight")
    if before["state"] != JobState.PROCESSING:
        raise RefusedError(
            f"job {args.job} is {before['state']}: only one that runs can be stuck", hint=_instead(before)
        )
    held = context.hooks.under_way()
    if args.job in held:
        raise RefusedError(
            f"job {args.job} runs in this engine and is not stuck", hint=f"to end it: paceline job cancel {args.job}"
        )
    left = before["lease_until"] - context.clock.now()
    if left > 0:
        raise RefusedError(
            f"the lease of job {args.job} holds for another {format_duration(left)}: who has it may still run it",
            hint="when it is over an engine takes the job back by itself",
        )
    await context.store.rescue(everything=False, held=held)
    after = await context.store.read(lambda reader: reader.job(args.job))
    await context.store.add_event(audit("job.reset", f"took job {args.job} back", actor, job_id=args.job))
    context.hooks.wake()
    return {"success": True, "job": args.job, "state": after["state"], "message": f"job {args.job} is {after['state']}"}


def _instead(row: dict[str, Any]) -> str:
    return {
        "failed": f"paceline job retry {row['id']}",
        "uncertain": f"paceline job resolve {row['id']} --done|--again",
    }.get(row["state"], f"paceline job explain {row['id']}")


def _spec(row: dict[str, Any]) -> JobSpec:
    from pydantic import ValidationError

    try:
        return JobSpec.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "job"
        raise UsageError(f"{where}: {first['msg']}", hint="paceline job add --help shows the fields") from None


def new_task(context: Context, spec: JobSpec, queues: dict[str, int], *, origin: str) -> NewTask:
    """A job as the store takes it: its kind installed, its payload checked; `queues` are those of `queues_of`. Raises
    UsageError naming the field."""
    jobs, processor = context.config.jobs, context.registry.get(spec.kind)
    _, payload = check_payload(processor, spec.payload, jobs.folder)
    table = jobs.kind(spec.kind)
    queue = spec.queue or table.queue or processor.queue
    if queue not in queues:
        raise UsageError(
            f"queue: there is no queue {queue[:60]!r} of background jobs", hint=f"there are: {', '.join(queues)}"
        )
    weighed = priority_of(jobs.priority, urgency=spec.urgency, tier=spec.tier, value=spec.value)
    is_weighed = bool(spec.urgency or spec.tier or spec.value is not None)
    if spec.priority is not None and is_weighed:
        raise UsageError("priority: give either a number or urgency, tier and value")
    return NewTask(
        kind=spec.kind,
        queue_id=queues[queue],
        due_at=max(context.clock.now(), spec.due_at or 0),
        payload=payload,
        priority=weighed if is_weighed else _first(spec.priority, processor.priority, weighed),
        effect=processor.effect.value,
        retries=_first(spec.retries, table.retries, processor.retries, jobs.retries),
        timeout=_first(spec.timeout, table.timeout, processor.timeout, jobs.timeout),
        stage=spec.stage,
        unique_key=f"{spec.kind}:{spec.unique}" if spec.unique else "",
        origin=origin,
    )


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)


async def queues_of(context: Context) -> dict[str, int]:
    """The queues of background jobs that the configuration names, with their ids."""
    names = context.config.jobs.queue_names()
    return {name: (await context.store.ensure_queue(name, CHANNEL)).id for name in names}
