"""A scripted relay that speaks real SMTP on the loopback interface, for the demo and for tests.

It greylists, refuses and closes as real servers do, the same way for the same seed and recipient, and its
ledger says what it accepted. One extension point, `Hook`, sees every reply before it is sent and may change
it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import ipaddress
import re
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

from engine.clock import Clock, SystemClock
from storage.model import SECOND
from tui.demo.ledger import Ledger
from tui.demo.rules import BELIEVABLE, Fate, Rules
from tui.demo.serving import serve_until_told
from tui.demo.transaction import Hangup, Hook, Transaction

COMMAND_LIMIT: Final = 2_048
IDLE_SECONDS: Final = 300.0
MAX_CONNECTIONS: Final = 200

_PATH = re.compile(r"(?:FROM|TO): ?<([^<>\r\n]*)>(.*)", re.IGNORECASE)
_SIZE = re.compile(r" SIZE=(\d{1,18})\b", re.IGNORECASE)


class Relay:
    """The server. `port` 0 takes a free one. `connections` and `transactions` count from its start."""

    def __init__(
        self,
        rules: Rules,
        *,
        ledger: Ledger,
        host: str = "127.0.0.1",
        port: int = 0,
        hook: Hook | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError("the relay listens on the loopback interface only")
        self.rules = rules
        self.ledger = ledger
        self.hook = hook
        self.host = host
        self.port = port
        self.clock = clock or SystemClock()
        self.connections = 0
        self.transactions = 0
        self.greylist: dict[str, int] = {}
        """Recipient -> when it first came (microseconds, monotonic)."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._stopping = False

    async def start(self) -> None:
        context = self.rules.tls if self.rules.implicit_tls else None
        self._server = await asyncio.start_server(self._serve, self.host, self.port, ssl=context, backlog=128)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is None:
            return
        self._stopping = True
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Relay:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._tasks.add(task)
        self.connections += 1
        try:
            if len(self._tasks) > MAX_CONNECTIONS:
                writer.write(b"421 4.3.2 Too many connections, closing\r\n")
            else:
                await Conversation(self, reader, writer).run()
        except Hangup as hangup:
            if hangup.abrupt:
                writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
            if not self._stopping:  # asyncio before 3.12 logs a cancelled handler as an error
                raise
        finally:
            self._tasks.discard(task)
            writer.close()


