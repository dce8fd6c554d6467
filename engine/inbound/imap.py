"""Mails out of an IMAP folder (RFC 9051), read without being marked, from where the last reading ended.

The standard library's client blocks, so a reading runs in a thread. What was read is a cursor that the caller keeps:
UIDVALIDITY and the highest UID (RFC 9051 section 2.3.1.1).
"""

from __future__ import annotations

import base64
import contextlib
import imaplib
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from engine.inbound.model import MAX_BYTES, Raw
from storage.errors import PacelineError
from storage.model import SECOND

_TIMEOUT = 60.0
"""Seconds for each answer of the server."""
_UID = re.compile(rb"\bUID (\d+)")
_ARRIVED = re.compile(rb'INTERNALDATE "([^"]+)"')


class ImapError(PacelineError):
    """The mailbox was not reached or not opened; the text says why, without credentials."""

    code = "imap"


@dataclass(frozen=True, slots=True)
class ImapSettings:
    """Where a mailbox is. `password` is asked at each login, in the reading's thread. `tls`: `implicit`, `starttls`, or
    `none` for a server on this machine."""

    host: str
    port: int
    username: str
    password: Callable[[], str]
    folder: str = "INBOX"
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a folder was read; the empty one reads from its beginning. Another UIDVALIDITY does so, too."""

    uidvalidity: int = 0
    uid: int = 0

    def __str__(self) -> str:
        return f"{self.uidvalidity}:{self.uid}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """A cursor as `str` wrote it; the empty one for anything else."""
        found = re.fullmatch(r"(\d{1,19}):(\d{1,19})", text)
        return cls(int(found[1]), int(found[2])) if found else cls()


@dataclass(frozen=True, slots=True)
class Reading:
    """Some mails, and the cursor behind them. `more` says that the folder holds further ones."""

    mails: tuple[Raw, ...]
    cursor: Cursor
    more: bool


def read_imap(settings: ImapSettings, cursor: Cursor, *, limit: int = 200, seen: bool = False, now: int = 0) -> Reading:
    """At most `limit` mails behind the cursor, the oldest first. Blocks: call it in a thread.

    Nothing is marked or moved; with `seen` what was read is marked as such. `now` (us, UTC) stands for the arrival
    that a server does not name. Raises ImapError, and UsageError where the password cannot be read.
    """
    password = settings.password()
    with contextlib.ExitStack() as stack:
        try:
            client = _connect(settings)
            stack.callback(_leave, client)
            client.login(settings.username, password)
            return _read(client, settings.folder, cursor, limit, seen, now)
        except imaplib.IMAP4.error as error:
            raise ImapError(f"{settings.host}: {_said(error)}", hint=_HINT) from None
        except UnicodeError:
            raise ImapError(f"{settings.host}: the login or an answer holds characters that cannot be sent") from None
        except (OSError, EOFError) as error:
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise ImapError(f"{settings.host}: {said}", hint=_HINT) from None


_HINT = "check host, port, tls, username and folder, and whether the account allows IMAP"


def _connect(settings: ImapSettings) -> imaplib.IMAP4:
    if settings.tls == "implicit":
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        return imaplib.IMAP4_SSL(settings.host, settings.port, ssl_context=context, timeout=_TIMEOUT)
    client = imaplib.IMAP4(settings.host, settings.port, timeout=_TIMEOUT)
    if settings.tls == "starttls":
        client.starttls(ssl.create_default_context(cafile=settings.ca_file or None))
    return client


def _leave(client: imaplib.IMAP4) -> None:
    with contextlib.suppress(imaplib.IMAP4.error, OSError):
        client.logout()


def _read(client: imaplib.IMAP4, folder: str, cursor: Cursor, limit: int, seen: bool, now: int) -> Reading:
    _answer(client.select(_quoted(folder), readonly=not seen))
    validity = client.response("UIDVALIDITY")[1]
    valid = int(validity[0] or 0) if validity and validity[0] else 0
    after = cursor.uid if cursor.uidvalidity == valid else 0
    found = _answer(client.uid("SEARCH", f"UID {after + 1}:*"))
    # `n:*` names the last mail even when it has a lower UID (RFC 9051 section 9, sequence-set).
    uids = sorted(uid for uid in map(int, (found[0] or b"").split()) if uid > after)
    mails: list[Raw] = []
    for uid in uids[:limit]:
        raw = _fetch(client, uid, now)
        if raw is not None:
            mails.append(raw)
            if seen:
                _answer(client.uid("STORE", str(uid), "+FLAGS.SILENT", "(\\Seen)"))
    last = uids[:limit][-1] if uids else after
    return Reading(tuple(mails), Cursor(valid, last), len(uids) > limit)


def _fetch(client: imaplib.IMAP4, uid: int, now: int) -> Raw | None:
    """One mail; None for one that was removed meanwhile."""
    for part in _answer(client.uid("FETCH", str(uid), f"(UID INTERNALDATE BODY.PEEK[]<0.{MAX_BYTES}>)")):
        if isinstance(part, tuple) and len(part) == 2:
            number = _UID.search(part[0])
            if number is None or int(number[1]) == uid:
                return Raw(part[1], _when(part[0], now), f"UID {uid}")
    return None


def _answer(answer: tuple[str, list[Any]]) -> list[Any]:
    status, data = answer
    if status != "OK":
        said = data[0] if data and isinstance(data[0], bytes) else b"refused"
        raise imaplib.IMAP4.error(said.decode("utf-8", "replace"))
    return data


def _when(head: bytes, now: int) -> int:
    found = _ARRIVED.search(head)
    if found is None:
        return now
    try:
        at = datetime.strptime(found[1].decode("ascii").strip(), "%d-%b-%Y %H:%M:%S %z")
    except ValueError:
        return now
    return int(at.astimezone(UTC).timestamp()) * SECOND


def _quoted(folder: str) -> str:
    """A folder's name on the wire: modified UTF-7 (RFC 3501 section 5.1.3), quoted."""
    pieces = [_wide(piece) if not piece.isascii() else piece.replace("&", "&-") for piece in _runs(folder)]
    escaped = "".join(pieces).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _runs(text: str) -> list[str]:
    return re.findall(r"[\x20-\x7e]+|[^\x20-\x7e]+", text)


def _wide(text: str) -> str:
    encoded = base64.b64encode(text.encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
    return f"&{encoded}-"


def _said(error: imaplib.IMAP4.error) -> str:
    words = error.args[0] if error.args else ""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    return " ".join(text.split())[:200] or "the server refused"
