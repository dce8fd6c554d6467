"""What an estimate is made from, out of the store: messages by the account that they go through."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from engine.estimating import Share, estimated
from engine.planning.limits import Limits
from engine.planning.pacing import Estimate, Pacing, range_text
from engine.plans import windows_of
from storage import forecast_facts as facts
from storage import lanes
from storage.errors import RefusedError
from storage.fixed_set import FixedSet
from storage.nouns import Campaign
from storage.reader import Reader, Row
from storage.row_nouns import campaign_of, steps_of


def retry_estimate(reader: Reader, fixed: FixedSet, row: Row, start: int) -> Estimate:
    """When what a set holds of one campaign (`row` as `Reader.campaign` gives it) is through once more: each message
    through its own account and by the pacing of its step, as `engine.retrying` plans them from `start` (us) on. Raises
    RefusedError where no account of the campaign can send any of them, UsageError for a window that does not open."""
    campaign = campaign_of(row)
    limits = {one["id"]: Limits.from_dict(facts.queue(reader, one["id"])["limits"]) for one in row["accounts"]}
    paces = {step.id: json.dumps(step.pacing or campaign.pacing) for step in steps_of(row)}
    plans: dict[int, dict[str, Share]] = {
        queue: {pace: Share(windows_of(campaign, one), one) for pace in paces.values()} for queue, one in limits.items()
    }
    ways = [(queue, step, n) for (number, queue, step), n in fixed.ways.items() if number == campaign.id and step]
    homes = {queue: lanes.home(reader, campaign.id, queue) for queue in {queue for queue, _, _ in ways}}
    if any(share.asks for plan in plans.values() for share in plan.values()):
        for job in facts.fields_of(reader, campaign.id, fixed.jobs.ids):
            if (plan := plans.get(homes[job["queue_id"]])) is not None:
                plan[paces[job["step_id"]]].add(job["fields"])
    else:
        for queue, step, n in ways:
            if (plan := plans.get(homes[queue])) is not None:
                plan[paces[step]].add(n=n)
    used = [pace for pace in dict.fromkeys(paces.values()) if any(plan[pace].n for plan in plans.values())]
    if not used:
        raise RefusedError(f"campaign '{campaign.name}' has no account of this channel any more")
    if len(used) == 1:
        return estimated(campaign, _pacing(used[0]), [plan[used[0]] for plan in plans.values()], start)
    return _by_steps(campaign, used, list(plans.values()), start)


def _by_steps(campaign: Campaign, paces: Sequence[str], plans: Sequence[Mapping[str, Share]], start: int) -> Estimate:
    """Several steps, each by a pacing of its own: in each account one behind the other."""
    firsts, ends = list[int](), [(start, start)]
    for plan in plans:
        low = high = start
        for pace in paces:
            if plan[pace].n:
                soonest = plan[pace].estimate(campaign, _pacing(pace), low)
                firsts.append(soonest.first)
                low, high = soonest.last_low, plan[pace].estimate(campaign, _pacing(pace), high).last_high
        ends.append((low, high))
    low, high = max(end[0] for end in ends), max(end[1] for end in ends)
    n = sum(share.n for plan in plans for share in plan.values())
    text = f"{n} of several steps takes {range_text(low - start, high - start)}"
    return Estimate(min(firsts), low, high, text)


def _pacing(text: str) -> Pacing:
    return Pacing.from_dict(json.loads(text))
