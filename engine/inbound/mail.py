"""A mail taken apart within limits: headers as text, own words, reports, returned originals. Nothing here raises.

The standard library parses with the `compat32` policy: the newer one builds every structured header while it parses
and raises on some that real systems send; here each header is decoded on its own, and a bad one is taken as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.utils import getaddresses, parsedate_to_datetime

from engine.inbound.html import text_of_html
from engine.inbound.model import MAX_BYTES
from storage.model import DAY, SECOND

MAX_PARTS = 1_000
MAX_DEPTH = 20
MAX_TEXT = 200_000
"""Characters of one part that are read as text."""
MAX_HEADER = 20_000
"""Characters of one header that are read."""
_MAX_DELIMITERS = 20_000
"""Lines that could begin a part: beyond it the parser of the standard library takes minutes."""
_MAX_WORK = 5_000_000
"""Lines times multiparts: each level of nesting looks at each line, about a second in all."""
_MESSAGE_ID = re.compile(r"<\s*([^<>\s]+)\s*>")
_BARE_ID = re.compile(r"[^\s<>\"]+@[^\s<>\"]+")
_ADDRESS = re.compile(r"[^\s<>()\"',;:\\\[\]]+@[^\s<>()\"',;:\\\[\]]+")
_LOST_BOUNDARY = re.compile(r"^--([^\s\"<>]{6,70})\s*\n[A-Za-z-]+:", re.MULTILINE)
_LOST_REPORT = re.compile(r"^content-type:\s*message/(?:global-)?delivery-status", re.IGNORECASE | re.MULTILINE)
_CR = re.compile(rb"\r(?!\n)")
REPORTS = ("message/delivery-status", "message/global-delivery-status")
DISPOSITIONS = ("message/disposition-notification", "message/global-disposition-notification")
_ORIGINALS = ("message/rfc822", "message/global")
_ORIGINAL_HEADERS = ("text/rfc822-headers", "message/rfc822-headers", "message/global-headers", "text/rfc822-header")


class Headers:
    """Headers by name without case, each decoded to text."""

    def __init__(self, items: list[tuple[str, str]]) -> None:
        self._items = items

    def all(self, name: str) -> list[str]:
        wanted = name.lower()
        return [_decoded(value) for key, value in self._items if key.lower() == wanted]

    def get(self, name: str) -> str:
        """The first of this name, unfolded, "" without one."""
        wanted = name.lower()
        return next((_decoded(value) for key, value in self._items if key.lower() == wanted), "")

    def __bool__(self) -> bool:
        return bool(self._items)

    def has(self, name: str) -> bool:
        wanted = name.lower()
        return any(key.lower() == wanted for key, _ in self._items)

    def addresses(self, *names: str) -> list[str]:
        """The mail addresses in these headers, in order, each once."""
        found: dict[str, None] = {}
        for name in names:
            for value in self.all(name):
                found.update(dict.fromkeys(addresses_of(value)))
        return list(found)

    def message_ids(self, name: str) -> list[str]:
        """Identifiers without their brackets."""
        ids: list[str] = []
        for value in self.all(name):
            ids += _MESSAGE_ID.findall(value) or _BARE_ID.findall(value)
        return ids

    def when(self, latest: int) -> int | None:
        """The Date header in microseconds; None when it is missing, unreadable, before 1990 or a day after `latest`."""
        try:
            at = int(parsedate_to_datetime(self.get("date")).timestamp()) * SECOND
        except (ValueError, TypeError, OverflowError, IndexError, OSError):
            return None
        return at if 631_152_000 * SECOND < at < latest + DAY else None


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail taken apart.

    `text` are its own words (plain text, else its HTML as text), without attachments and attached messages.
    `reports` holds for each delivery status its groups of fields; `feedback` and `disposition` the fields of an
    ARF report and of a disposition notification. `originals` are headers of returned messages, the first first, and
    `original_text` the beginning of the first one's text. `kinds` are the content types of all parts.
    """

    headers: Headers
    text: str
    reports: tuple[tuple[Headers, ...], ...]
    feedback: Headers
    disposition: Headers
    originals: tuple[Headers, ...]
    kinds: tuple[str, ...]


