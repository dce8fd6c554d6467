"""The gap per recipient domain: who may go to a domain now, and the place in line of everybody else.

A job that has to wait is given a place of its own behind all that wait already, and is moved there once: a lane full of
one provider's addresses costs one write each, and the others pass it. When its place has come and the start before it
was late, it stays ready and is passed over: order is kept, nothing is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.tx import Tx

WAITS = "domain"
"""Why a pending job is due later than planned: it has its place behind others to the same domain."""

_READ = "SELECT last_start, reserved FROM domain_starts WHERE queue_id = ? AND domain = ?"
_SET = (
    "INSERT INTO domain_starts (queue_id, domain, {column}) VALUES (?, ?, ?) "
    "ON CONFLICT (queue_id, domain) DO UPDATE SET {column} = excluded.{column}"
)


def domain_of(address: str) -> str:
    """The domain in the form that is compared; "" for what is no address."""
    return address.rpartition("@")[2].rstrip(".").lower() if "@" in address else ""


def place_in_line(last_start: int, reserved: int, gap: int, now: int, *, keeps_place: bool) -> int:
    """When a job to a domain may begin, after its last start and the last place (us) that was given; 0 for now. Pure.

    `keeps_place`: it has its place already, so only a real start holds it; others go behind all that wait."""
    last = last_start if keeps_place else max(last_start, reserved)
    return last + gap if last and last + gap > now else 0


class Lines:
    """The domains of one queue during one claim. `gap` in us; `starting`: domains to which a claimed job is on its way
    without an intent, so that a gap is always measured from a real start."""

    def __init__(self, tx: Tx, queue_id: int, gap: int, now: int, starting: frozenset[str]) -> None:
        self._tx = tx
        self._queue_id = queue_id
        self._gap = gap
        self._now = now
        self._taken = set(starting)
        self._seen: dict[str, tuple[int, int]] = {}

    def place(self, address: str, *, keeps_place: bool) -> int:
        """When a job to this address may begin (us), 0 for now. One that has no place yet is given one, which is kept
        for it."""
        domain = domain_of(address)
        if not domain:
            return 0
        last, reserved = self._read(domain)
        if domain in self._taken:
            last = max(last, self._now)
        place = place_in_line(last, reserved, self._gap, self._now, keeps_place=keeps_place)
        if place and not keeps_place:
            self._seen[domain] = last, place
            self._tx.execute(_SET.format(column="reserved"), (self._queue_id, domain, place))
        return place

    def take(self, address: str) -> None:
        """A job to this address is claimed: the next one keeps its distance."""
        self._taken.add(domain_of(address))

    def _read(self, domain: str) -> tuple[int, int]:
        if domain not in self._seen:
            row = self._tx.one(_READ, (self._queue_id, domain))
            self._seen[domain] = (row["last_start"], row["reserved"]) if row is not None else (0, 0)
        return self._seen[domain]


def started(tx: Tx, queue_id: int, address: str, now: int) -> None:
    """A message to this address began."""
    if domain_of(address):
        tx.execute(_SET.format(column="last_start"), (queue_id, domain_of(address), now))


def last_start(tx: Tx, queue_id: int, address: str) -> int:
    """When the last message to this address's domain began (us); 0 for never."""
    row = tx.one(_READ, (queue_id, domain_of(address)))
    return int(row["last_start"]) if row is not None else 0


def forget_future(tx: Tx, queue_id: int, now: int) -> None:
    """After a clock step backwards starts in the future count as now; places in line are given anew."""
    tx.execute(
        "UPDATE domain_starts SET last_start = min(last_start, ?), reserved = min(reserved, ?) WHERE queue_id = ?",
        (now, now, queue_id),
    )


def forget_places(tx: Tx, queue_id: int) -> None:
    """A campaign of the queue leaves its places in line: new ones are given from the last starts on. Those of other
    campaigns keep theirs, and two that meet in one place go one after the other."""
    tx.execute("UPDATE domain_starts SET reserved = 0 WHERE queue_id = ? AND reserved > 0", (queue_id,))
