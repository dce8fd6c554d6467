"""What commands and screens ask `engine.explain`, and what they tell it of the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from storage.errors import PacelineError
from storage.reader import Reader
from tui.link import STARTING, LinkState

if TYPE_CHECKING:
    from engine.config import Config
    from engine.explain.asking import Asking
    from engine.planning.limits import Limits

Row = dict[str, Any]

MOST_CAMPAIGNS = 20
"""Campaigns of a queue that its explanation tells of, in their turn."""


def asking(
    reader: Reader, now: int, status: Mapping[str, Any], *, runs: bool, accounts: Mapping[str, Limits] | None = None
) -> Asking:
    """`status` is what a running engine tells of itself, {} where it was not asked; `accounts` as `limits_by_account`
    gives them."""
    # Only now: the first picture of a console waits for nothing of the engine.
    from engine.explain.asking import Asking
    from engine.explain.facts import EngineFacts

    facts = EngineFacts.told(status, runs=runs, paused=bool(reader.engine()["paused"]), accounts=accounts)
    return Asking(reader, now, facts)


def asked_by(reader: Reader, now: int, link: LinkState, accounts: Mapping[str, Limits] | None = None) -> Asking:
    """As a console asks, by what its link knows of the engine. One that is starting counts as running."""
    return asking(reader, now, link.status, runs=link.usable or link.word == STARTING, accounts=accounts)


def limits_by_account(load_config: Callable[[], Config]) -> Mapping[str, Limits] | None:
    """The limits of every configured account; None where the configuration cannot be read."""
    try:
        config = load_config()
        return {name: account.limits(config.zone) for name, account in config.accounts.items()}
    except PacelineError:
        return None


def explained(questions: Asking, scope: str, row: Mapping[str, Any]) -> Row:
    """The whole answer about one job, campaign or queue, as `Explanation.to_dict` gives it; of a queue with what holds
    its campaigns (`campaigns`). Raises NotFoundError."""
    if scope == "job":
        return questions.job(row["id"]).to_dict()
    if scope == "campaign":
        return questions.campaign(row["name"]).to_dict()
    answer = questions.queue(row["name"])
    names = answer.numbers["campaigns"][:MOST_CAMPAIGNS]
    return {**answer.to_dict(), "campaigns": [questions.campaign(name).to_dict() for name in names]}
