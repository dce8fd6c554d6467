"""Invitations as a way of sending: `prepare` looks the person up, `deliver` invites.

A session holds no connection, only the key that it was opened with; so it is never used up.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from engine.channels.channel import ChannelError, Message
from engine.channels.unipile.book import FRESH, WITHDRAWN_REST, NoBook, ProfileBook
from engine.channels.unipile.client import FIRST_DEGREE, ServiceError, UnipileClient, UnipileSettings
from engine.channels.unipile.names import could_be_same
from engine.channels.unipile.outcomes import CONNECTED_KEY, INVITED_KEY, OTHER_PERSON_KEY, Deed, is_too_early
from engine.clock import Clock
from engine.outcomes import MAX_WAIT, Action, Outcome
from engine.reasons import bounded
from storage.errors import PacelineError
from storage.model import OutcomeClass
from storage.profiles import KnownProfile

log = logging.getLogger("paceline.linkedin")

_LOOK_UP: Final = Deed.LOOK_UP.value


class UnipileChannel:
    """One LinkedIn account: see `engine.channels.channel.Channel`. Without a `book` it can be opened, which is the
    account test, but nobody can be invited."""

    def __init__(self, settings: UnipileSettings, clock: Clock, book: ProfileBook | None = None) -> None:
        self.settings = settings
        self.clock = clock
        self.book: ProfileBook = book or NoBook()
        self._tls: ssl.SSLContext | None = None
        self.on_doubt: Callable[[], None] = lambda: None
        """Called when an invitation became uncertain, before that is recorded."""

    async def open(self) -> UnipileSession:
        """Read the key and ask whether the account is connected. Raises ChannelError."""
        client = await self.connect()
        try:
            await client.check_account()
        except ServiceError as error:
            await client.close()
            raise ChannelError(error.outcome) from None
        return UnipileSession(client, self.book, self.clock, self.on_doubt)

    async def connect(self) -> UnipileClient:
        """A client with the key as it stands now; nothing is asked yet. Raises ChannelError."""
        try:
            key = await asyncio.to_thread(self.settings.api_key)
        except PacelineError as error:
            raise self._no_key(error.message) from None
        if not (key.isascii() and key.isprintable()):
            raise self._no_key("the access key has characters that cannot stand in a header")
        if self._tls is None:
            # In a thread: reading the authorities' certificates takes longer than a screen may wait.
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return UnipileClient(self.settings, key, self._tls)

    def _no_key(self, words: str) -> ChannelError:
        return ChannelError(
            Outcome(
                OutcomeClass.ACCOUNT,
                text=words,
                phase=Deed.LOG_IN.value,
                error_key="no access key",
                action=Action.NEEDS_ATTENTION.value,
                server=self.settings.server,
            )
        )


class UnipileSession:
    """Invites one person after another. What a look-up said is kept in the `book` and used for 30 days."""

    def __init__(self, client: UnipileClient, book: ProfileBook, clock: Clock, on_doubt: Callable[[], None]) -> None:
        self._client = client
        self._on_doubt = on_doubt
        self._book = book
        self._clock = clock
        self._prepared: tuple[Message, KnownProfile] | None = None

    @property
    def usable(self) -> bool:
        return True

    async def prepare(self, message: Message, *, begun: bool = False) -> Outcome | None:
        """Learn who it is, from the book or by a look-up. An outcome: the invitation is not needed, not yet allowed,
        or for somebody else."""
        before = await self._book.known(message.recipient)
        now = self._clock.now()
        fresh = before is not None and before.provider_id and abs(now - before.checked_at) < FRESH
        known = before if fresh else None
        if known is None:
            free_at = await self._book.take_look_up()
            if free_at is not None:
                return self._no_look_up(free_at - now)
            try:
                known = await self._look_up(message.recipient, before)
            except ServiceError as error:
                return error.outcome
        refusal = self._judge(message, known)
        if refusal is None:
            self._prepared = message, known
        return refusal

    async def deliver(self, message: Message) -> Outcome:
        """Invite the person that `prepare` found. Raises RuntimeError for another message: a bug of the caller."""
        prepared, self._prepared = self._prepared, None
        if prepared is None or prepared[0] is not message:
            raise RuntimeError("deliver without prepare: this session holds another message")
        known = prepared[1]
        outcome = await self._client.invite(known.provider_id, message.content.decode())
        if outcome.cls is OutcomeClass.UNCERTAIN:
            self._on_doubt()
        try:
            return await self._remember(known, outcome)
        except PacelineError:
            # What the service answered stands, whether the book could be written or not.
            log.warning("what became of an invitation could not be kept", exc_info=True)
            return outcome

    async def abandon(self) -> None:
        self._prepared = None

    async def close(self) -> None:
        self._prepared = None
        await self._client.close()

    async def _look_up(self, profile: str, before: KnownProfile | None) -> KnownProfile:
        person = await self._client.get_profile(profile)
        known = KnownProfile(
            profile,
            person.provider_id,
            person.name,
            person.distance,
            person.invitation,
            person.invitation_status,
            self._clock.now(),
        )
        if _withdrawn(known) and before is not None and _withdrawn(before):
            # The rest counts from when the withdrawal was first seen.
            known = replace(known, checked_at=before.checked_at)
        await self._book.keep(known)
        return known

    def _judge(self, message: Message, known: KnownProfile) -> Outcome | None:
        """Why this person is not invited now; None: they are."""
        if not could_be_same(message.name, known.name):
            words = f"another person's profile: it belongs to {known.name}, not to {message.name}"
            return self._refusal(OutcomeClass.PERMANENT, words, OTHER_PERSON_KEY)
        if known.distance == FIRST_DEGREE:
            return self._refusal(
                OutcomeClass.NEEDLESS, f"already connected with {known.name}", CONNECTED_KEY, Action.CONNECTED
            )
        if known.invitation == "SENT" and not _withdrawn(known):
            return self._refusal(OutcomeClass.NEEDLESS, "an invitation waits for its answer already", INVITED_KEY)
        if known.invitation == "RECEIVED" and known.invitation_status != "WITHDRAWN":
            words = "this person has invited you: accept it at LinkedIn"
            return self._refusal(OutcomeClass.NEEDLESS, words, "invitation received", Action.HOLD)
        wait = known.checked_at + WITHDRAWN_REST - self._clock.now()
        if _withdrawn(known) and wait > 0:
            words = "an invitation was withdrawn: LinkedIn takes no new one for three weeks"
            return self._refusal(OutcomeClass.TRANSIENT, words, "invitation withdrawn", Action.POSTPONE, wait)
        return None

    async def _remember(self, known: KnownProfile, outcome: Outcome) -> Outcome:
        """Keep what the answer says about the next invitation to the same person; returns what it asks for."""
        now = self._clock.now()
        if is_too_early(outcome.error_key) and await self._book.refused_again(known.profile):
            # Providers say the same of a person and of an account; of two people within a day it is the account.
            return replace(outcome, cls=OutcomeClass.ACCOUNT, action=Action.COOL_DAY.value, wait=0)
        if outcome.cls is OutcomeClass.UNCERTAIN:
            # Nobody may rely on it: whoever sends it again looks first.
            await self._book.keep(replace(known, invitation="", invitation_status="", checked_at=0))
        elif outcome.action == Action.CONNECTED:
            await self._book.keep(replace(known, distance=FIRST_DEGREE, checked_at=now))
        elif outcome.cls in (OutcomeClass.ACCEPTED, OutcomeClass.NEEDLESS):
            await self._book.keep(replace(known, invitation="SENT", invitation_status="PENDING", checked_at=now))
        return outcome

    def _no_look_up(self, wait: int) -> Outcome:
        words = "no look-up of a profile is left for now: the next one is free later"
        wait = min(max(wait, 0), MAX_WAIT)
        return self._refusal(OutcomeClass.ROUTE, words, "look-ups used up", Action.COOL, wait)

    def _refusal(self, cls: OutcomeClass, words: str, key: str, action: Action = Action.NONE, wait: int = 0) -> Outcome:
        return Outcome(cls, 0, "", bounded(words), _LOOK_UP, key, action.value, wait, self._client.server)


def _withdrawn(known: KnownProfile) -> bool:
    return known.invitation == "SENT" and known.invitation_status == "WITHDRAWN"
