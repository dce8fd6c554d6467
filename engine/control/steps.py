"""The steps and accounts of a campaign as people give them: each further step is checked as the first one is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from engine.accounts import Account
from engine.compose.errors import ComposeError
from engine.compose.template import compile_template
from engine.composer import make_factory
from engine.control.actions import Args
from engine.planning.pacing import Pacing
from engine.planning.waits import Wait
from engine.sequences import CONDITIONS, STOPS
from storage.campaigns import StepSpec
from storage.errors import UsageError
from storage.nouns import Campaign, Step

INVITES = "unipile"
"""The channel of which a message is an invitation: only what it sends can be accepted."""
CHANNELS = ("smtp", "outbox", INVITES, "webhook")
MOST = 20
"""Steps that a campaign may have."""
OVERLAPS = ("allow", "skip", "wait")
"""What happens to somebody whom another campaign writes to as well: nothing, they are left out, they wait."""
AFTER_FAILURE = ("stop", "next")
SCOPES = ("all", "list")
"""What a reader who leaves, leaves: everything, or the campaign's list."""


class StepArgs(Args):
    """A step behind the first. `channel`: what it is sent through, "" for that of the first account. `wait`: how long
    after the step before, as `engine.planning.waits.Wait.parse` reads it or as it is stored; "" for the default.
    `pacing`: its own, {} for the campaign's."""

    subject: str = ""
    text: str = ""
    html: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    attachments: list[dict[str, str]] = Field(default_factory=list)
    channel: str = ""
    wait: str | dict[str, Any] = ""
    conditions: list[str] = Field(default_factory=list)
    pacing: dict[str, Any] = Field(default_factory=dict)

    def spec(self, position: int) -> StepSpec:
        """As it is stored. Raises UsageError that names the step."""
        try:
            return StepSpec(
                self.subject, self.text, self.html, self.headers, tuple(self.attachments), self.channel,
                _wait(self.wait), _conditions(self.conditions),
                Pacing.from_dict(self.pacing).to_dict() if self.pacing else {},
            )  # fmt: skip
        except UsageError as error:
            raise UsageError(f"step {position}: {error.message}", hint=error.hint) from None


def _wait(given: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(given, str):
        return Wait.parse(given).to_dict() if given.strip() else {}
    if not given:
        return {}
    days, duration = given.get("business_days", 0), given.get("duration", 0)
    if not isinstance(days, int) or not isinstance(duration, int) or given.keys() - {"business_days", "duration"}:
        raise UsageError("wait: not a time to wait", hint='write "3d", "36h" or "3 business days"')
    # By its words, so that the same limits hold.
    return Wait.parse(f"{days} business days" if days else f"{duration}us").to_dict()


def _conditions(words: Sequence[str]) -> tuple[str, ...]:
    for word in words:
        if word not in CONDITIONS:
            raise UsageError(f"there is no condition {word[:40]!r}", hint=f"there are: {', '.join(CONDITIONS)}")
    if {"accepted", "not_accepted"} <= set(words):
        raise UsageError("'accepted' and 'not_accepted' exclude each other", hint="keep one of them")
    return tuple(dict.fromkeys(words))


def specs_of(steps: Sequence[StepArgs]) -> tuple[StepSpec, ...]:
    """The steps behind the first, as they are stored. Raises UsageError."""
    if len(steps) + 1 > MOST:
        raise UsageError(f"a campaign has at most {MOST} steps", hint="make a second campaign for the rest")
    return tuple(step.spec(position) for position, step in enumerate(steps, start=2))


def steps_of(campaign_id: int, specs: Sequence[StepSpec]) -> tuple[Step, ...]:
    """The further steps as nouns, before they are stored."""
    return tuple(
        Step(
            0, campaign_id, position, spec.subject, spec.text, spec.html, spec.headers, spec.attachments,
            spec.channel, spec.wait, spec.conditions, spec.pacing,
        )
        for position, spec in enumerate(specs, start=2)
    )  # fmt: skip


def check_steps(
    campaign: Campaign, steps: Sequence[Step], accounts: Sequence[Account], *, unfinished: bool = False
) -> set[str]:
    """Every step through every account that it may go through; the fields that they use. `unfinished`: the first text
    may be still to be written. Raises UsageError that names the step, ComposeError for the first one."""
    used: set[str] = set()
    invited = False
    for step in steps:
        channel = step.channel or accounts[0].channel
        fitting = [account for account in accounts if account.channel == channel]
        if not fitting:
            raise UsageError(
                f"step {step.position}: the campaign has no {channel} account",
                hint="name one with --also ACCOUNT"
                if channel in CHANNELS
                else f"the channels are: {', '.join(CHANNELS)}",
            )
        if not invited and {"accepted", "not_accepted"} & set(step.conditions):
            raise UsageError(
                f"step {step.position}: no step before it is an invitation that could be accepted",
                hint=f"an earlier step has to go through a {INVITES} account",
            )
        invited = invited or channel == INVITES
        if unfinished and step.position == 1 and not step.text.strip() and not step.html.strip():
            # A start refuses it.
            used |= compile_template(step.subject, name="subject").fields
            continue
        for account in fitting:
            try:
                used |= make_factory(campaign, step, account).fields
            except ComposeError as error:
                if step.position == 1:
                    raise
                raise UsageError(f"step {step.position}: {error.message}", hint=error.hint) from None
    return used


def unused(accounts: Sequence[Account], steps: Sequence[Step]) -> list[str]:
    """The accounts that no step goes through."""
    channels = {step.channel or accounts[0].channel for step in steps}
    return [account.name for account in accounts if account.channel not in channels]


def check_settings(settings: dict[str, Any]) -> None:
    """Those of a sequence (`stop_on`, `after_failure`, `accept_within_days`, `overlap`), and `unsubscribe_scope`.
    Raises UsageError."""
    stops = settings.get("stop_on", [])
    if not isinstance(stops, list) or (wrong := [word for word in stops if word not in STOPS]):
        said = f"there is no {str(wrong[0])[:40]!r}" if isinstance(stops, list) else "not a list"
        raise UsageError(f"stop_on: {said}", hint=f"a list of: {', '.join(STOPS)}")
    for name, words in (("after_failure", AFTER_FAILURE), ("overlap", OVERLAPS), ("unsubscribe_scope", SCOPES)):
        if name in settings and settings[name] not in words:
            raise UsageError(f"{name}: there is no {str(settings[name])[:40]!r}", hint=f"one of: {', '.join(words)}")
    days = settings.get("accept_within_days", 1)
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= 365:
        raise UsageError("accept_within_days: not a number of days from 1 to 365", hint="accept_within_days = 21")
