"""The message of one person of a campaign, read back from the very bytes that would leave."""

from __future__ import annotations

from engine.compose.identity import message_id_for
from engine.compose.preview import Preview, preview
from engine.composer import make_factory
from engine.config import Config
from storage.row_nouns import campaign_of, step_of
from tui.cli.output import Json


def preview_of(row: Json, person: Json, config: Config, *, now: int) -> Preview:
    """`row` as `Reader.campaign`, `person` as `Reader.recipients` gives them. Raises PacelineError: no such account,
    a field that is missing for this person."""
    step = step_of(row)
    factory = make_factory(campaign_of(row), step, config.account(row["account"]))
    domain = factory.sender.rpartition("@")[2]
    message_id = person["message_id"] or message_id_for(domain, row["id"], person["id"], step.id, row["seed"])
    return preview(factory, person["address"], person["fields"], message_id, now)
