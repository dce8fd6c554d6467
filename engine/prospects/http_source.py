"""Prospects from an HTTP service: JSON in pages, read within bounds of pages, bytes and time.

The way there is a webhook's: every address of the host is judged before it is connected to, nothing is followed, and
nothing is taken from the environment (`engine.channels.webhook`).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urljoin

from engine.channels.trouble import explain
from engine.channels.waits import http_date, retry_after
from engine.channels.webhook.endpoint import Endpoint, parse_endpoint
from engine.channels.webhook.guard import Forbidden, Lookup, resolve
from engine.channels.webhook.wire import Answer, NoAnswer, connect_any
from engine.intake.jsonlines import DECODER, cell_of
from engine.intake.records import NO_TEXT, ORDINARY
from engine.intake.tables import TableRow
from engine.prospects.rows import Bounds, Found, Gathering
from storage import __version__
from storage.errors import PacelineError

MOST_PAGE: Final = 8 << 20
"""Bytes of one page: decoded, JSON of tiny objects takes some twenty times its size in memory."""
_NEVER: Final = 1 << 62
_LONGEST_NAME: Final = 200


class SourceError(PacelineError):
    """The service gave no usable answer. `passing`: another run may have more luck, not before `wait` (us, 0: any time)
    where the service named one."""

    code = "source"

    def __init__(self, message: str, *, hint: str, passing: bool = False, wait: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.passing = passing
        self.wait = wait


@dataclass(frozen=True, slots=True)
class HttpSource:
    """A service whose answer is a list of objects, or `{"items": [...], "next": ADDRESS}` page by page.

    `token`, called in a thread for each reading, is sent in `token_header` (in Authorization as a Bearer token).
    Timeouts in seconds: to be connected, for one answer, for everything. `most_pages` and `most_bytes` bound a reading.
    """

    endpoint: Endpoint
    token: Callable[[], str] | None = field(default=None, repr=False)
    token_header: str = "Authorization"  # noqa: S105 - a header's name
    allow_private: bool = False
    ca_file: str = ""
    connect_timeout: float = 30.0
    reply_timeout: float = 30.0
    timeout: float = 120.0
    most_pages: int = 100
    most_bytes: int = 32 << 20


async def read_pages(source: HttpSource, wanted: Mapping[str, str], bounds: Bounds, lookup: Lookup) -> Found:
    """Every prospect of the service, as `engine.prospects.source.read_prospects` has it. Raises as it does."""
    reading = _Reading(source, bounds.rows, lookup)
    try:
        async with asyncio.timeout(source.timeout):
            await reading.run()
    except TimeoutError:
        where = source.endpoint.shown
        raise SourceError(
            f"{where} was not read to its end within {source.timeout:g} s: it came to page {reading.pages}.",
            hint="Raise timeout, or ask the service for fewer rows.",
            passing=True,
        ) from None
    return await asyncio.to_thread(_gathered, reading, wanted, bounds)


def _gathered(reading: _Reading, wanted: Mapping[str, str], bounds: Bounds) -> Found:
    if not reading.items:
        return Found(cut=reading.cut)
    gathering = Gathering(_columns(reading), wanted, bounds)
    for number, item in enumerate(reading.items, start=1):
        if not gathering.take(_row(number, item, gathering)):
            break
    return gathering.found(reading.cut)


def _columns(reading: _Reading) -> list[str]:
    """The keys of all items in the order of their first appearance; what cannot be the name of a field is left out."""
    names: dict[str, None] = {}
    for item in reading.items:
        if isinstance(item, dict):
            names.update(dict.fromkeys(item))
        if len(names) > ORDINARY.max_columns:
            raise SourceError(
                f"{reading.where}: the items have more than {ORDINARY.max_columns} different keys.",
                hint="Ask the service for the fields that are needed only.",
            )
    return [name for name in names if name.strip() and len(name) <= _LONGEST_NAME and not NO_TEXT.search(name)]


def _row(number: int, item: object, gathering: Gathering) -> TableRow:
    """One item as a row. A list or an object is a fault only where a prospect's own field should stand."""
    if not isinstance(item, dict):
        return TableRow(number, {}, "The item is not a JSON object.")
    cells: dict[str, str] = {}
    problem = blamed = ""
    for name, value in item.items():
        if isinstance(value, (dict, list)) and not gathering.is_read(name):
            continue
        cells[name], trouble = cell_of(value)
        if trouble:
            problem, blamed = trouble, name
    return TableRow(number, cells, problem, blamed)


