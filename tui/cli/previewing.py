"""The message of one person of a campaign, read back from the very bytes that would leave."""

from __future__ import annotations

from engine.compose.identity import message_id_for
from engine.compose.preview import Preview, preview
from engine.composer import letter_factory, make_factory
from engine.config import Config
from storage.errors import RefusedError
from storage.letters import Letter
from storage.row_nouns import campaign_of, step_of
from tui.cli.output import Json


def preview_of(
    row: Json,
    person: Json,
    config: Config,
    *,
    now: int,
    position: int = 1,
    message_id: str = "",
    account: str = "",
    letter: Letter | None = None,
) -> Preview:
    """`row` as `Reader.campaign`, `person` as `Reader.recipients` gives them; `position`: which step, counted from 1.
    `message_id`: that of their job, where there is one; `account`: who sends it, where that is known; `letter`: its own
    text instead of its step's. Raises PacelineError: no such account or step, a field that is
    missing for this person."""
    step = step_of(row, position)
    sender = config.account(account or account_of(row, step.channel, person["id"]))
    campaign = campaign_of(row)
    factory = letter_factory(campaign, step, sender, letter) if letter else make_factory(campaign, step, sender)
    domain = factory.sender.rpartition("@")[2] or "paceline.invalid"
    message_id = message_id or message_id_for(domain, row["id"], person["id"], step.id, row["seed"])
    return preview(factory, person["address"], person["fields"], message_id, now, person.get("profile", ""))


def account_of(row: Json, channel: str, recipient_id: int) -> str:
    """Which of a campaign's accounts a step of this channel ("": the first account's) goes through for a person, unless
    another one wrote to them before. Raises RefusedError when there is none."""
    fitting = [one["name"] for one in row["accounts"] if one["channel"] == (channel or row["channel"])]
    if not fitting:
        raise RefusedError(
            f"campaign '{row['name']}' has no {channel} account",
            hint=f"name one: paceline campaign edit {row['name']} --also ACCOUNT",
        )
    return str(fitting[recipient_id % len(fitting)])


def preview_of_job(row: Json, job: Json, letter: Letter | None, config: Config, *, now: int) -> Preview:
    """The message of a job (`Reader.job`) of the campaign `row`, as it would leave. Raises as `preview_of`."""
    person = {**job, "id": job["recipient_id"]}
    return preview_of(
        row, person, config, now=now, position=job["step"] or 1, message_id=job["message_id"], account=job["queue"],
        letter=letter,
    )  # fmt: skip
