"""What a dead engine or command left behind, settled by whoever takes the lock next: an engine or a single command."""

from __future__ import annotations

from engine.clock import Clock
from engine.planning.limits import Limits
from engine.plans import release
from engine.replanning import replan
from storage.events import Event
from storage.store import Store


async def recover(store: Store, clock: Clock) -> None:
    """Settle claims, remove half-loaded imports and batches, let go on what was loaded or planned to the end."""
    requeued, uncertain = 0, 0
    while True:
        rescued = await store.rescue(everything=True)
        requeued += rescued.requeued
        uncertain += rescued.uncertain
        if not rescued.requeued and not rescued.uncertain:
            break
    imports, loading, unreleased, replanning = await store.unfinished()
    for import_id in imports:
        while await store.remove_import_slice(import_id):
            pass
    for batch_id in loading:
        while await store.remove_batch_slice(batch_id):
            pass
    for batch_id in unreleased:
        await release(store, batch_id)
    for campaign_id in replanning:
        campaign = await store.get_campaign(campaign_id)
        queues = {id: await store.get_queue(name) for id, name, _ in await store.get_lanes(campaign_id)}
        limits = {id: Limits.from_dict(queue.limits if queue is not None else {}) for id, queue in queues.items()}
        await replan(store, campaign, limits, now=clock.now())
    await store.settle()
    if requeued or uncertain:
        text = f"recovered {requeued} claims; {uncertain} messages are uncertain: sent or not?"
        level = "warning" if uncertain else "info"
        await store.add_event(Event("engine.recovered", text, level=level, n=uncertain))
