"""What people do with an alarm: say that they have seen it, and take that back."""

from __future__ import annotations

from engine.control.actions import Args, Context, Result, action, audit
from storage.model import Actor


class AlarmArgs(Args):
    id: int


@action("alarm.ack", AlarmArgs)
async def ack(context: Context, args: AlarmArgs, actor: Actor) -> Result:
    """It no longer stands among what needs a person. What it stopped stays stopped."""
    event = audit("alarm.acknowledged", f"acknowledged alarm {args.id}", actor)
    text = await context.store.acknowledge_alarm(args.id, event)
    return {"success": True, "id": args.id, "message": f"alarm {args.id} is acknowledged: {text}"}


@action("alarm.unack", AlarmArgs)
async def unack(context: Context, args: AlarmArgs, actor: Actor) -> Result:
    """It stands among what needs a person again."""
    event = audit("alarm.brought_back", f"brought alarm {args.id} back", actor)
    text = await context.store.bring_alarm_back(args.id, event)
    return {"success": True, "id": args.id, "message": f"alarm {args.id} stands again: {text}"}
