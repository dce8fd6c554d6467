"""A small scripted IMAP server on loopback, with a ledger: what it was asked decides, not what a client says."""

from __future__ import annotations

import re
import socketserver
import threading
from dataclasses import dataclass, field

USER, PASSWORD = "reader@example.com", "only on loopback"


@dataclass
class ImapFolder:
    """What the server holds: mails by UID. `asked` are the commands, in order; `seen` the UIDs marked as read."""

    mails: dict[int, bytes] = field(default_factory=dict)
    uidvalidity: int = 7
    name: str = "INBOX"
    asked: list[str] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)

    def add(self, mail: bytes) -> int:
        uid = max(self.mails, default=0) + 1
        self.mails[uid] = mail
        return uid


class ImapServer:
    """A context manager; `port` is where it listens."""

    def __init__(self, folder: ImapFolder) -> None:
        outer = folder

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                _Session(outer, self.rfile.readline, self.wfile.write).run()

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> ImapServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Session:
    def __init__(self, folder: ImapFolder, read, write) -> None:  # type: ignore[no-untyped-def]
        self._folder, self._read, self._write = folder, read, write
        self._writable = False

    def run(self) -> None:
        self._say("* OK ready")
        while line := self._read().decode("utf-8", "replace").strip():
            tag, _, command = line.partition(" ")
            word = command.split()[0].upper()
            self._folder.asked.append(re.sub(r"^(LOGIN) .*", r"\1", command, flags=re.IGNORECASE))
            getattr(self, f"_{word.lower()}", self._unknown)(tag, command)
            if word == "LOGOUT":
                return

    def _say(self, text: str) -> None:
        self._write(f"{text}\r\n".encode())

    def _capability(self, tag: str, command: str) -> None:
        self._say("* CAPABILITY IMAP4rev1")
        self._say(f"{tag} OK done")

    def _login(self, tag: str, command: str) -> None:
        right = command == f'LOGIN {USER} "{PASSWORD}"'
        self._say(f"{tag} OK welcome" if right else f"{tag} NO [AUTHENTICATIONFAILED] wrong user or password")

    def _open(self, tag: str, command: str, writable: bool) -> None:
        if f'"{self._folder.name}"' not in command:
            self._say(f"{tag} NO there is no such folder")
            return
        self._writable = writable
        self._say(f"* {len(self._folder.mails)} EXISTS")
        self._say(f"* OK [UIDVALIDITY {self._folder.uidvalidity}] valid")
        self._say(f"{tag} OK [READ-{'WRITE' if writable else 'ONLY'}] open")

    def _select(self, tag: str, command: str) -> None:
        self._open(tag, command, True)

    def _examine(self, tag: str, command: str) -> None:
        self._open(tag, command, False)

    def _uid(self, tag: str, command: str) -> None:
        verb = command.split()[1].upper()
        if verb == "SEARCH":
            first = int(command.split()[3].partition(":")[0])
            last = max(self._folder.mails, default=0)
            # RFC 9051: `n:*` holds the last mail even when n is larger.
            found = [uid for uid in self._folder.mails if uid >= first or uid == last]
            self._say("* SEARCH " + " ".join(map(str, found)))
        elif verb == "FETCH":
            uid = int(command.split()[2])
            if (mail := self._folder.mails.get(uid)) is not None:
                if "PEEK" not in command:
                    self._folder.seen.add(uid)
                head = f'* 1 FETCH (UID {uid} INTERNALDATE "23-Nov-2026 10:00:00 +0000" BODY[]<0> {{{len(mail)}}}\r\n'
                self._write(head.encode() + mail + b")\r\n")
        elif verb == "STORE" and self._writable:
            self._folder.seen.add(int(command.split()[2]))
        self._say(f"{tag} OK done")

    def _logout(self, tag: str, command: str) -> None:
        self._say("* BYE")
        self._say(f"{tag} OK bye")

    def _unknown(self, tag: str, command: str) -> None:
        self._say(f"{tag} BAD what?")
