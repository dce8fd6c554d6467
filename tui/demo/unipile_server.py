"""A scripted LinkedIn service that speaks Unipile's HTTP on the loopback interface, for the demo and for tests.

Account, look-up, invitation, list of sent invitations, list of relations. Like the real one it may send an invitation
and then answer with an error; its ledger says what left.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import h11

from storage.model import SECOND
from tui.demo.serving import serve_until_told
from tui.demo.unipile_rules import (
    BELIEVABLE,
    CONNECTED,
    INVITED,
    Answer,
    Invitation,
    InvitationLedger,
    Member,
    Script,
    UnipileRules,
)

KEY: Final = "demo-key"
ACCOUNT: Final = "demo-account"
_ROOT: Final = "/api/v1/"
_PAGE: Final = 100


class UnipileServer:
    """The service. `port` 0 takes a free one. What it was asked for stands in `asked`, one line a request."""

    def __init__(
        self,
        rules: UnipileRules,
        *,
        ledger: InvitationLedger,
        host: str = "127.0.0.1",
        port: int = 0,
        key: str = KEY,
        account_id: str = ACCOUNT,
    ) -> None:
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError("the service listens on the loopback interface only")
        self.rules = rules
        self.ledger = ledger
        self.host = host
        self.port = port
        self.key = key
        self.account_id = account_id
        self.asked: list[str] = []
        self.accepted: set[str] = set()
        """Profiles whose invitation a test lets be accepted."""
        self._look_ups = Script(rules.look_ups)
        self._invites = Script(rules.invites)
        self._by_id: dict[str, Member] = {member.provider_id: member for member in rules.members.values()}
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._news = asyncio.Condition()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def __aenter__(self) -> UnipileServer:
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is None:
            return
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def wait_for(self, asked: str) -> None:
        """Until this was asked for."""
        async with self._news:
            await self._news.wait_for(lambda: asked in self.asked)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._answer_one(reader, writer))
        self._tasks.add(task)
        try:
            with suppress(OSError, h11.RemoteProtocolError, asyncio.CancelledError):
                await task
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer, and the connection is closed."""
        connection = h11.Connection(h11.SERVER)
        request, body = await _request(connection, reader)
        if request is None:
            return
        if self.rules.latency:
            await self.ledger.clock.sleep(round(self.rules.latency * SECOND))
        answer, data = self._obey(request, body)
        async with self._news:
            self._news.notify_all()
        if answer.how == "cut":
            writer.transport.abort()
            return
        if answer.how == "hang":
            await reader.read()
            return
        content = b"<html>Sorry</html>" if answer.how == "odd" else json.dumps(data).encode()
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(content))),
            ("date", formatdate(self.ledger.clock.now() / SECOND, usegmt=True)),
            ("connection", "close"),
        ]
        if answer.retry_after:
            headers.append(("retry-after", answer.retry_after))
        for event in (
            h11.Response(status_code=answer.status, headers=headers),
            h11.Data(data=content),
            h11.EndOfMessage(),
        ):
            writer.write(connection.send(event) or b"")
        await writer.drain()

    # what is asked for

    def _obey(self, request: h11.Request, body: bytes) -> tuple[Answer, dict[str, Any]]:
        target = urlsplit(request.target.decode("ascii", "replace"))
        method, path = request.method.decode(), target.path.removeprefix(_ROOT)
        query = {name: values[0] for name, values in parse_qs(target.query).items()}
        self.asked.append(f"{method} {path}")
        headers = dict(request.headers)
        if headers.get(b"x-api-key", b"").decode("latin-1") != self.key:
            return _error(Answer(401, "errors/missing_credentials"))
        if method == "POST" and path == "users/invite":
            return self._invite(body)
        if path.startswith("accounts/"):
            return self._account(unquote(path.removeprefix("accounts/")))
        if query.get("account_id") != self.account_id:
            return _error(Answer(404, "errors/resource_not_found"))
        match path:
            case "users/invite/sent":
                pending = [entry for entry in self.ledger.sent if not self._has_accepted(entry)]
                return _page([_sent(entry) for entry in reversed(pending)], "InvitationList", query)
            case "users/relations":
                there = [entry for entry in self.ledger.sent if self._has_accepted(entry)]
                return _page([self._relation(entry) for entry in reversed(there)], "UserRelationsList", query)
        return self._look_up(unquote(path.removeprefix("users/")))

    def _account(self, account_id: str) -> tuple[Answer, dict[str, Any]]:
        if account_id != self.account_id:
            return _error(Answer(404, "errors/resource_not_found"))
        if self.rules.door.status != 200:
            return _error(self.rules.door)
        sources = [{"id": f"{account_id}_MESSAGING", "status": self.rules.door.type or "OK"}]
        return self.rules.door, {"object": "Account", "id": account_id, "type": "LINKEDIN", "sources": sources}

    def _look_up(self, profile: str) -> tuple[Answer, dict[str, Any]]:
        answer = self._look_ups.next(profile) or Answer()
        if answer.status != 200:
            return _error(answer)
        member = self._member(profile)
        self._by_id[member.provider_id] = member
        data: dict[str, Any] = {
            "object": "UserProfile",
            "provider": "LINKEDIN",
            "provider_id": member.provider_id,
            "public_identifier": profile,
            "first_name": member.first_name,
            "last_name": member.last_name,
            "network_distance": member.distance,
        }
        kind, status = member.invitation
        if kind:
            data["invitation"] = {"type": kind, "status": status}
        return answer, data

    def _member(self, profile: str) -> Member:
        """A person as they stand now: what was sent since shows."""
        member = self.rules.member(profile)
        for entry in self.ledger.sent:
            if entry.profile == profile:
                distance, invitation = CONNECTED if self._has_accepted(entry) else INVITED
                member = replace(member, distance=distance, invitation=invitation)
        return member

    def _invite(self, body: bytes) -> tuple[Answer, dict[str, Any]]:
        try:
            asked = json.loads(body)
            account_id, member = asked["account_id"], self._by_id.get(asked["provider_id"])
            note = asked.get("message", "")
        except (ValueError, KeyError, TypeError, AttributeError):
            return _error(Answer(400, "errors/invalid_parameters"))
        if account_id != self.account_id or member is None:
            return _error(Answer(404, "errors/resource_not_found"))
        if len(note) > 300:
            return _error(Answer(400, "errors/too_many_characters"))
        answer = self._invites.next(member.profile) or self.rules.invite(member.profile)
        made = self.ledger.note(member, account_id, note) if answer.has_sent else None
        if made is None or answer.status != 200:
            return _error(answer)
        data: dict[str, Any] = {"object": "UserInvitationSent", "invitation_id": made.id}
        if answer.usage is not None:
            data["usage"] = answer.usage
        return answer, data

    def _has_accepted(self, entry: Invitation) -> bool:
        at = self.rules.accepts_at(entry)
        return entry.profile in self.accepted or (at is not None and at <= self.ledger.clock.now())

    def _relation(self, entry: Invitation) -> dict[str, Any]:
        member = self.rules.member(entry.profile)
        return {
            "object": "UserRelation",
            "first_name": member.first_name,
            "last_name": member.last_name,
            "public_identifier": entry.profile,
            "member_id": entry.provider_id,
            "created_at": (self.rules.accepts_at(entry) or entry.at) // 1_000,
        }


