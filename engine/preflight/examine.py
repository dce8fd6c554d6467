"""A preflight from beginning to end: gather, then let every check look. Changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from engine.account_base import AccountBase, MailAccount
from engine.accounts import Account, OutboxAccount
from engine.compose.factory import Factory
from engine.composer import make_factory
from engine.config import Config
from engine.dns import DomainFacts, Names, is_special, look_up
from engine.estimating import Share, estimated
from engine.planning.caps import Cap
from engine.planning.limits import Limits
from engine.planning.pacing import Estimate, Pacing
from engine.plans import asked_fields, windows_of
from engine.preflight.checks import CHECKS, SHARED_DAYS
from engine.preflight.findings import FEW, Finding, Report
from engine.preflight.people import survey
from engine.preflight.subject import Login, Subject
from engine.secrets import resolve
from storage import pace_facts
from storage.errors import PacelineError, UsageError
from storage.model import DAY
from storage.nouns import Campaign, Step
from storage.queue_facts import caps_used
from storage.reader import Reader, Row
from storage.row_nouns import campaign_of, step_of, steps_of
from storage.shared_people import shared_people

T = TypeVar("T")


class Read(Protocol):
    """Runs a look at the store in a thread of its own, over a read-only view (`Store.read`)."""

    def __call__(self, look: Callable[[Reader], T]) -> Awaitable[T]: ...


Connect = Callable[[Account], Awaitable[Login]]


async def examine(
    read: Read,
    config: Config,
    name: str,
    *,
    now: int,
    connect: Connect | None = None,
    names: Names | None = None,
) -> Report:
    """All that would go wrong with the campaign `name`, at `now` (us UTC). `connect` logs in at the account's server,
    `names` is the resolver to ask (None: this machine's). Raises NotFoundError, StoreError."""
    subject = await read(lambda reader: _gather(reader, config, name, now))
    login, domains = await asyncio.gather(_login(subject, connect), _domains([subject, *subject.others], names))
    others = [
        replace(other, login=await _login(other, connect), **domain)
        for other, domain in zip(subject.others, domains[1:], strict=True)
    ]
    subject = replace(subject, login=login, others=tuple(others), **domains[0])
    return _report(subject, [finding for check in CHECKS for finding in check(subject)])


def _gather(reader: Reader, config: Config, name: str, now: int) -> Subject:
    row = reader.campaign(name)
    campaign, step, pacing = campaign_of(row), step_of(row), Pacing.from_dict(row["pacing"])
    account: Account | None = None
    factory: Factory | None = None
    trouble: PacelineError | None = None
    try:
        account = config.account(row["account"])
        factory = make_factory(campaign, step, account)
    except PacelineError as error:
        trouble = error
    guarded = account is not None and not row["live"] and account.channel != "outbox"
    factories = ({1: factory} if factory is not None else {}) | _further(campaign, row, config)
    limits = _limits(reader, config, account)
    fields = _zone_fields(reader, row, config, campaign)
    through = _steps_through(row)
    fitting = [name for name, steps in through.items() if step in steps]
    shares = _shares(reader, config, campaign, fitting)
    people = survey(reader, row, config, factories, guarded=guarded, now=now, zone_fields=fields, shares=shares)
    share = -(-people.to_send // max(len(fitting), 1))
    subject = Subject(
        now=now,
        row=row,
        campaign=campaign,
        step=step,
        pacing=pacing,
        account=account,
        limits=limits,
        factory=factory,
        fields=frozenset().union(*(one.fields for one in factories.values())),
        without=tuple(place for place in range(2, len(row["steps"]) + 1) if place not in factories),
        trouble=trouble,
        secret=_secret_trouble(account),
        people=people,
        shared=shared_people(reader, row["id"], since=now - SHARED_DAYS * DAY, limit=FEW),
        engine_paused=reader.engine()["paused"],
        sent_today=_sent_today(reader, config, factory, now),
        spent=tuple(_spent(reader, row, config, now)),
        queue=pace_facts.queue(reader, campaign.account),
        steps=through[campaign.account],
        share=share if campaign.account in fitting else 0,
    )
    others = [
        _through(subject, reader, config, name, steps, share if name in fitting else 0)
        for name, steps in through.items()
        if name != campaign.account
    ]
    return replace(subject, others=tuple(others), estimate=_estimate(subject, shares))


def _steps_through(row: Row) -> dict[str, tuple[Step, ...]]:
    """The steps that each account of a campaign may send: those of its channel."""
    steps = steps_of(row)
    return {
        one["name"]: tuple(step for step in steps if (step.channel or row["channel"]) == one["channel"])
        for one in row["accounts"]
    }


def _through(
    subject: Subject, reader: Reader, config: Config, name: str, steps: tuple[Step, ...], share: int
) -> Subject:
    """The same campaign through another of its accounts, which may send these `steps` and of a start `share`
    messages."""
    account: Account | None = None
    trouble: PacelineError | None = None
    try:
        account = config.account(name)
    except PacelineError as error:
        trouble = error
    return replace(
        subject,
        campaign=replace(subject.campaign, account=name),
        account=account,
        limits=_limits(reader, config, account),
        trouble=trouble,
        secret=_secret_trouble(account),
        queue=pace_facts.queue(reader, name),
        steps=steps,
        share=share,
    )


def _limits(reader: Reader, config: Config, account: Account | None) -> Limits | None:
    return account.limits(config.zone).tuned(reader.tuning(account.name)) if account is not None else None


def _zone_fields(reader: Reader, row: Row, config: Config, campaign: Campaign) -> set[str]:
    """The fields that say which clock is a person's own, by the campaign's window or that of an account of it."""
    found = set[str]()
    for queue in row["accounts"]:
        limits = _limits(reader, config, config.accounts.get(queue["name"])) or Limits()
        found |= asked_fields(windows_of(campaign, limits))
    return found


def _spent(reader: Reader, row: Row, config: Config, now: int) -> Iterator[tuple[str, Cap, int]]:
    """The caps of the campaign's accounts that have nothing left at this moment."""
    for queue in row["accounts"]:
        if (account := config.accounts.get(queue["name"])) is None:
            continue
        limits = account.limits(config.zone).tuned(reader.tuning(account.name))
        uses = caps_used(reader, queue["id"], limits.ceilings(now), now)
        for cap, use in zip(limits.caps, uses, strict=True):
            if use["frees_at"] is not None:
                yield account.name, cap, use["frees_at"]


def _further(campaign: Campaign, row: Row, config: Config) -> dict[int, Factory]:
    """The messages behind the first one by their place, each through the first account of its channel."""
    made: dict[int, Factory] = {}
    for step in steps_of(row)[1:]:
        channel = step.channel or row["channel"]
        name = next((one["name"] for one in row["accounts"] if one["channel"] == channel), "")
        with suppress(PacelineError):
            made[step.position] = make_factory(campaign, step, config.account(name))
    return made


def _shares(reader: Reader, config: Config, campaign: Campaign, names: Sequence[str]) -> list[Share]:
    """What goes through each of these accounts; none where the configuration lacks one: a start is refused."""
    limits = [_limits(reader, config, config.accounts.get(name)) for name in names]
    return [Share(windows_of(campaign, one), one) for one in limits if one is not None] if all(limits) else []


def _estimate(subject: Subject, shares: Sequence[Share]) -> Estimate | None:
    """When the slowest of the accounts is through with its share, as a start tells it; None where nobody is to be
    sent to, or the start says why it is refused (such as a window that never opens, or a spread without a cap)."""
    if any(share.n for share in shares):
        with suppress(UsageError):
            return estimated(subject.campaign, subject.pacing, shares, subject.now)
    return None


def _secret_trouble(account: Account | None) -> PacelineError | None:
    if account is None:
        return None
    for reference in account.secrets:
        try:
            resolve(reference, account=account.name)
        except PacelineError as error:
            return error
    return None


def _sent_today(reader: Reader, config: Config, factory: Factory | None, now: int) -> int:
    if factory is None:
        return 0
    domain = factory.sender.rpartition("@")[2]
    same = {name for name, account in config.accounts.items() if account.sender.rpartition("@")[2] == domain}
    queues: list[Row] = reader.rows("SELECT id, name FROM queues")
    return sum(reader.used(queue["id"], now - DAY) for queue in queues if queue["name"] in same)


async def _login(subject: Subject, connect: Connect | None) -> Login | None:
    return await connect(subject.account) if connect is not None and subject.account is not None else None


async def _domains(subjects: list[Subject], names: Names | None) -> list[dict[str, Any]]:
    """What `_dns` says of the first account, and of each further one that sends e-mail from a domain of its own."""
    domains = [subject.sender.rpartition("@")[2].lower() for subject in subjects]
    asks = [
        place == 0 or (bool(domain) and domain not in domains[:place] and _leaves_by_mail(subjects[place]))
        for place, domain in enumerate(domains)
    ]
    found = iter(await asyncio.gather(*(_dns(one, names) for one, ask in zip(subjects, asks, strict=True) if ask)))
    return [next(found) if ask else {} for ask in asks]


def _leaves_by_mail(subject: Subject) -> bool:
    account = subject.account
    return account is not None and _mail(account) is not None and not isinstance(account, OutboxAccount)


async def _dns(subject: Subject, names: Names | None) -> dict[str, Any]:
    """`dns`, or `no_dns` for what need not be asked."""
    if subject.account is None or subject.factory is None:
        return {}
    if isinstance(subject.account, OutboxAccount):
        return {"no_dns": "an outbox account: nothing leaves this machine, the DNS of the sender does not matter"}
    if (mail := _mail(subject.account)) is None:
        return {"no_dns": f"{subject.account.channel} sends no e-mail: the DNS does not matter"}
    domain = subject.sender.rpartition("@")[2]
    if is_special(domain):
        return {"no_dns": f"{domain} is a name that nobody can own (RFC 2606): no receiver takes it for a sender"}
    found: DomainFacts = await look_up(domain, names or Names(), selector=mail.dkim_selector)
    return {"dns": found}


def _mail(account: AccountBase) -> MailAccount | None:
    return account.mail


def _report(subject: Subject, findings: list[Finding]) -> Report:
    found = subject.estimate
    return Report(
        campaign=subject.name,
        state=subject.row["state"],
        live=subject.row["live"],
        to_send=subject.people.to_send,
        pacing=subject.pacing.describe(),
        estimate=found.text if found else "",
        completion=found.last_high if found else None,
        fields=tuple(sorted(subject.fields)),
        findings=tuple(findings),
    )
