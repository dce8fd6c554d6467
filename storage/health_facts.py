"""How the store and its work stand, for screens: sizes, what waits longest and where to. Bounded reads, whatever the
size of the store."""

from __future__ import annotations

import shutil
from typing import Any

from storage.model import DAY, HOUR, MINUTE
from storage.reader import Reader
from storage.work_terms import CHANNEL

Row = dict[str, Any]

AGES = (5 * MINUTE, HOUR, DAY)
"""Edges of the columns of age: what is overdue for less than five minutes, an hour, a day, and longer."""
LOOKED_AT = 5_000
"""Due messages that are sorted by destination at most, the oldest of each campaign first. The domain stands in no
index, because every send would pay for it."""


def newest(reader: Reader) -> Row:
    """The highest ids of what is only ever added to: `{events, attempts}`. Their growth is how much has happened."""
    found = {}
    for name in ("events", "attempts"):
        row = reader.one(f"SELECT MAX(id) AS id FROM {name}")
        found[name] = (row and row["id"]) or 0
    return found


def sizes(reader: Reader) -> Row:
    """Bytes, to two digits: `{database, wal, disk_free, disk_total}`; 0 for a file that is not there.

    Rounded, so that a heartbeat that adds one page to the log is no news for a screen.
    """
    wal = reader.path.with_name(reader.path.name + "-wal")
    disk = shutil.disk_usage(reader.path.parent)
    return {
        "database": _rounded(reader.path.stat().st_size),
        "wal": _rounded(wal.stat().st_size if wal.exists() else 0),
        "disk_free": _rounded(disk.free),
        "disk_total": disk.total,
    }


def _rounded(n: int) -> int:
    digits = len(str(n)) - 2
    return round(n, -digits) if digits > 0 else n


_WORK_DUE = (
    "SELECT due_at FROM jobs INDEXED BY jobs_claim WHERE queue_id = ? AND campaign_id IS NULL AND state = 'pending' "
    "AND ready = 1 AND due_at <= ? ORDER BY priority DESC, due_at LIMIT ?"
)


def oldest_due(reader: Reader, now: int) -> int | None:
    """The due time of what is overdue longest in an active campaign; None when nothing is overdue."""
    row = reader.one(
        "SELECT MIN((SELECT j.due_at FROM jobs j INDEXED BY jobs_waiting WHERE j.campaign_id = c.id "
        "AND j.state = 'pending' ORDER BY j.due_at LIMIT 1)) AS due_at FROM campaigns c WHERE c.state = 'active'"
    )
    due = row["due_at"] if row else None
    return due if due is not None and due <= now else None


def last_stopped(reader: Reader, campaign_id: int, state: str) -> int | None:
    """When the newest job of a campaign that stands `failed`, `held` or `uncertain` came to stand so (us)."""
    row = reader.one(
        "SELECT updated_at FROM jobs INDEXED BY jobs_stopped WHERE campaign_id = ? AND state = ? "
        "AND state IN ('failed', 'held', 'uncertain') ORDER BY id DESC LIMIT 1",
        (campaign_id, state),
    )
    return row["updated_at"] if row else None


def due_by_destination(reader: Reader, now: int, limit: int = 10) -> Row:
    """What is overdue in active campaigns, by queue and by the recipient's domain, and in queues of background jobs,
    oldest first.

    `{looked_at, whole, queues, domains}`; each row `{name, n, oldest, ages}` where `ages` counts by the columns of
    `AGES` plus one. At most 5,000 messages and as many background jobs are looked at (`whole` is false when there are
    more); of the domains the `limit` with the oldest message are given.
    """
    campaigns = reader.rows(
        "SELECT c.id, q.name AS queue FROM campaigns c JOIN queues q ON q.id = c.queue_id WHERE c.state = 'active'"
    )
    share = LOOKED_AT // max(1, len(campaigns))
    queues: dict[str, Row] = {}
    domains: dict[str, Row] = {}
    looked_at, whole = 0, True
    for campaign in campaigns:
        rows = reader.rows(
            "SELECT j.due_at, COALESCE(r.address, '') AS address FROM jobs j INDEXED BY jobs_waiting "
            "LEFT JOIN recipients r ON r.id = j.recipient_id "
            "WHERE j.campaign_id = ? AND j.state = 'pending' AND j.due_at <= ? ORDER BY j.due_at LIMIT ?",
            (campaign["id"], now, share + 1),
        )
        whole = whole and len(rows) <= share
        for row in rows[:share]:
            looked_at += 1
            domain = row["address"].rpartition("@")[2].lower() or "-"
            _note(queues, campaign["queue"], row["due_at"], now)
            _note(domains, domain, row["due_at"], now)
    work = reader.rows("SELECT id, name FROM queues WHERE channel = ?", (CHANNEL,))
    share = LOOKED_AT // max(1, len(work))
    for queue in work:
        rows = reader.rows(_WORK_DUE, (queue["id"], now, share + 1))
        whole = whole and len(rows) <= share
        looked_at += len(rows[:share])
        for row in rows[:share]:
            _note(queues, queue["name"], row["due_at"], now)
    return {
        "looked_at": looked_at, "whole": whole, "queues": _oldest_first(queues),
        "domains": _oldest_first(domains)[:limit], "more_domains": max(0, len(domains) - limit),
    }  # fmt: skip


def _note(found: dict[str, Row], name: str, due_at: int, now: int) -> None:
    row = found.setdefault(name, {"name": name, "n": 0, "oldest": due_at, "ages": [0] * (len(AGES) + 1)})
    row["n"] += 1
    row["oldest"] = min(row["oldest"], due_at)
    row["ages"][sum(now - due_at >= edge for edge in AGES)] += 1


def _oldest_first(found: dict[str, Row]) -> list[Row]:
    return sorted(found.values(), key=lambda row: (row["oldest"], row["name"]))
