"""Answers of any shape: read, or refused as trouble of the service; never an exception of another kind."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.channels.unipile.answers import Reply
from engine.channels.unipile.client import ServiceError, UnipileClient, UnipileSettings
from storage.model import OutcomeClass

TLS = ssl.create_default_context()
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
ANY = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
NAMES = st.sampled_from(
    ["provider_id", "first_name", "last_name", "network_distance", "invitation", "is_relationship", "sources", "items",
     "cursor", "type", "status", "title", "detail", "object", "invitation_id", "usage"]
)  # fmt: skip
ITEM = st.dictionaries(
    st.sampled_from(
        ["id", "invited_user_id", "invited_user_public_id", "parsed_datetime", "member_id", "public_identifier",
         "created_at"]
    ),
    ANY,
)  # fmt: skip
BODY = st.dictionaries(NAMES, ANY | st.lists(ITEM, max_size=3), max_size=8)


class _Canned:
    """A transport that always says the same."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def ask(self, *_: object, **__: object) -> Reply:
        return self._reply


def client(status: int, body: dict[str, Any]) -> UnipileClient:
    made = UnipileClient(UnipileSettings("http://127.0.0.1:1", "acc", lambda: "key"), "key", TLS)
    made._transport = _Canned(Reply(status, body, str(body)))  # type: ignore[assignment]
    return made


async def _drained(entries: AsyncIterator[Any]) -> list[Any]:
    return [entry async for entry in entries]


@settings(max_examples=200)
@given(st.integers(100, 599), BODY)
def test_every_question_survives_every_answer(status: int, body: dict[str, Any]) -> None:
    questions: list[Callable[[UnipileClient], Any]] = [
        lambda asked: asked.check_account(),
        lambda asked: asked.get_profile("ana"),
        lambda asked: _drained(asked.sent_invitations()),
        lambda asked: _drained(asked.relations()),
        lambda asked: asked.invite("ACo", "Hi"),
    ]
    refusals = []

    async def ask(asked: UnipileClient) -> None:
        for question in questions:
            try:
                await question(asked)
            except ServiceError as error:
                refusals.append(error.outcome)

    asyncio.run(ask(client(status, body)))
    assert all(outcome.error_key for outcome in refusals)
    assert all(outcome.cls is not OutcomeClass.UNCERTAIN for outcome in refusals), "only an invitation can be in doubt"
