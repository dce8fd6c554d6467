"""The control socket, the engine's side: one JSON object a line over a Unix socket (0600) beside the database.

`{v, id, action, args, expect, actor}` -> `{id, ok, result | error{code, message, hint, exit}}`. At most 1 MB a line;
a repeated id gets the first answer again, so that a client may ask twice after a lost line and act once.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import stat
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import platformdirs

from engine.control import actions
from engine.control.actions import Context
from engine.socket_client import LINE_LIMIT, PROTOCOL
from storage.errors import PacelineError, UsageError
from storage.model import Actor

log = logging.getLogger("paceline.socket")

PATH_LIMIT = 100
"""Bytes of a Unix socket's path that every system takes; a longer one moves to the runtime folder."""
ID_LIMIT = 200
REMEMBERED = 1_000
ANSWER_SECONDS = 10.0
"""How long a stopping engine waits until requests under way have their answer."""


def socket_path(database: Path) -> Path:
    """Where the engine of this database listens: beside it, or under a long path in a private folder.

    Raises UsageError when no folder is both short enough and ours alone.
    """
    beside = database.absolute().with_name(database.name + ".sock")
    if len(os.fsencode(beside)) <= PATH_LIMIT:
        return beside
    name = hashlib.sha256(os.fsencode(database.absolute())).hexdigest()[:20] + ".sock"
    folders = (
        Path(platformdirs.user_runtime_dir("paceline")),
        Path(tempfile.gettempdir()) / f"paceline-{os.getuid()}",
    )
    for folder in folders:
        if len(os.fsencode(folder / name)) <= PATH_LIMIT and _is_private(folder):
            return folder / name
    raise UsageError(
        f"no private folder with a short enough path for the control socket of {database}: "
        f"tried {' and '.join(map(str, folders))}",
        hint="set XDG_RUNTIME_DIR or TMPDIR to a folder with a short path that is yours alone",
    )


def _is_private(folder: Path) -> bool:
    """Whether this folder is ours and nobody else can put a socket there; it is made when it is missing.

    Its name in /tmp is known to everybody: one that somebody else made first, or made a link, is never used.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return False
        if found.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


class ControlServer:
    """Listens for one engine. Each connection handles one request at a time; connections run side by side."""

    def __init__(self, path: Path, context: Context) -> None:
        self.path = path
        self._context = context
        self._server: asyncio.Server | None = None
        self._answers: OrderedDict[str, asyncio.Future[bytes]] = OrderedDict()
        self._leftovers: set[asyncio.Task[None]] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._made: tuple[int, int] | None = None

    async def start(self) -> None:
        self.path.unlink(missing_ok=True)
        old = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, str(self.path), limit=LINE_LIMIT)
        finally:
            os.umask(old)
        self._made = _identity(self.path)

    async def stop(self) -> None:
        """Stop listening; requests under way get their answer first (an `engine.drain` among them)."""
        self._stopping = True
        if self._server is not None:
            self._server.close()
        for task in self._connections - self._busy:
            task.cancel()
        if self._busy:
            await asyncio.wait(self._busy, timeout=ANSWER_SECONDS)
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await asyncio.gather(*self._leftovers, return_exceptions=True)
        # An engine that took over listens at the same path: its socket is not ours to remove.
        if self._made is not None and _identity(self.path) == self._made:
            self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
        imports: set[int] = set()
        try:
            while line := await reader.readline():
                if task is not None:
                    self._busy.add(task)
                writer.write(await asyncio.shield(self._answer(line, imports)))
                await writer.drain()
                self._busy.discard(task)
                if self._stopping:
                    break
        except ValueError:
            writer.write(_error("", UsageError("a request may be at most 1 MB long", hint="send smaller slices")))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            self._busy.discard(task)
            with contextlib.suppress(Exception):
                writer.close()
            for import_id in imports:
                self._hold(asyncio.create_task(self._abandon(import_id)))

    def _hold(self, work: asyncio.Task[None]) -> None:
        self._leftovers.add(work)
        work.add_done_callback(self._leftovers.discard)

    async def _abandon(self, import_id: int) -> None:
        """The client of an unfinished import is gone: its rows must not stand in the way of the next try."""
        with contextlib.suppress(PacelineError):
            await actions.call(
                self._context, "recipients.abort", {"import_id": import_id}, Actor("engine", via="engine")
            )

    def _answer(self, line: bytes, imports: set[int]) -> asyncio.Future[bytes]:
        try:
            request = json.loads(line)
            request_id = str(request["id"])
            if len(request_id) > ID_LIMIT:
                raise UsageError(f"a request's id may have at most {ID_LIMIT} characters", hint="use a short one")
            if rb"\ud" in line.lower():
                # Half a surrogate pair is legal JSON and can be neither stored nor shown.
                json.dumps(request, ensure_ascii=False).encode()
            if request["v"] != PROTOCOL:
                raise UsageError(
                    f"this engine speaks protocol {PROTOCOL}, the client {request['v']}",
                    hint="use the same version of Paceline on both sides",
                )
            args, who = request.get("args") or {}, request.get("actor") or {}
            if not isinstance(args, dict) or not isinstance(who, dict):
                raise UsageError("args and actor of a request are JSON objects")
        except PacelineError as error:
            return _done(_error("", error))
        except (ValueError, KeyError, TypeError, RecursionError):
            return _done(_error("", UsageError("not a request: one JSON object a line with v, id, action")))
        known = self._answers.get(request_id)
        if known is not None:
            return known
        future = asyncio.ensure_future(self._run(request_id, request, imports))
        self._answers[request_id] = future
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        return future

    async def _run(self, request_id: str, request: dict[str, Any], imports: set[int]) -> bytes:
        try:
            who = request.get("actor") or {}
            actor = Actor(
                str(who.get("user", "?"))[:80], str(who.get("host", ""))[:120], str(who.get("via", "cli"))[:40]
            )
            result = await actions.call(
                self._context, str(request.get("action", "")), dict(request.get("args") or {}), actor
            )
            if request.get("action") == "recipients.begin":
                imports.add(result["import_id"])
            elif request.get("action") in ("recipients.commit", "recipients.abort"):
                imports.discard(request["args"].get("import_id"))
        except PacelineError as error:
            return _error(request_id, error)
        except Exception:
            log.exception("action %s failed", request.get("action"))
            return _error(request_id, PacelineError("the engine met an internal error", hint="see its log"))
        return json.dumps({"id": request_id, "ok": True, "result": result}).encode() + b"\n"


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file stands at `path`; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _done(answer: bytes) -> asyncio.Future[bytes]:
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    future.set_result(answer)
    return future


def _error(request_id: str, error: PacelineError) -> bytes:
    body = {"code": error.code, "message": error.message, "hint": error.hint, "exit": error.exit_code}
    return json.dumps({"id": request_id, "ok": False, "error": body}).encode() + b"\n"
