"""What people do with schedules: make, change, enable, disable, remove, fire by hand, look what would come."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field

from engine.control.actions import Args, Context, Result, action, audit
from engine.control.campaigns import check_name
from engine.control.work import queues_of
from engine.planning.cron import LONGEST_EXPRESSION, Cron
from engine.planning.missed import MOST_CAUGHT_UP, Missed
from engine.schedule_words import SHOWN, upcoming
from engine.schedules import task_of
from storage.errors import NotFoundError, RefusedError, UsageError
from storage.model import DAY, HOUR, Actor
from storage.schedules import Schedule, ScheduleSpec

MOST_SHOWN = 100
_DEFAULTS: dict[str, Any] = {
    "payload": {}, "queue": "", "priority": 0, "missed": "run_once", "grace": HOUR, "most": 10, "overlap": "skip",
    "enabled": True,
}  # fmt: skip
_TIMED = ("kind", "cron", "zone")


class NamedArgs(Args):
    """`version`: act only if the schedule still has it, as the person saw it."""

    name: str = Field(max_length=64)
    version: int | None = None


class SpecArgs(NamedArgs):
    """What is not given stays as it is; a new schedule has the configured zone, and the defaults. `grace` in
    microseconds; `queue` "" and `priority` 0: that of its kind; `enabled` counts for a new one only."""

    kind: str | None = Field(default=None, max_length=100)
    cron: str | None = Field(default=None, max_length=2 * LONGEST_EXPRESSION)
    zone: str | None = Field(default=None, max_length=100)
    payload: dict[str, Any] | None = None
    queue: str | None = Field(default=None, max_length=100)
    priority: int | None = Field(default=None, ge=0, le=10)
    missed: Literal["skip", "run_once", "catch_up"] | None = None
    grace: int | None = Field(default=None, ge=0, le=366 * DAY)
    most: int | None = Field(default=None, ge=1, le=MOST_CAUGHT_UP)
    overlap: Literal["skip", "wait", "allow"] | None = None
    enabled: bool | None = None


class PreviewArgs(SpecArgs):
    """`n`: so many firings."""

    name: str = Field(default="", max_length=64)
    n: int = Field(default=SHOWN, ge=1, le=MOST_SHOWN)


class RunArgs(NamedArgs):
    """`anyway`: also while a job of it is not over."""

    anyway: bool = False


@action("schedule.add", SpecArgs)
async def add(context: Context, args: SpecArgs, actor: Actor) -> Result:
    """Make a schedule. Its times count from now on."""
    check_name(args.name, of="schedule")
    spec, cron = _checked(context, args, None)
    text = f"added schedule {spec.name}: {spec.cron} {spec.zone}, {spec.kind}"
    event = audit("schedule.added", text, actor, data={"schedule": spec.name})
    made = await context.store.add_schedule(spec, cron.next_after(context.clock.now()), event)
    context.hooks.wake()
    return _told(context, made, f"schedule {made.name} is {_state(made)}")


@action("schedule.edit", SpecArgs)
async def edit(context: Context, args: SpecArgs, actor: Actor) -> Result:
    """Change a schedule. Other times count from now on; what was fired already goes on as it was. The answer's `was` is
    what takes it back."""
    if args.enabled is not None:
        raise UsageError("enabled is not edited", hint="paceline schedule enable NAME, or disable")
    seen = await _find(context, args)
    spec, cron = _checked(context, args, seen)
    changed = sorted(name for name in args.model_fields_set - {"name", "version"} if _differs(spec, seen, name))
    if not changed:
        return {**_told(context, seen, f"schedule {seen.name} is as it was: nothing was changed"), "was": {}}
    was = {name: value for name, value in _values(seen).items() if name in changed}
    event = audit(
        "schedule.edited", f"changed {', '.join(changed)} of schedule {spec.name}", actor,
        data={"schedule": spec.name, "was": was},
    )  # fmt: skip
    after = max(seen.decided_at, context.clock.now())
    made = await context.store.edit_schedule(seen, spec, cron.next_after(after), event)
    context.hooks.wake()
    return {**_told(context, made, f"schedule {made.name}: {', '.join(changed)} changed"), "was": was}


@action("schedule.remove", NamedArgs)
async def remove(context: Context, args: NamedArgs, actor: Actor) -> Result:
    """Take a schedule away with the record of its firings. Its jobs stay, also one that runs."""
    seen = await _find(context, args)
    event = audit("schedule.removed", f"removed schedule {seen.name}", actor, data={"schedule": seen.name})
    await context.store.remove_schedule(seen, event)
    context.hooks.wake()
    return {"success": True, "schedule": seen.name, "message": f"schedule {seen.name} is gone; its jobs stay"}


@action("schedule.enable", NamedArgs)
async def enable(context: Context, args: NamedArgs, actor: Actor) -> Result:
    """Let a schedule fire again, from now on: what came while it was disabled is not made up for."""
    return await _set(context, args, actor, True)


@action("schedule.disable", NamedArgs)
async def disable(context: Context, args: NamedArgs, actor: Actor) -> Result:
    """Let a schedule fire no more, nor begin what waits for a run before. A run that has begun goes on."""
    return await _set(context, args, actor, False)


@action("schedule.run", RunArgs)
async def run(context: Context, args: RunArgs, actor: Actor) -> Result:
    """Fire once now, by hand, whether it is enabled or not; its own times stay as they are."""
    seen = await _find(context, args)
    task = task_of(context, seen.spec, await queues_of(context))
    event = audit("schedule.run", f"ran schedule {seen.name}", actor, data={"schedule": seen.name})
    job_id = await context.store.run_schedule(seen.id, task, event, anyway=args.anyway)
    context.hooks.wake()
    return {
        "success": True,
        "message": f"schedule {seen.name}: job {job_id} queued",
        "schedule": seen.name,
        "job_id": job_id,
        "jobId": job_id,
        "statusUrl": f"paceline job show {job_id}",
        "meta": {"trigger": "manual", "timestamp": context.clock.now()},
    }


@action("schedule.preview", PreviewArgs, reads=True)
async def preview(context: Context, args: PreviewArgs, actor: Actor) -> Result:
    """When a schedule would fire, before it is saved: a new one, or one that exists with what is given changed. A kind
    and its payload are checked too, where a kind is known."""
    seen = None
    if args.name:
        try:
            seen = await _find(context, args)
        except NotFoundError:
            check_name(args.name, of="schedule")
    if args.cron is None and seen is None:
        raise UsageError("cron: an expression is missing", hint="For example 0 8 * * *")
    spec, cron = _checked(context, args, seen)
    following = upcoming(cron, context.clock.now(), args.n)
    return {
        "success": True, "schedule": spec.name, "exists": seen is not None, "cron": spec.cron, "zone": spec.zone,
        "words": cron.in_words(), "next": following,
    }  # fmt: skip


async def _find(context: Context, args: NamedArgs) -> Schedule:
    seen = await context.store.get_schedule(args.name)
    if args.version is not None and args.version != seen.version:
        raise RefusedError(f"schedule '{seen.name}' changed meanwhile", hint="look again, then decide")
    return seen


def _checked(context: Context, args: SpecArgs, seen: Schedule | None) -> tuple[ScheduleSpec, Cron]:
    """What a schedule would say, all of it checked. Raises UsageError naming the field."""
    given = {name: value for name in (*_DEFAULTS, *_TIMED) if (value := getattr(args, name)) is not None}
    values = {**_DEFAULTS, "zone": context.config.zone, **(_values(seen) if seen is not None else {}), **given}
    looks_only = isinstance(args, PreviewArgs)
    if not looks_only:
        for field in ("cron", "kind"):
            if not values.get(field):
                raise UsageError(f"{field} is missing", hint="see `paceline schedule add --help`")
    cron = Cron.parse(values["cron"], values["zone"])
    Missed(values["missed"], values["grace"], values["most"])
    payload = json.dumps(values["payload"], ensure_ascii=False, separators=(",", ":"))
    words = {"cron": cron.expression, "payload": payload, "kind": values.get("kind") or ""}
    spec = ScheduleSpec(**{**values, **words, "name": seen.name if seen is not None else args.name})
    if spec.kind:
        # To check it only: no queue is made here.
        task_of(context, spec, dict.fromkeys(context.config.jobs.queue_names(), 0))
    return spec, cron


def _values(seen: Schedule) -> dict[str, Any]:
    values = {name: getattr(seen, name) for name in (*_DEFAULTS, *_TIMED)}
    return {**values, "payload": json.loads(seen.payload)}


def _differs(spec: ScheduleSpec, seen: Schedule, name: str) -> bool:
    before, after = getattr(seen, name), getattr(spec, name)
    return bool(json.loads(before) != json.loads(after) if name == "payload" else before != after)


async def _set(context: Context, args: NamedArgs, actor: Actor, enabled: bool) -> Result:
    seen = await _find(context, args)
    word = "enabled" if enabled else "disabled"
    if seen.enabled == enabled:
        return _told(context, seen, f"schedule {seen.name} was {word} already")
    event = audit(f"schedule.{word}", f"{word} schedule {seen.name}", actor, data={"schedule": seen.name})
    # One whose zone this machine no longer knows can still be disabled.
    next_at = Cron.parse(seen.cron, seen.zone).next_after(context.clock.now()) if enabled else seen.next_at
    made = await context.store.set_schedule_enabled(seen, enabled, next_at, event)
    context.hooks.wake()
    return _told(context, made, f"schedule {made.name} is {_state(made)}")


def _state(schedule: Schedule) -> str:
    return "enabled" if schedule.enabled else "disabled"


def _told(context: Context, schedule: Schedule, message: str) -> Result:
    cron = Cron(schedule.cron, schedule.zone)
    after = max(schedule.decided_at, context.clock.now())
    following = upcoming(cron, after) if schedule.enabled else []
    if following:
        message += f"; next {following[0]['local']}"
    return {
        "success": True, "schedule": schedule.name, "id": schedule.id, "version": schedule.version,
        "enabled": schedule.enabled, "kind": schedule.kind, "cron": schedule.cron, "zone": schedule.zone,
        "words": cron.in_words(), "missed": schedule.missed, "overlap": schedule.overlap, "next": following,
        "message": message,
    }  # fmt: skip
