"""Alarms that pause a campaign by themselves: what is wrong for everybody must not be tried on everybody."""

from __future__ import annotations

from collections import Counter

from engine.outcomes import Outcome
from engine.retry import Disposition
from storage.events import Event
from storage.model import CampaignState, OutcomeClass, PauseReason
from storage.store import Store

CONTENT_ERRORS = 3
"""Content errors of one kind: what one server refuses in the text, it refuses for everybody."""


class CampaignAlarms:
    """Watches the outcomes of one queue's campaigns."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._content: Counter[tuple[int, str]] = Counter()

    async def note(self, campaign_id: int, outcome: Outcome, fate: Disposition) -> None:
        """Pause the campaign when this outcome says that its set-up or its text is wrong."""
        if fate.pause_campaign:
            await self._pause(campaign_id, f"{outcome.error_key}: {outcome.text}"[:300])
        elif outcome.cls is OutcomeClass.CONTENT:
            key = (campaign_id, outcome.error_key)
            self._content[key] += 1
            if self._content[key] >= CONTENT_ERRORS:
                del self._content[key]
                await self._pause(campaign_id, f"{CONTENT_ERRORS} times {outcome.error_key}")

    async def _pause(self, campaign_id: int, detail: str) -> None:
        campaign = await self._store.get_campaign(campaign_id)
        if campaign.state is not CampaignState.ACTIVE:
            return
        await self._store.pause_campaign(
            campaign_id,
            PauseReason.ERRORS,
            detail,
            Event("campaign.paused", f"engine paused {campaign.name}: {detail}", level="error"),
        )
