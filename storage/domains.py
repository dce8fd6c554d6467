"""The gap per recipient domain: who may go to a domain now, and the place in line of everybody else.

A job that has to wait is given a place of its own behind all that wait already, and is moved there once: a lane full of
one provider's addresses costs one write each, and the others pass it.
"""

from __future__ import annotations

from storage.writer import Tx

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


def slot(tx: Tx, queue_id: int, address: str, gap: int, now: int, *, keeps_place: bool = False) -> int:
    """When a job to this address may begin: 0 for now, else its place (us), which is kept for it.

    `keeps_place`: it waited for its place already, so only a real start holds it.
    """
    domain = domain_of(address)
    row = tx.one(_READ, (queue_id, domain)) if domain else None
    if row is None:
        return 0
    last = row["last_start"] if keeps_place else max(row["last_start"], row["reserved"])
    if not last or last + gap <= now:
        return 0
    place = int(max(row["last_start"], row["reserved"])) + gap
    tx.execute(_SET.format(column="reserved"), (queue_id, domain, place))
    return place


def take(tx: Tx, queue_id: int, address: str, now: int) -> None:
    """A job to this address was claimed: the next one keeps its distance from now."""
    if not domain_of(address):
        return
    row = tx.one(_READ, (queue_id, domain_of(address)))
    if row is None or row["reserved"] < now:
        tx.execute(_SET.format(column="reserved"), (queue_id, domain_of(address), now))


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
