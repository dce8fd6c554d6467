"""Prospects from an HTTP service: JSON in pages, read within bounds of pages, bytes and time.

The way there is a webhook's: every address of the host is judged before it is connected to, nothing is followed, and
nothing is taken from the environment (`engine.channels.webhook`).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin

from engine.channels.trouble import explain
from engine.channels.webhook.endpoint import Endpoint, parse_endpoint
from engine.channels.webhook.guard import Forbidden, Lookup, resolve
from engine.channels.webhook.wire import Answer, NoAnswer, connect_any
from engine.intake.jsonlines import cell_of
from engine.intake.records import NO_TEXT, ORDINARY
from engine.intake.tables import TableRow
from engine.prospects.answers import SourceError, page_of, unusable
from engine.prospects.rows import Bounds, Found, Gathering
from storage import __version__

MOST_PAGE: Final = 8 << 20
"""Bytes of one page. The worst that fits, nothing but empty objects, took 300 MB for the seconds of its decoding."""
_LONGEST_NAME: Final = 200


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
            items, following = await asyncio.to_thread(page_of, answer, self.where, self.pages)
            self._bytes += len(answer.body)
            # One more than is wanted, so that who gathers them knows that there are more.
            self.items += items[: self._most_items + 1 - len(self.items)]
            endpoint = self._next(endpoint, following)

    def _next(self, endpoint: Endpoint, following: object) -> Endpoint | None:
        """Where the next page is, None when no more is to be read. Raises SourceError."""
        if following is None or following == "" or len(self.items) > self._most_items:
            return None
        if not isinstance(following, str) or following.isdigit():
            raise self._odd('"next" is no address')
        try:
            found = parse_endpoint(urljoin(f"{endpoint.scheme}://{endpoint.place}{endpoint.target}", following))
        except ValueError:
            raise self._odd('"next" is no address that can be asked') from None
        if (found.scheme, found.host, found.port) != (endpoint.scheme, endpoint.host, endpoint.port):
            # The token would go to whomever a page names.
            raise self._odd('"next" leads to another server')
        if found.target in self._seen:
            raise self._odd('"next" leads back to a page that was read before')
        if self.pages >= self._source.most_pages:
            self.cut = f"The source has more than {self._source.most_pages} pages; the rest was not read."
            return None
        if self._bytes >= self._source.most_bytes:
            self.cut = f"The first {self.pages} pages fill {self._source.most_bytes >> 20} MB; the rest was not read."
            return None
        return found

    async def _ask(self, endpoint: Endpoint, token: str, tls: ssl.SSLContext | None) -> Answer:
        """One page's answer, whole where its status is a good one. Raises SourceError."""
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
            return answer
        if len(answer.body) >= MOST_PAGE:
            raise SourceError(
                f"{self.where}: page {self.pages} is larger than {MOST_PAGE >> 20} MB.",
                hint="Ask the service for smaller pages.",
            )
        if not answer.whole:
            hint = "Run it again later, or raise reply_timeout."
            raise SourceError(f"{self.where}: page {self.pages} broke off.", hint=hint, passing=True)
        return answer

    def _odd(self, reason: str) -> SourceError:
        return unusable(self.where, self.pages, reason)

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
