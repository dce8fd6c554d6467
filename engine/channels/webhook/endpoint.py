"""The address of a receiver: what it may be, what the wire needs of it, and what a person may see of it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import unquote, unquote_plus, urlsplit

from engine.compose.errors import AddressError
from engine.compose.headers import ascii_domain
from engine.tables import is_loopback

_TARGET = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*")
"""Path and query as they may stand in a request line (RFC 3986 sections 3.3 and 3.4)."""
_LOOKS_SECRET = re.compile(r"(?=[^/]*\d)[A-Za-z0-9_-]{16,}")
"""A part of a path that nobody typed: services put the key of a webhook there."""
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address, taken apart. `host` is a name as A-labels or an address without brackets; `target` is the path
    with its query, as it stands in the request line."""

    scheme: str
    host: str
    port: int
    target: str = field(repr=False)

    @property
    def place(self) -> str:
        """Host and port, as the Host header and people write them; the scheme's own port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The host where it is an address itself; None for a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def is_loopback(self) -> bool:
        """Whether the receiver stands on this machine, by its name alone."""
        return is_loopback(self.host)

    @property
    def shown(self) -> str:
        """The address for people: values of the query, and parts of the path that look like a key, are masked."""
        path, mark, query = self.target.partition("?")
        pairs = (pair.partition("=") for pair in query.split("&"))
        masked = "&".join(f"{name}=***" if equals else "***" for name, equals, _ in pairs)
        return f"{self.scheme}://{self.place}{_LOOKS_SECRET.sub('***', path)}{mark}{masked if mark else ''}"

    @property
    def secrets(self) -> frozenset[str]:
        """The parts that `shown` masks, as they may come back in a receiver's words: as they are sent, and decoded."""
        path, _, query = self.target.partition("?")
        values = (value if equals else name for name, equals, value in (p.partition("=") for p in query.split("&")))
        parts = (*values, *_LOOKS_SECRET.findall(path))
        return frozenset(form for part in parts if part for form in (part, unquote(part), unquote_plus(part)))


def parse_endpoint(url: str) -> Endpoint:
    """Take `url` apart. Raises ValueError, whose text never holds the address: a part of it may be a secret.

    The address is the same for everybody, so that nobody's data chooses where a message goes: a brace is refused.
    """
    if not url.isascii() or not url.isprintable() or re.search(r"[\s{}\\<>\"^`|]", url):
        raise ValueError(
            "must be one plain address without blanks, braces or placeholders: it is the same for everybody"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("must be an address such as https://example.com/hooks/orders") from None
    if parts.scheme not in _PORTS or not host:
        raise ValueError("must be an address such as https://example.com/hooks/orders")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password: use token = { ... } with a reference")
    if "#" in url:
        raise ValueError("must not hold a fragment (#...): it is never sent")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if port == 0 or not _TARGET.fullmatch(target):
        raise ValueError("must be an address such as https://example.com/hooks/orders, other characters as %XX")
    return Endpoint(parts.scheme, _host(host), port or _PORTS[parts.scheme], target)


def _host(host: str) -> str:
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError:
            raise ValueError("must have an IPv6 address in its brackets") from None
    try:
        return ascii_domain(host.rstrip(".").lower())
    except AddressError:
        raise ValueError("must have a host name or an address after the scheme") from None
