"""What an account of a social network learnt of a profile, and how often it looked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.tx import Tx


@dataclass(frozen=True, slots=True)
class KnownProfile:
    """What a look-up said, in the provider's words; `checked_at` in microseconds UTC."""

    profile: str
    provider_id: str
    name: str
    distance: str
    invitation: str
    """SENT, RECEIVED or ""."""
    invitation_status: str
    """PENDING, IGNORED, WITHDRAWN or ""."""
    checked_at: int


def known(tx: Tx, queue_id: int, profile: str) -> KnownProfile | None:
    row = tx.one(
        "SELECT profile, provider_id, name, distance, invitation, invitation_status, checked_at FROM profiles "
        "WHERE queue_id = ? AND profile = ?",
        (queue_id, profile),
    )
    return KnownProfile(*tuple(row)) if row is not None else None


def keep(tx: Tx, queue_id: int, known: KnownProfile) -> None:
    tx.execute(
        "INSERT INTO profiles (queue_id, profile, provider_id, name, distance, invitation, invitation_status, "
        "checked_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (queue_id, profile) DO UPDATE SET provider_id = "
        "excluded.provider_id, "
        "name = excluded.name, distance = excluded.distance, invitation = excluded.invitation, "
        "invitation_status = excluded.invitation_status, checked_at = excluded.checked_at",
        (
            queue_id, known.profile, known.provider_id, known.name, known.distance, known.invitation,
            known.invitation_status, known.checked_at,
        ),
    )  # fmt: skip


def forget(tx: Tx, queue_id: int, job_id: int) -> None:
    """What was learnt of a message's person is old from now on: before it is sent again, somebody looks again. An
    engine that died while it sent could not write down that the invitation may be there."""
    tx.execute(
        "UPDATE profiles SET checked_at = 0 WHERE queue_id = ? AND profile = (SELECT r.profile FROM jobs j "
        "JOIN recipients r ON r.id = j.recipient_id WHERE j.id = ?) AND profile <> ''",
        (queue_id, job_id),
    )


def take_look_up(tx: Tx, queue_id: int, cap: int, period: int, now: int) -> int | None:
    """Book one look-up against at most `cap` in any `period` (us). None: taken; else when the next one is free (us).

    A time in the future (the clock stepped back) counts as now, so that it frees its place again.
    """
    tx.execute("UPDATE look_ups SET at = ? WHERE queue_id = ? AND at > ?", (now, queue_id, now))
    row = tx.one(
        "SELECT at FROM look_ups WHERE queue_id = ? AND at > ? ORDER BY at DESC LIMIT 1 OFFSET ?",
        (queue_id, now - period, cap - 1),
    )
    if row is not None:
        return int(row["at"]) + period
    tx.execute("DELETE FROM look_ups WHERE queue_id = ? AND at < ?", (queue_id, now - 2 * period))
    tx.execute("INSERT INTO look_ups (queue_id, at) VALUES (?, ?)", (queue_id, now))
    return None
