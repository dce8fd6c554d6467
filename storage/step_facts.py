"""What became of each step of a campaign: sums over its messages in short slices. Times in microseconds UTC."""

from __future__ import annotations

from storage.reader import Reader, Row

SLICE = 20_000
"""Messages that one read sums up: about 10 ms, so that neither a screen nor the WAL waits long."""
_SUMS = (
    "SELECT step_id, state, count(*) AS n, max(id) AS last_id FROM (SELECT id, step_id, state FROM jobs "
    "INDEXED BY jobs_campaign WHERE campaign_id = ? AND id > ? ORDER BY id LIMIT ?) GROUP BY 1, 2"
)
_FOLLOW = (
    "SELECT step_id, count(*) AS n FROM jobs INDEXED BY jobs_follow WHERE campaign_id = ? AND follow > 0 "
    "AND follow = 2 GROUP BY 1"
)


def step_counts(reader: Reader, campaign: Row) -> dict[int, dict[str, int]]:
    """Messages by step id and state; `campaign` as `Reader.campaign` gives it. Of one step its counters say it."""
    steps = [step["id"] for step in campaign["steps"]]
    if len(steps) == 1:
        return {steps[0]: {state: n for state, n in campaign["counts"].items() if n and state != "retry"}}
    found: dict[int, dict[str, int]] = {step: {} for step in steps}
    after = 0
    while rows := reader.rows(_SUMS, (campaign["id"], after, SLICE)):
        for row in rows:
            counts = found.setdefault(row["step_id"], {})
            counts[row["state"]] = counts.get(row["state"], 0) + row["n"]
        after = max(row["last_id"] for row in rows)
    return found


def waiting_for_acceptance(reader: Reader, campaign_id: int) -> dict[int, int]:
    """By step id, of how many people the next step waits until the invitation is accepted."""
    return {row["step_id"]: row["n"] for row in reader.rows(_FOLLOW, (campaign_id,))}


def message_id_of(reader: Reader, recipient_id: int, step_id: int) -> str:
    """The Message-ID of a person's message of a step; "" while there is none."""
    row = reader.one("SELECT message_id FROM jobs WHERE recipient_id = ? AND step_id = ?", (recipient_id, step_id))
    return str(row["message_id"]) if row else ""
