"""How the demo's LinkedIn service behaves, whom it knows, and its ledger of the invitations that were sent."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Literal

from engine.clock import Clock, SystemClock
from storage.model import SECOND


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service does with one request: `status` with the error `type` ("errors/provider_error"), or a success.

    `sent`: whether an invitation has left, whatever is answered (None: when the answer is a success). `how`: `reply`;
    `cut` drops the line without a word; `hang` keeps it open and says nothing; `odd` answers a page that is no JSON.
    `retry_after` is the header's text, `usage` the percentage that a success tells.
    """

    status: int = 200
    type: str = ""
    sent: bool | None = None
    how: Literal["reply", "cut", "hang", "odd"] = "reply"
    retry_after: str = ""
    usage: float | None = None

    @property
    def has_sent(self) -> bool:
        return self.status == 200 and self.how == "reply" if self.sent is None else self.sent


@dataclass(frozen=True, slots=True)
class Member:
    """A person of the network; `invitation` is (type, status) as a look-up shows it."""

    profile: str
    first_name: str
    last_name: str
    distance: str = "SECOND_DEGREE"
    invitation: tuple[str, str] = ("", "")

    @property
    def provider_id(self) -> str:
        digest = hashlib.blake2b(self.profile.encode(), digest_size=16).hexdigest()
        return f"ACoAA{digest}"


CONNECTED: Final = ("FIRST_DEGREE", ("", ""))
INVITED: Final = ("SECOND_DEGREE", ("SENT", "PENDING"))
WITHDRAWN: Final = ("SECOND_DEGREE", ("SENT", "WITHDRAWN"))
INVITING: Final = ("SECOND_DEGREE", ("RECEIVED", "PENDING"))


@dataclass(frozen=True, slots=True)
class UnipileRules:
    """How the service behaves; the default knows everybody and takes every invitation at once.

    Shares (0 to 1) of all people, drawn from `seed` and the profile: `connected`, `invited`, `withdrawn`,
    `unreachable`, `lost` (sent, and then a 500), `accepting` (within `accept_after` seconds of the invitation).
    `members` names single people; `look_ups` and `invites` are played for a profile one by one, then the shares count;
    `door` answers every question about the account itself. `latency` in seconds.
    """

    seed: int = 0
    connected: float = 0.0
    invited: float = 0.0
    withdrawn: float = 0.0
    unreachable: float = 0.0
    lost: float = 0.0
    accepting: float = 0.0
    accept_after: float = 3_600.0
    members: Mapping[str, Member] = field(default_factory=dict)
    look_ups: Mapping[str, Iterable[Answer]] = field(default_factory=dict)
    invites: Mapping[str, Iterable[Answer]] = field(default_factory=dict)
    door: Answer = Answer()
    latency: float = 0.0

    def member(self, profile: str) -> Member:
        """The same person for the same profile; somebody who is not named has the name of the profile."""
        if profile in self.members:
            return self.members[profile]
        words = [word.capitalize() for word in profile.split("-") if word.isalpha()] or [profile]
        distance, invitation = "SECOND_DEGREE", ("", "")
        drawn = self._drawn("who", profile)
        for share, (far, open_) in (
            (self.connected, CONNECTED),
            (self.invited, INVITED),
            (self.withdrawn, WITHDRAWN),
        ):
            if drawn < share:
                distance, invitation = far, open_
                break
            drawn -= share
        return Member(profile, words[0], " ".join(words[1:]), distance, invitation)

    def invite(self, profile: str) -> Answer:
        """What becomes of an invitation that no script names."""
        drawn = self._drawn("invite", profile)
        if drawn < self.unreachable:
            return Answer(422, "errors/user_unreachable")
        if drawn < self.unreachable + self.lost:
            return Answer(500, "errors/provider_error", sent=True)
        return Answer()

    def accepts_at(self, invitation: Invitation) -> int | None:
        """When this person accepts (us), None for never."""
        if self._drawn("accept", invitation.profile) >= self.accepting:
            return None
        return invitation.at + round(self._drawn("when", invitation.profile) * self.accept_after * SECOND)

    def _drawn(self, what: str, profile: str) -> float:
        digest = hashlib.blake2b(f"{self.seed}:{what}:{profile}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64


BELIEVABLE: Final = UnipileRules(
    connected=0.05, invited=0.03, withdrawn=0.02, unreachable=0.02, lost=0.01, accepting=0.35, latency=0.05
)
"""An ordinary network."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """One invitation that has left: `at` in microseconds UTC, `note` "" for none."""

    id: str
    profile: str
    provider_id: str
    account_id: str
    note: str
    at: int


class InvitationLedger:
    """Every invitation that left, whatever was answered: the judge of every test about duplicates and losses.

    With `path` each is appended there as one JSON line before the answer is sent.
    """

    def __init__(self, path: Path | None = None, *, clock: Clock | None = None) -> None:
        self.sent: list[Invitation] = []
        self.clock = clock or SystemClock()
        self._file = path.open("a", encoding="ascii", buffering=1) if path else None

    def note(self, member: Member, account_id: str, note: str) -> Invitation:
        made = Invitation(
            str(7_000_000 + len(self.sent)), member.profile, member.provider_id, account_id, note, self.clock.now()
        )
        self.sent.append(made)
        if self._file:
            self._file.write(json.dumps(asdict(made)) + "\n")
        return made

    def by_profile(self) -> dict[str, int]:
        """Profile -> how many invitations left for it."""
        return dict(Counter(entry.profile for entry in self.sent))

    def close(self) -> None:
        if self._file:
            self._file.close()

    @staticmethod
    def read(path: Path) -> list[Invitation]:
        """What a ledger's file holds up to its last complete line."""
        whole, _, _ = path.read_text("ascii").rpartition("\n")
        return [Invitation(**json.loads(line)) for line in whole.splitlines()]


class Script:
    """Answers played one by one for each profile."""

    def __init__(self, steps: Mapping[str, Iterable[Answer]]) -> None:
        self._left = {profile: deque(answers) for profile, answers in steps.items()}

    def next(self, profile: str) -> Answer | None:
        """The next answer; None when the script has none (any more)."""
        left = self._left.get(profile)
        return left.popleft() if left else None