class Conversation:
    """One connection: reads commands (pipelined ones too), answers by the rules."""

    def __init__(self, relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._relay = relay
        self._rules = relay.rules
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self._secure = relay.rules.implicit_tls
        self._known = self._rules.login is None
        self._connection = relay.connections
        self._transaction = self._fresh()
        self._offered = False

    async def run(self) -> None:
        await self._answer("banner", "220 relay.example ESMTP Paceline demo relay")
        while (line := await self._line()) is not None:
            verb, _, rest = line.decode("utf-8", "surrogateescape").strip().partition(" ")
            await self._obey(verb.upper(), rest)

    async def _obey(self, verb: str, rest: str) -> None:
        match verb:
            case "EHLO" | "HELO":
                self._reset()
                await self._answer("ehlo", self._greeting() if verb == "EHLO" else "250 relay.example")
            case "MAIL":
                await self._mail(rest)
            case "RCPT":
                await self._rcpt(rest)
            case "DATA":
                await self._data()
            case "RSET":
                self._reset()
                await self._answer("rset", "250 2.0.0 Ok")
            case "NOOP":
                await self._answer("noop", "250 2.0.0 Ok")
            case "QUIT":
                await self._answer("quit", "221 2.0.0 Bye")
                raise Hangup(abrupt=False)
            case "STARTTLS" if self._rules.tls and not self._secure:
                await self._start_tls(self._rules.tls)
            case "AUTH" if self._login_offered:
                await self._auth(rest)
            case _:
                await self._answer("other", "502 5.5.1 Command not known")

    def _greeting(self) -> str:
        words = ["relay.example", "PIPELINING", f"SIZE {self._rules.max_size}", "8BITMIME", "SMTPUTF8"]
        if self._rules.tls and not self._secure:
            words.append("STARTTLS")
        if self._login_offered:
            words.append("AUTH PLAIN LOGIN")
        words.append("ENHANCEDSTATUSCODES")
        return "\r\n".join([*(f"250-{word}" for word in words[:-1]), f"250 {words[-1]}"])

    @property
    def _login_offered(self) -> bool:
        return self._rules.login is not None and (self._secure or self._rules.tls is None)

    async def _mail(self, rest: str) -> None:
        path = _PATH.fullmatch(rest)
        if not self._known:
            reply = "530 5.7.0 Authentication required"
        elif path is None:
            reply = "501 5.5.4 Syntax: MAIL FROM:<address>"
        elif self._offered:
            reply = "503 5.5.1 Nested MAIL command"
        else:
            self._relay.transactions += 1
            self._transaction = self._fresh(self._relay.transactions, path[1])
            size = _SIZE.search(path[2])
            reply = "250 2.1.0 Ok"
            if size and int(size[1]) > self._rules.max_size:
                reply = "552 5.3.4 Message too big"
            elif self._rules.busy_every and self._transaction.number % self._rules.busy_every == 0:
                odd = self._transaction.number // self._rules.busy_every % 2
                reply = "421 4.3.2 Busy, closing" if odd else "421 4.7.0 Too many messages, closing"
        self._offered = await self._answer("mail", reply) or self._offered

    async def _rcpt(self, rest: str) -> None:
        path = _PATH.fullmatch(rest)
        if not self._offered:
            reply = "503 5.5.1 Need MAIL first"
        elif path is None or "@" not in path[1]:
            reply = "501 5.1.3 Bad recipient address syntax"
        else:
            reply = self._verdict(path[1])
        if await self._answer("rcpt", reply, path[1] if path else "") and path:
            self._transaction.recipients.append(path[1])

    def _verdict(self, recipient: str) -> str:
        match self._rules.fate(recipient):
            case Fate.UNKNOWN:
                return "550 5.1.1 User unknown"
            case Fate.FULL:
                return "452 4.2.2 Mailbox full"
            case Fate.GREYLIST:
                now = self._relay.clock.monotonic()
                first = self._relay.greylist.setdefault(recipient.lower(), now)
                if first == now or now - first < self._rules.greylist_delay * SECOND:
                    return "451 4.7.1 Greylisted, please come back later"
        return "250 2.1.5 Ok"

    async def _data(self) -> None:
        if not (self._offered and self._transaction.recipients):
            await self._answer("data", "503 5.5.1 Need RCPT first")
            return
        if not await self._answer("data", "354 End data with <CR><LF>.<CR><LF>"):
            return
        transaction = self._transaction
        whole = await self._content()
        transaction.content = (whole or b"").replace(b"\r\n.", b"\r\n").removeprefix(b"\r\n")
        limit = self._rules.max_text_line
        reply = f"250 2.0.0 Ok: queued as {transaction.number}"
        if whole is None:
            reply = "552 5.3.4 Message too big"
        elif limit and len(whole) > limit and max(map(len, transaction.content.split(b"\r\n"))) > limit:
            reply = "500 5.6.0 Line too long"
        elif self._rules.latency:
            await self._relay.clock.sleep(int(self._rules.latency * SECOND))
        answer = await self._asked("dot", reply)
        if answer[:1] == b"2":
            self._relay.ledger.accept(transaction)
            if self._relay.hook:
                answer = await self._relay.hook("accepted", transaction, answer)
        self._reset()
        await self._reply(answer)

    async def _content(self) -> bytes | None:
        """The content with its stuffed dots, after a CRLF that stands for the DATA line; None when it is too
        big."""
        buffer, self._buffer = self._buffer, bytearray()
        if not buffer:
            buffer += await self._read()
        if self._relay.hook and (early := await self._relay.hook("content", self._transaction, b"")):
            await self._send(early)
        buffer[:0] = b"\r\n"
        searched, too_big = 0, False
        while (end := buffer.find(b"\r\n.\r\n", searched)) < 0:
            if len(buffer) > 2 * self._rules.max_size:
                too_big = True
                del buffer[:-4]
            searched = max(0, len(buffer) - 4)
            buffer += await self._read()
        self._buffer = buffer[end + 5 :]
        content = bytes(buffer[: end + 2])
        stuffed = content.count(b"\r\n..")
        return None if too_big or len(content) - 2 - stuffed > self._rules.max_size else content

    async def _start_tls(self, context: ssl.SSLContext) -> None:
        if not await self._answer("starttls", "220 2.0.0 Ready to start TLS"):
            return
        self._buffer.clear()  # RFC 3207 4.2: what came in clear is not part of what follows
        await self._writer.start_tls(context)
        self._secure = True
        self._reset()

    async def _auth(self, rest: str) -> None:
        mechanism, _, initial = rest.partition(" ")
        match mechanism.upper():
            case "PLAIN":
                given = initial or await self._challenge("")
                _, _, login = _decoded(given).partition("\0")
                user, _, password = login.partition("\0")
            case "LOGIN":
                user = _decoded(initial or await self._challenge("Username:"))
                password = _decoded(await self._challenge("Password:"))
            case _:
                await self._answer("auth", "504 5.5.4 Mechanism not supported")
                return
        if (user, password) != self._rules.login:
            await self._answer("auth", "535 5.7.8 Authentication credentials invalid")
            return
        self._known = await self._answer("auth", "235 2.7.0 Authentication successful")

    async def _challenge(self, prompt: str) -> str:
        await self._send(b"334 " + base64.b64encode(prompt.encode()) + b"\r\n")
        return (await self._line() or b"").decode("ascii", "replace")

    async def _answer(self, phase: str, reply: str, recipient: str = "") -> bool:
        """Send `reply`, or what the hook makes of it; true when what was sent goes on with the
        transaction."""
        return await self._reply(await self._asked(phase, reply, recipient))

    async def _asked(self, phase: str, reply: str, recipient: str = "") -> bytes:
        data = reply.encode("utf-8", "surrogateescape") + b"\r\n"
        if self._relay.hook is None:
            return data
        offered = self._transaction
        if recipient:
            offered = replace(offered, recipients=[*offered.recipients, recipient])
        return await self._relay.hook(phase, offered, data)

    async def _reply(self, data: bytes) -> bool:
        if data:
            await self._send(data)
        if data[:1] in (b"4", b"5"):
            self._relay.ledger.refused[int(data[:3])] += 1
        if data.startswith(b"421"):
            raise Hangup(abrupt=False)
        return data[:1] in (b"2", b"3")

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def _line(self) -> bytes | None:
        """The next command line without its end; None at the end of the connection."""
        while (end := self._buffer.find(b"\n")) < 0 and len(self._buffer) <= COMMAND_LIMIT:
            try:
                self._buffer += await self._read()
            except EOFError:
                return None
        if end < 0 or end > COMMAND_LIMIT:
            await self._answer("other", "500 5.5.2 Line too long")
            raise Hangup(abrupt=False)
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        return line

    async def _read(self) -> bytes:
        """Some bytes, at least one. Raises IncompleteReadError (an EOFError) at the end, TimeoutError when
        idle."""
        async with asyncio.timeout(IDLE_SECONDS):
            data = await self._reader.read(65_536)
        if not data:
            raise asyncio.IncompleteReadError(b"", None)
        return data

    def _reset(self) -> None:
        self._transaction = self._fresh()
        self._offered = False

    def _fresh(self, number: int = 0, sender: str = "") -> Transaction:
        return Transaction(self._connection, self._send, number, sender)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


async def _serve(rules: Rules, port: int, path: Path | None) -> None:
    ledger = Ledger(path)
    await serve_until_told(Relay(rules, ledger=ledger, port=port))
    ledger.close()


def main() -> None:
    """`python -m tui.demo.relay`: serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tui.demo.relay", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--ledger", type=Path, help="append every acceptance to this file, one JSON line each")
    parser.add_argument("--plain", action="store_true", help="accept everything at once")
    parser.add_argument("--seed", type=int, default=0, help="another seed meets other recipients with trouble")
    parser.add_argument("--latency", type=float, help="seconds before each acceptance")
    given = parser.parse_args()
    rules = replace(Rules() if given.plain else BELIEVABLE, seed=given.seed)
    if given.latency is not None:
        rules = replace(rules, latency=given.latency)
    asyncio.run(_serve(rules, given.port, given.ledger))


if __name__ == "__main__":
    main()