class _Reading:
    """The pages of one service, one after the other, each on a connection of its own."""

    def __init__(self, source: HttpSource, most_items: int, lookup: Lookup) -> None:
        self.items: list[object] = []
        self.pages = 0  # that are read, the one that is being read among them
        self.cut = ""
        self.where = source.endpoint.shown
        self._source = source
        self._most_items = most_items
        self._lookup = lookup
        self._bytes = 0
        self._seen: set[str] = set()

    async def run(self) -> None:
        """Read until the service has no more, or a bound is reached. Raises SourceError."""
        source = self._source
        token = await asyncio.to_thread(source.token) if source.token else ""
        if not (token.isascii() and token.isprintable()):
            raise SourceError(
                f"{self.where}: the token has characters that cannot stand in a header.", hint="Copy the token again."
            )
        tls = await self._tls() if source.endpoint.scheme == "https" else None
        endpoint: Endpoint | None = source.endpoint
        while endpoint is not None:
            self._seen.add(endpoint.target)
            self.pages += 1
            answer = await self._ask(endpoint, token, tls)
            items, following = await asyncio.to_thread(self._page, answer)
            self._bytes += len(answer.body)
            # One more than is wanted, so that who gathers them knows that there are more.
            self.items += items[: self._most_items + 1 - len(self.items)]
            endpoint = self._next(endpoint, following)

    def _next(self, endpoint: Endpoint, following: object) -> Endpoint | None:
        """Where the next page is, None when no more is to be read. Raises SourceError."""
        if following is None or following == "" or len(self.items) > self._most_items:
            return None
        if not isinstance(following, str) or following.isdigit():
            raise self._unusable('"next" is no address')
        try:
            found = parse_endpoint(urljoin(f"{endpoint.scheme}://{endpoint.place}{endpoint.target}", following))
        except ValueError:
            raise self._unusable('"next" is no address that can be asked') from None
        if (found.scheme, found.host, found.port) != (endpoint.scheme, endpoint.host, endpoint.port):
            # The token would go to whomever a page names.
            raise self._unusable('"next" leads to another server')
        if found.target in self._seen:
            raise self._unusable('"next" leads back to a page that was read before')
        if self.pages >= self._source.most_pages:
            self.cut = f"The source has more than {self._source.most_pages} pages; the rest was not read."
            return None
        if self._bytes >= self._source.most_bytes:
            self.cut = f"The first {self.pages} pages fill {self._source.most_bytes >> 20} MB; the rest was not read."
            return None
        return found

    async def _ask(self, endpoint: Endpoint, token: str, tls: ssl.SSLContext | None) -> Answer:
        """One page's answer with a good status and a whole body. Raises SourceError."""
        source = self._source
        try:
            async with asyncio.timeout(source.connect_timeout):
                addresses = await resolve(endpoint, allow_private=source.allow_private, lookup=self._lookup)
                wire = await connect_any(
                    addresses,
                    endpoint.port,
                    name=endpoint.host,
                    tls=tls,
                    timeout=source.connect_timeout,
                    most=MOST_PAGE,
                )
        except Forbidden as error:
            raise SourceError(f"{error}.", hint="Name a service that may be asked, or allow it.") from None
        except (OSError, UnicodeError) as error:
            reason = explain(error, endpoint.host, endpoint.port, source.connect_timeout)
            raise SourceError(
                f"{reason}.", hint="Check the address, and whether the service runs.", passing=True
            ) from None
        try:
            answer = await wire.ask(
                "GET", endpoint.target, _headers(endpoint, source, token), b"", source.reply_timeout
            )
        except NoAnswer as error:
            hint = "Run it again later, or raise reply_timeout."
            raise SourceError(f"{self.where}: {error.reason}.", hint=hint, passing=True) from None
        finally:
            wire.abort()
        if answer.status != 200:
            raise _refused(answer, self.where)
        if len(answer.body) >= MOST_PAGE:
            raise SourceError(
                f"{self.where}: page {self.pages} is larger than {MOST_PAGE >> 20} MB.",
                hint="Ask the service for smaller pages.",
            )
        if not answer.whole:
            hint = "Run it again later, or raise reply_timeout."
            raise SourceError(f"{self.where}: page {self.pages} broke off.", hint=hint, passing=True)
        return answer

    def _page(self, answer: Answer) -> tuple[list[object], object]:
        """The items of a page, and what it says of the next. Raises SourceError."""
        if answer.header("content-encoding").lower() not in ("", "identity"):
            raise self._unusable("it is compressed although nobody asked for that")
        try:
            found: Any = DECODER.decode(answer.body.decode("utf-8-sig"))
        except RecursionError:
            raise self._unusable("it is nested too deeply") from None
        except ValueError as error:
            # Of a UnicodeDecodeError, which holds the bytes, nothing is repeated.
            reason = "it is not UTF-8" if isinstance(error, UnicodeError) else f"it is no JSON ({error})"
            raise self._unusable(reason[:300]) from None
        following = None
        if isinstance(found, dict):
            found, following = found.get("items"), found.get("next")
        if not isinstance(found, list):
            raise self._unusable('it is neither a list nor an object with "items"')
        return found, following

    def _unusable(self, reason: str) -> SourceError:
        hint = 'The answer must be a JSON list of objects, or {"items": [...], "next": ADDRESS}.'
        return SourceError(f"{self.where}: page {self.pages} cannot be used: {reason}.", hint=hint)

    async def _tls(self) -> ssl.SSLContext:
        try:
            return await asyncio.to_thread(ssl.create_default_context, cafile=self._source.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or str(error)
            raise SourceError(
                f"the certificate authorities cannot be read: {reason}.", hint="Check ca_file, or leave it out."
            ) from None


def _headers(endpoint: Endpoint, source: HttpSource, token: str) -> list[tuple[bytes, bytes]]:
    lines = [
        ("Host", endpoint.place),
        ("Accept", "application/json"),
        # What is not compressed cannot grow while it is read.
        ("Accept-Encoding", "identity"),
        ("User-Agent", f"Paceline/{__version__}"),
        ("Connection", "close"),
    ]
    if token:
        bearer = source.token_header.lower() == "authorization" and " " not in token
        lines.append((source.token_header, f"Bearer {token}" if bearer else token))
    return [(name.encode(), value.encode()) for name, value in lines]


def _refused(answer: Answer, where: str) -> SourceError:
    """What a status other than 200 means, and what to do about it."""
    status = answer.status
    said = http_date(answer.header("date"))
    # A date counts from the answer's own, so that no clock needs to be right.
    wait = retry_after(answer.header("retry-after"), _NEVER if said is None else said)
    passing = status in (408, 425, 429) or status >= 500
    if 300 <= status < 400:
        hint = "A redirect is not followed: write the address that it leads to."
    elif status in (401, 403):
        hint = "Check the token, and what it may read."
    elif status == 404:
        hint = "Check the address."
    elif passing:
        hint = "Run it again later."
    else:
        hint = "Ask whoever runs the service what it expects."
    return SourceError(f"{where} answered {status}.", hint=hint, passing=passing, wait=wait)