def read_mail(data: bytes) -> Mail | None:
    """Take a mail apart; None when there is nothing in it that could be a mail."""
    data = data[:MAX_BYTES]
    data = data.lstrip(b"\r\n\x00")
    if b"\n" not in data[:MAX_HEADER] and b"\r" in data[:MAX_HEADER]:
        data = _CR.sub(b"\n", data)
    if data.startswith((b"From ", b">From ")):
        data = data.partition(b"\n")[2]
    message = _parsed(data)
    if message is None or not message.keys():
        return None
    return _Taker().take(message)


def _parsed(data: bytes) -> Message | None:
    work = data.lower().count(b"multipart/") * data.count(b"\n")
    too_deep = work > _MAX_WORK or data.count(b"\n--") > _MAX_DELIMITERS
    try:
        return BytesParser(policy=policy.compat32).parsebytes(data, headersonly=too_deep)
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError, IndexError, AssertionError):
        pass
    try:
        return BytesParser(policy=policy.compat32).parsebytes(data, headersonly=True)
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError, IndexError, AssertionError):
        return None


class _Taker:
    """Walks the parts of one mail."""

    def __init__(self) -> None:
        self._plain: list[str] = []
        self._html: list[str] = []
        self._reports: list[tuple[Headers, ...]] = []
        self._feedback = Headers([])
        self._disposition = Headers([])
        self._originals: list[Headers] = []
        self._kinds: list[str] = []

    def take(self, message: Message) -> Mail:
        self._walk(message, 0)
        text = "\n".join(self._plain) if any(part.strip() for part in self._plain) else "\n".join(self._html)
        return Mail(
            headers_of(message),
            text[:MAX_TEXT],
            tuple(self._reports),
            self._feedback,
            self._disposition,
            tuple(self._originals),
            tuple(self._kinds),
        )

    def _walk(self, part: Message, depth: int) -> None:
        if depth > MAX_DEPTH or len(self._kinds) >= MAX_PARTS:
            return
        kind = part.get_content_type().lower()
        self._kinds.append(kind)
        if kind in REPORTS:
            self._reports.append(tuple(_groups(part)))
        elif kind == "message/feedback-report":
            self._feedback = self._feedback or _first(_groups(part))
        elif kind in DISPOSITIONS:
            self._disposition = self._disposition or _first(_groups(part))
        elif kind in _ORIGINALS or kind in _ORIGINAL_HEADERS:
            self._originals.append(_original(part))
        elif part.is_multipart():
            for child in _children(part):
                self._walk(child, depth + 1)
        elif depth <= 2 and (whole := _rejoined(part)) is not None:
            self._kinds.pop()
            self._walk(whole, depth)
        elif kind.startswith(("text/", "multipart/")) and not _is_attached(part):
            shown = text_of(part)
            if kind == "text/html":
                self._html.append(text_of_html(shown))
            else:
                self._plain.append(shown)


def headers_of(message: Message) -> Headers:
    return Headers([(str(name), str(value)[:MAX_HEADER]) for name, value in message.raw_items()])


def headers_in(text: str) -> Headers:
    """Header lines that stand in text, up to the first blank line."""
    items: list[tuple[str, str]] = []
    for line in text.splitlines():
        if not line.strip():
            if items:
                break
            continue
        name, colon, value = line.partition(":")
        if line[0] in " \t" and items:
            items[-1] = (items[-1][0], f"{items[-1][1]} {line.strip()}"[:MAX_HEADER])
        elif colon and re.fullmatch(r"[!-9;-~]+", name.strip()):
            items.append((name.strip(), value.strip()[:MAX_HEADER]))
        elif items:
            break
    return Headers(items)


def addresses_of(value: str) -> list[str]:
    """The mail addresses in an address header; a broken list is searched for what looks like one."""
    value = value[:MAX_HEADER]
    try:
        found = [address for _, address in getaddresses([value]) if _is_address(address)]
    except (ValueError, TypeError, IndexError):
        found = []
    return found or _ADDRESS.findall(value)


def _is_address(text: str) -> bool:
    return "@" in text[1:-1] and not text.startswith("@") and " " not in text


