"""The control socket, the asking side: it needs nothing of the engine, so that who only asks loads none of it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

from storage.errors import EngineUnavailableError, PacelineError, UsageError
from storage.model import Actor

PROTOCOL = 1
LINE_LIMIT = 1 << 20
"""Bytes of one request or answer."""


def _lighter(args: dict[str, Any]) -> str:
    """What makes a request smaller."""
    steps = args.get("steps") or ()
    if args.get("attachments") or any(step.get("attachments") for step in steps):
        return "the attachments of a campaign's steps travel together: make them smaller, or write links into the texts"
    return "send less at once"


class RemoteError(PacelineError):
    """A refusal that came over the socket, with the engine's own code and exit code."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(str(body.get("message", "refused")), hint=str(body.get("hint", "")))
        self.code = str(body.get("code", "error"))
        self.exit_code = int(body.get("exit", 1))


class ControlClient:
    """A blocking client for the command line and the console's threads. One request at a time."""

    def __init__(self, path: Path | str, *, timeout: float = 600.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise EngineUnavailableError(
                "the engine holds the lock but does not answer on its socket",
                hint="it may be starting or stopping: try again; see `paceline engine status`",
            ) from error
        self._file = self._socket.makefile("rb")
        self._next = 0
        self._prefix = os.urandom(6).hex()

    def call(self, action: str, args: dict[str, Any], actor: Actor) -> dict[str, Any]:
        """Ask for one action. Raises RemoteError for a refusal, EngineUnavailableError when the line is lost."""
        self._next += 1
        request = {
            "v": PROTOCOL,
            "id": f"{self._prefix}-{self._next}",
            "action": action,
            "args": args,
            "actor": {"user": actor.user, "host": actor.host, "via": actor.via},
        }
        line = json.dumps(request).encode() + b"\n"
        if len(line) > LINE_LIMIT:
            raise UsageError(f"{action}: the request is over 1 MB", hint=_lighter(args))
        try:
            self._socket.sendall(line)
            answer = self._file.readline()
        except OSError as error:
            raise EngineUnavailableError(f"the engine did not answer: {error}", hint="see its log") from error
        if not answer:
            raise EngineUnavailableError("the engine closed the connection", hint="it may have stopped; try again")
        body = json.loads(answer)
        if not body["ok"]:
            raise RemoteError(body["error"])
        return dict(body["result"])

    def hang_up(self) -> None:
        """From another thread: end a call that waits; it raises EngineUnavailableError."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._file.close()
        self._socket.close()