def _sent(entry: Invitation) -> dict[str, Any]:
    moment = datetime.fromtimestamp(entry.at / SECOND, UTC)
    return {
        "object": "InvitationSent",
        "id": entry.id,
        "invited_user_id": entry.provider_id,
        "invited_user_public_id": entry.profile,
        "invitation_text": entry.note or None,
        "date": "Sent today",
        "parsed_datetime": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def _page(items: list[dict[str, Any]], kind: str, query: dict[str, str]) -> tuple[Answer, dict[str, Any]]:
    start = int(query.get("cursor", "0"))
    end = start + min(int(query.get("limit", str(_PAGE))), 250)
    cursor = str(end) if end < len(items) else None
    return Answer(), {"object": kind, "items": items[start:end], "cursor": cursor}


def _error(answer: Answer) -> tuple[Answer, dict[str, Any]]:
    words = answer.type.rpartition("/")[2].replace("_", " ")
    return answer, {
        "title": words.capitalize() or "Error",
        "detail": f"The service says: {words or answer.status}.",
        "type": answer.type,
        "status": answer.status,
    }


async def _request(connection: h11.Connection, reader: asyncio.StreamReader) -> tuple[h11.Request | None, bytes]:
    request: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65_536))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        else:
            return request, body


async def _serve(rules: UnipileRules, port: int, path: Path | None) -> None:
    ledger = InvitationLedger(path)
    await serve_until_told(UnipileServer(rules, ledger=ledger, port=port))
    ledger.close()


def main() -> None:
    """`python -m tui.demo.unipile_server`: serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tui.demo.unipile_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--ledger", type=Path, help="append every invitation to this file, one JSON line each")
    parser.add_argument("--plain", action="store_true", help="take every invitation at once")
    parser.add_argument("--seed", type=int, default=0, help="another seed meets other people with trouble")
    given = parser.parse_args()
    rules = replace(UnipileRules() if given.plain else BELIEVABLE, seed=given.seed)
    asyncio.run(_serve(rules, given.port, given.ledger))


if __name__ == "__main__":
    main()
