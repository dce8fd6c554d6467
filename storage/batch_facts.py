"""When the batches of a campaign are planned to end. Bounded reads, whatever the size of the store."""

from __future__ import annotations

from storage.reader import Reader

LOOKED_THROUGH = 5_000
"""The last pending messages of a campaign, among which the batches are looked for: no index holds batch and time."""


def last_due_by_batch(reader: Reader, campaign_id: int) -> dict[int, int]:
    """The last due time (us) of each batch that has one of the campaign's last 5,000 pending messages."""
    rows = reader.rows(
        "SELECT batch_id, MAX(due_at) AS due_at FROM (SELECT batch_id, due_at FROM jobs INDEXED BY jobs_waiting "
        "WHERE campaign_id = ? AND state = 'pending' ORDER BY due_at DESC, id DESC LIMIT ?) GROUP BY batch_id",
        (campaign_id, LOOKED_THROUGH),
    )
    return {row["batch_id"]: row["due_at"] for row in rows}
