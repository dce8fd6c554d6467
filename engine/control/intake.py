"""Recipients arrive in slices: the command line reads and checks the file, the engine never opens it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from engine import plans, routes
from engine.control.actions import Args, Context, Result, action, audit
from storage.errors import RefusedError
from storage.model import Actor, CampaignState
from storage.nouns import Campaign, RecipientRow
from storage.recipients import ImportSums
from storage.suppression_pages import refused_by_import, why


class BeginArgs(Args):
    campaign: str
    source: str = Field(max_length=500)
    sha256: str = ""


RowOfPerson = tuple[int, str, str, dict[str, Any]]
RowWithProfile = tuple[int, str, str, dict[str, Any], str]


class RowsArgs(Args):
    import_id: int
    rows: list[RowOfPerson | RowWithProfile] = Field(max_length=1000)
    """(row number, address, comparison key, fields) each, and the social profile where there is one."""


class CommitArgs(Args):
    import_id: int
    campaign: str
    source: str = ""
    rows: int
    imported: int
    rejected: int
    duplicates: int
    grouped: int = 0


class AbortArgs(Args):
    import_id: int


@action("recipients.begin", BeginArgs)
async def begin(context: Context, args: BeginArgs, actor: Actor) -> Result:
    """Open an import. Nothing of it is part of the campaign before `recipients.commit`."""
    campaign = await context.store.get_campaign(args.campaign)
    if campaign.state is CampaignState.CANCELLED:
        raise RefusedError(f"campaign '{campaign.name}' is cancelled", hint="make a new campaign")
    under_way, _ = await context.store.loading(campaign.id)
    if under_way:
        raise RefusedError(
            f"another import into '{campaign.name}' is under way", hint="wait for it to end, then import again"
        )
    import_id = await context.store.begin_import(campaign.id, args.source, args.sha256, actor.user)
    return {"import_id": import_id, "campaign_id": campaign.id, "state": campaign.state.value}


@action("recipients.rows", RowsArgs)
async def rows(context: Context, args: RowsArgs, actor: Actor) -> Result:
    """Store one slice; answers with the row numbers that the campaign already has (`duplicates`), and of those who must
    not be contacted with the reason (`suppressed`): they are not stored."""
    people = [RecipientRow(*row) for row in args.rows]
    keys, now = [(person.row, person.key, person.profile) for person in people], context.clock.now()
    found = await context.store.read(lambda reader: refused_by_import(reader, args.import_id, keys, now))
    kept = [person for person in people if person.row not in found]
    duplicates = await context.store.add_recipients(args.import_id, kept)
    suppressed = {str(number): why(entry) for number, entry in found.items()}
    return {"stored": len(kept) - len(duplicates), "duplicates": duplicates, "suppressed": suppressed}


@action("recipients.commit", CommitArgs)
async def commit(context: Context, args: CommitArgs, actor: Actor) -> Result:
    """Make the import part of the campaign; people added to an active one are planned at once, as a batch."""
    campaign = await context.store.get_campaign(args.campaign)
    sums = ImportSums(args.rows, args.imported, args.rejected, args.duplicates, args.grouped)
    if sums.rows != sums.imported + sums.rejected + sums.duplicates + sums.grouped:
        raise RefusedError("the rows of this import do not add up", hint="import the file again")
    if not sums.imported:
        while await context.store.remove_import_slice(args.import_id):
            pass
        return {"success": True, "imported": 0, "queued": 0, "empty": True, "message": "nobody was imported"}
    event = audit(
        "recipients.imported",
        f"imported {sums.imported:,} of {sums.rows:,} rows into {campaign.name}",
        actor,
        campaign_id=campaign.id,
        n=sums.imported,
        data={"source": args.source, "rejected": sums.rejected, "duplicates": sums.duplicates},
    )
    result: Result = {"success": True, "imported": sums.imported, "queued": 0, "empty": False}
    async with context.planning(campaign.id):
        # Looked at again under the lock: it may have been completed or cancelled while the file was read.
        campaign = await context.store.get_campaign(campaign.id)
        if campaign.state is CampaignState.CANCELLED:
            while await context.store.remove_import_slice(args.import_id):
                pass
            raise RefusedError(f"campaign '{campaign.name}' was cancelled meanwhile", hint="nobody was imported")
        await context.store.finish_import(args.import_id, sums, event)
        if campaign.state in (CampaignState.ACTIVE, CampaignState.PAUSED, CampaignState.COMPLETED):
            result |= await _plan_added(context, campaign, args.source, actor)
    return {"message": f"{sums.imported:,} imported into {campaign.name}", **result}


async def _plan_added(context: Context, campaign: Campaign, source: str, actor: Actor) -> Result:
    step = (await context.store.get_steps(campaign.id))[0]
    ways = await routes.routes_of(context, campaign, step)
    planned = await plans.plan_people(
        context.store,
        campaign,
        step,
        ways,
        start=context.clock.now(),
        kind="import",
        name=source,
        actor=actor.user,
    )
    if not planned.queued:
        return {}
    if campaign.state is CampaignState.COMPLETED:
        event = audit("campaign.started", f"added {planned.queued:,} to {campaign.name}", actor, n=planned.queued)
        await context.store.activate_campaign(
            campaign.id, event, execution="start", queued=planned.queued, batch_id=planned.batch_id
        )
    else:
        await context.store.finish_batch(planned.batch_id)
    await plans.release(context.store, planned.batch_id)
    context.hooks.wake()
    guarded = not campaign.live and ways[0].account.channel != "outbox"
    outside = "; it is not live: addresses outside the allow-list will be held" if guarded else ""
    return {
        "queued": planned.queued,
        "held": planned.held,
        "batch_id": planned.batch_id,
        "first_due": planned.first_due,
        "last_due": planned.last_due,
        "message": f"{planned.queued:,} imported and scheduled{outside}",
    }


@action("recipients.abort", AbortArgs)
async def abort(context: Context, args: AbortArgs, actor: Actor) -> Result:
    """Remove an unfinished import, as if it had never begun."""
    while await context.store.remove_import_slice(args.import_id):
        pass
    return {"success": True}
