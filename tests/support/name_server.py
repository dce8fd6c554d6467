"""A DNS server over UDP on loopback, which keeps a ledger of what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Zone = Mapping[tuple[str, str], Sequence[str]]
"""(name, kind) to record texts, as a zone file writes them: ("example.net", "TXT"): ['"v=spf1 -all"']."""


class NameServer(asyncio.DatagramProtocol):
    """Answers from `zone`; a name that it does not know is NXDOMAIN. `silent` names get no answer at all, `broken` ones
    SERVFAIL."""

    def __init__(self, zone: Zone, silent: Sequence[str] = (), broken: Sequence[str] = ()) -> None:
        self.asked: list[tuple[str, str]] = []
        self.port = 0
        self._zone = zone
        self._silent = silent
        self._broken = broken

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = question.rdtype.name
        self.asked.append((name, kind))
        if name in self._silent or "*" in self._silent:
            return
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if name in self._broken:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif found := self._zone.get((name, kind)):
            answer.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, list(found)))
        elif all(known != name for known, _ in self._zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def serving(zone: Zone, *, silent: Sequence[str] = (), broken: Sequence[str] = ()) -> AsyncIterator[NameServer]:
    """A server on a free port of 127.0.0.1."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(zone, silent, broken), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
