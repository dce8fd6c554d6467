"""What the checks look at: everything that a preflight gathered, before any of it is judged."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.accounts import Account
from engine.compose.factory import Factory
from engine.dns import DomainFacts
from engine.planning.caps import Cap
from engine.planning.limits import Limits
from engine.planning.pacing import Estimate, Pacing
from engine.planning.windows import Window
from engine.preflight.people import People
from storage.errors import PacelineError
from storage.nouns import Campaign, Step
from storage.reader import Row
from storage.shared_people import SharedPeople


@dataclass(frozen=True, slots=True)
class Login:
    """What `--connect` came to: `trouble` is why it failed ("" when it did not), `size` the largest message in bytes
    that the server takes (0: it names none)."""

    trouble: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Subject:
    """One campaign. `row` as `Reader.campaign` gives it, `now` in microseconds UTC. Where a step before it failed, what
    depends on it is None: `account`, then `factory`, whose `trouble` says why."""

    now: int
    row: Row
    campaign: Campaign
    step: Step
    pacing: Pacing
    account: Account | None
    limits: Limits | None
    """What its queue may do, live tuning included; None without an account."""
    factory: Factory | None
    fields: frozenset[str]
    """What the messages use, of all steps."""
    without: tuple[int, ...]
    """The steps behind the first whose message cannot be made as things stand, by their place."""
    trouble: PacelineError | None
    secret: PacelineError | None
    """Why a secret of the account cannot be read; None when all can, or none is needed."""
    people: People
    shared: SharedPeople
    engine_paused: bool
    sent_today: int
    """What the accounts of this From domain sent in the last 24 hours."""
    spent: tuple[tuple[str, Cap, int], ...] = ()
    """The caps that have nothing left: the account, the cap, and when the next message may leave (us)."""
    estimate: Estimate | None = None
    """When the messages would be through, as a start says it; None without an account or people."""
    login: Login | None = None
    """None: nobody asked to connect."""
    dns: DomainFacts | None = None
    no_dns: str = ""
    """Why the DNS was not asked. A further account has neither where an earlier one was asked for its domain."""
    queue: Row = field(default_factory=dict)
    """The account's queue as `pace_facts.queue` gives it."""
    steps: tuple[Step, ...] = ()
    """The steps that may go through this account."""
    share: int = 0
    """Messages of a start that go through this account; 0 through one that only further steps use."""
    others: tuple[Subject, ...] = ()
    """The same campaign through each of its further accounts: what is about the account is that one's."""

    @property
    def whose(self) -> str:
        """The account that a finding is about, for a campaign with several."""
        return f"account {self.campaign.account}: " if len(self.row["accounts"]) > 1 else ""

    @property
    def sender(self) -> str:
        """The From address of what leaves through this account; "" where none is known."""
        if self.campaign.account == self.row["account"]:
            return self.factory.sender if self.factory is not None else ""
        return self.account.sender if self.account is not None else ""

    @property
    def sends_first(self) -> bool:
        """Whether the first message may go through this account: a start looks at all of these."""
        return self.step in self.steps

    @property
    def windows(self) -> list[Window]:
        """The queue's and the campaign's own: all of them must be open for a message to leave."""
        own = self.limits.window if self.limits is not None else None
        campaigns = Window.from_dict(self.campaign.hours) if self.campaign.hours else None
        return [window for window in (own, campaigns) if window is not None]

    @property
    def name(self) -> str:
        return self.campaign.name

    @property
    def in_settings(self) -> str:
        """Where the account's settings stand, for a fix."""
        return f"[accounts.{self.campaign.account}] of the configuration, then: paceline engine reload"

    @property
    def to_open(self) -> str:
        """What opens a window that keeps messages back."""
        account = f"open the window of {self.in_settings}"
        return f"paceline campaign tune {self.name} --window HOURS, or {account}" if self.campaign.hours else account
