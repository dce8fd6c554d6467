"""Which addresses a request may go to. A name is looked up first, every address is judged, and only a judged one is
connected to: a name that changes its answer in between (DNS rebinding) leads nowhere else."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from engine.channels.webhook.endpoint import Endpoint

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[[str, int], Awaitable[list[str]]]
"""Gives the addresses of a host name, as text, best first. Raises OSError."""

_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        # Azure's stands in public space; the others are named so that `allow_private` does not open them.
        ("169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"),
    )
)
"""Where cloud machines are handed their credentials: never a receiver."""
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class Forbidden(Exception):  # noqa: N818 - an answer, as the operator reads it
    """A request may not go there; the text is one sentence for the operator."""


async def resolve(endpoint: Endpoint, *, allow_private: bool, lookup: Lookup) -> list[str]:
    """The addresses that may be connected to, best first, each once.

    Raises Forbidden as soon as one of them may not be: a name that leads outside and inside at once is no receiver.
    Raises OSError when the name is not known.
    """
    found = list(dict.fromkeys(await lookup(endpoint.host, endpoint.port)))
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, "no address")
    for text in found:
        if reason := refusal(ipaddress.ip_address(text), allow_private=allow_private, clear=endpoint.scheme == "http"):
            where = text if text == endpoint.host else f"{endpoint.host} ({text})"
            raise Forbidden(f"{where} {reason}")
    return found


def check_url(endpoint: Endpoint, *, allow_private: bool, token: bool, instead: str) -> None:
    """Whether a configuration may name an endpoint, with a `token` that travels to it or without; `instead` is what
    else could be done about the token. Raises ValueError with the sentence for the operator."""
    if endpoint.scheme == "http" and not allow_private:
        raise ValueError("url must begin with https://; http:// is for your own network, with allow_private = true")
    if endpoint.scheme == "http" and token and not endpoint.is_loopback:
        raise ValueError(f"the token would travel in clear: use https, or {instead}")
    if reason := _refusal_of_host(endpoint, allow_private=allow_private):
        raise ValueError(f"url: {reason}")


def _refusal_of_host(endpoint: Endpoint, *, allow_private: bool) -> str:
    """The sentence for a host that is an address itself and may not be asked; "" otherwise: a name is judged when it
    is looked up."""
    if endpoint.address is None:
        return ""
    reason = refusal(endpoint.address, allow_private=allow_private, clear=endpoint.scheme == "http")
    return f"{endpoint.host} {reason}" if reason else ""


def refusal(address: Address, *, allow_private: bool, clear: bool = False) -> str:
    """Why no request goes to `address`, as the end of a sentence; "" when it may. `clear`: without TLS, which is for
    private addresses alone."""
    address = _inner(address)
    if address in _METADATA:
        return "is a cloud's metadata service: no request ever goes there"
    if address.is_multicast or address.is_unspecified or address == ipaddress.ip_address("255.255.255.255"):
        return "is not the address of one machine"
    if address.is_global:
        return "is a public address, which needs https" if clear else ""
    if not allow_private:
        return "is not a public address; set allow_private = true if the receiver stands in your own network"
    return ""


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 form stands for (RFC 4291 2.5.5, RFC 6052, RFC 3056, RFC 4380), else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address


async def system_lookup(host: str, port: int) -> list[str]:
    """What the system's resolver says. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # A scope ("%eth0") belongs to link-local addresses only, which are judged without it.
    return [str(place[4][0]).partition("%")[0] for place in found]
