"""What people do with a queue: pause, resume, probe."""

from __future__ import annotations

from engine.control.actions import Args, Context, Result, action, audit
from storage.errors import NotFoundError, RefusedError
from storage.model import Actor, Queue, QueueState


class QueueArgs(Args):
    name: str


async def _queue(context: Context, name: str) -> Queue:
    if name in context.config.accounts:
        return await context.queue_of(context.config.account(name))
    queue = await context.store.get_queue(name)
    if queue is None:
        names = ", ".join(sorted(context.config.accounts)) or "none"
        raise NotFoundError(f"there is no queue '{name}'", hint=f"there are: {names}")
    return queue


async def _set(context: Context, queue: Queue, state: QueueState, kind: str, verb: str, actor: Actor) -> Result:
    changed = await context.store.set_queue_state(
        queue.id,
        state,
        reason=f"by {actor.user}" if state is QueueState.PAUSED else "",
        event=audit(kind, f"{verb} queue {queue.name}", actor, queue_id=queue.id),
    )
    context.hooks.wake()
    message = f"queue {queue.name} is {state.value}" if changed else f"queue {queue.name} was {state.value} already"
    return {"success": True, "queue": queue.name, "state": state.value, "was": queue.state.value, "message": message}


@action("queue.pause", QueueArgs)
async def pause(context: Context, args: QueueArgs, actor: Actor) -> Result:
    return await _set(context, await _queue(context, args.name), QueueState.PAUSED, "queue.paused", "paused", actor)


@action("queue.resume", QueueArgs)
async def resume(context: Context, args: QueueArgs, actor: Actor) -> Result:
    """Lift a pause, a cooling, or what needed attention: a person says that it is mended."""
    return await _set(context, await _queue(context, args.name), QueueState.READY, "queue.resumed", "resumed", actor)


@action("queue.probe", QueueArgs)
async def probe(context: Context, args: QueueArgs, actor: Actor) -> Result:
    """Try one message now instead of waiting for the end of a cooling; success makes the queue ready."""
    queue = await _queue(context, args.name)
    if queue.state is QueueState.READY:
        raise RefusedError(f"queue '{queue.name}' is ready: there is nothing to probe")
    if queue.state is QueueState.PAUSED:
        raise RefusedError(f"queue '{queue.name}' is paused", hint=f"paceline queue resume {queue.name}")
    return await _set(context, queue, QueueState.PROBING, "queue.probed", "probes", actor)