def text_of(part: Message) -> str:
    """A part's text: transfer encoding and character set undone, as well as they can be."""
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, LookupError, TypeError, AssertionError):
        payload = None
    if not isinstance(payload, bytes):
        return str(part.get_payload())[:MAX_TEXT] if not part.is_multipart() else ""
    try:
        charset = str(part.get_content_charset("utf-8"))
    except (ValueError, LookupError, TypeError):
        charset = "utf-8"
    return decoded(payload[: 4 * MAX_TEXT], charset)[:MAX_TEXT]


def decoded(data: bytes, charset: str) -> str:
    """Octets as text that every encoder takes: as they say, else as UTF-8, else as Windows-1252, which takes all."""
    for candidate in (charset, "utf-8"):
        try:
            text = data.decode(candidate)
        except (UnicodeError, LookupError, ValueError):
            continue
        if charset.replace("_", "-").lower() in ("us-ascii", "utf-8", "ascii") and "\x1b$" in text:
            # ISO-2022-JP is seven bits wide and often not declared.
            return data.decode("iso2022_jp", "replace")
        # A character set such as `unicode_escape` makes halves of surrogate pairs, which the database does not take.
        return text.encode("utf-8", "replace").decode()
    return data.decode("cp1252", "replace")


def _decoded(value: str) -> str:
    """A header's value: encoded words read, folding undone, stray octets as text."""
    value = re.sub(r"\s*[\r\n]+\s*", " ", value).strip()
    if not value.isascii():
        value = decoded(value.encode("utf-8", "surrogateescape"), "utf-8")
    if "=?" not in value:
        return value
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError, LookupError, TypeError):
        return value
    return "".join(
        decoded(piece, charset or "us-ascii") if isinstance(piece, bytes) else piece for piece, charset in pieces
    )


def _rejoined(message: Message) -> Message | None:
    """A mail of several parts whose header lost the boundary between them, with the one that its text shows."""
    body = message.get_payload()
    if not isinstance(body, str):
        return None
    if message.get_content_maintype() != "multipart" and not _LOST_REPORT.search(body):
        return None
    boundary = _LOST_BOUNDARY.search(body)
    if boundary is None:
        return None
    head = "".join(f"{key}: {value}\n" for key, value in message.raw_items() if key.lower() != "content-type")
    whole = f'{head}Content-Type: multipart/mixed; boundary="{boundary[1]}"\n\n{body}'
    found = _parsed(whole.encode("utf-8", "surrogateescape"))
    return found if found is not None and found.is_multipart() else None


def _children(part: Message) -> Iterator[Message]:
    payload = part.get_payload()
    if isinstance(payload, list):
        yield from (child for child in payload if isinstance(child, Message))


def _groups(part: Message) -> Iterator[Headers]:
    """The groups of fields of a report. The parser makes a message of each; one that is encoded stays text."""
    children = list(_children(part))
    encoding = str(part.get("content-transfer-encoding", "")).strip().lower()
    text = ""
    if not children:
        text = text_of(part)
    elif encoding in ("base64", "quoted-printable") or not any(child.keys() for child in children):
        part = _reread(part, encoding)
        text = text_of(part)
    if text:
        blocks = re.split(r"\n\s*\n", text.replace("\r\n", "\n"))
        yield from (group for block in blocks if (group := headers_in(block)))
        return
    for child in children[:MAX_PARTS]:
        if child.keys():
            yield headers_of(child)
        # A blank line too many: the parser takes the fields behind it for a body.
        yield from (group for block in _blocks(child) if (group := headers_in(block)))


def _blocks(child: Message) -> list[str]:
    payload = child.get_payload()
    return re.split(r"\n\s*\n", payload) if isinstance(payload, str) and payload.strip() else []


def _reread(part: Message, encoding: str) -> Message:
    """A report that was parsed before its transfer encoding was undone, as plain text with that encoding."""
    body = "\n".join(f"{child.as_string()}" for child in _children(part))
    plain = Message()
    plain["Content-Transfer-Encoding"] = encoding
    plain.set_payload(body.replace("\n\n", "\n"))
    return plain


def _first(groups: Iterator[Headers]) -> Headers:
    """All fields of a report that has one group."""
    return Headers([item for group in groups for item in group._items])


def _original(part: Message) -> Headers:
    for child in _children(part):
        if child.keys():
            return headers_of(child)
    return headers_in(text_of(part))


def _is_attached(part: Message) -> bool:
    disposition = str(part.get("content-disposition", "")).lower()
    return disposition.startswith("attachment")
