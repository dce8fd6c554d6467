"""What came back, as screens and commands read it."""

from __future__ import annotations

from typing import Any

from storage.reader import Reader

Row = dict[str, Any]

LINE = (
    "SELECT i.id, i.kind, i.at, i.read_at, i.effect, i.matched_by, i.address, i.code, i.enhanced, i.subject, "
    "i.diagnostic, i.job_id, i.recipient_id, i.campaign_id, c.name AS campaign, i.source FROM inbox i "
    "LEFT JOIN campaigns c ON c.id = i.campaign_id"
)
_ONE = (
    "SELECT i.id, i.digest, i.kind, i.at, i.read_at, i.effect, i.matched_by, i.address, i.code, i.enhanced, i.subject, "
    "i.diagnostic, i.text, i.job_id, i.recipient_id, i.campaign_id, c.name AS campaign, i.source, "
    "r.address AS person, j.state AS job_state, length(i.raw) AS kept FROM inbox i "
    "LEFT JOIN campaigns c ON c.id = i.campaign_id LEFT JOIN recipients r ON r.id = i.recipient_id "
    "LEFT JOIN jobs j ON j.id = i.job_id WHERE i.id = ?"
)


def inbox_rows(
    reader: Reader,
    limit: int = 100,
    *,
    kinds: tuple[str, ...] = (),
    unmatched: bool = False,
    campaign_id: int | None = None,
    before: int | None = None,
) -> list[Row]:
    """The newest first, at most `limit`: of these kinds, of a campaign, only what nobody was found for, only with ids
    below `before`."""
    where, values = ["1"], list[Any]()
    if kinds:
        where.append(f"i.kind IN ({', '.join('?' * len(kinds))})")
        values += kinds
    if unmatched:
        where.append("i.job_id IS NULL")
    if campaign_id is not None:
        where.append("i.campaign_id = ?")
        values.append(campaign_id)
    if before is not None:
        where.append("i.id < ?")
        values.append(before)
    return reader.rows(f"{LINE} WHERE {' AND '.join(where)} ORDER BY i.id DESC LIMIT ?", (*values, limit))


def inbox_one(reader: Reader, inbox_id: int) -> Row | None:
    """One thing that came back, with all that was read of it; None: there is none of that number. `kept` are the
    octets that `inbox_raw` gives."""
    return reader.one(_ONE, (inbox_id,))


def inbox_raw(reader: Reader, inbox_id: int) -> bytes:
    """What is kept of the mail itself; b"" where it was understood and matched."""
    row = reader.one("SELECT raw FROM inbox WHERE id = ?", (inbox_id,))
    return bytes(row["raw"]) if row is not None and row["raw"] is not None else b""
