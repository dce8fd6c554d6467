"""What the books say of invitations: which are in doubt, who has not answered yet, who could not be invited again."""

from __future__ import annotations

from dataclasses import dataclass

from storage.reader import Reader

# In the words of the index `jobs_stopped`, so that it applies.
_IN_DOUBT = (
    "SELECT j.id, r.profile, COALESCE(p.provider_id, '') AS provider_id, "
    "(SELECT max(a.intent_at) FROM attempts a WHERE a.job_id = j.id) AS at "
    "FROM campaigns c JOIN jobs j INDEXED BY jobs_stopped ON j.campaign_id = c.id AND j.state = 'uncertain' "
    "AND j.state IN ('failed', 'held', 'uncertain') "
    "JOIN recipients r ON r.id = j.recipient_id "
    "LEFT JOIN profiles p ON p.queue_id = j.queue_id AND p.profile = r.profile "
    "WHERE j.queue_id = ? AND r.profile <> '' ORDER BY j.id"
)
_UNANSWERED = (
    "SELECT r.profile, COALESCE(p.provider_id, '') AS provider_id, max(COALESCE(j.sent_at, j.updated_at)) AS at "
    "FROM recipients r JOIN jobs j ON j.recipient_id = r.id "
    "LEFT JOIN profiles p ON p.queue_id = j.queue_id AND p.profile = r.profile "
    "WHERE r.profile <> '' AND r.accepted_at IS NULL AND j.queue_id = ? "
    "AND j.state IN ('completed', 'uncertain', 'skipped') AND COALESCE(j.sent_at, j.updated_at) > ? GROUP BY r.profile"
)
_REFUSED = (
    "SELECT 1 FROM attempts a JOIN jobs j ON j.id = a.job_id JOIN recipients r ON r.id = j.recipient_id "
    "WHERE a.queue_id = ? AND a.counted_at > ? AND instr(a.error_key, ?) > 0 AND r.profile <> ? LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class OpenInvitation:
    """One invitation of an account whose end is not known. `at`: when it was begun, or sent (us); `provider_id` is ""
    for somebody who was never looked up. `job_id` is 0 where many jobs may be meant."""

    profile: str
    provider_id: str
    at: int
    job_id: int = 0


def in_doubt(reader: Reader, queue_id: int, since: int) -> list[OpenInvitation]:
    """Those that may have been sent, begun after `since` (us)."""
    rows = reader.rows(_IN_DOUBT, (queue_id,))
    found = (OpenInvitation(row["profile"], row["provider_id"], row["at"] or 0, row["id"]) for row in rows)
    return [one for one in found if one.at > since]


def unanswered(reader: Reader, queue_id: int, since: int) -> list[OpenInvitation]:
    """Everybody who was (or may have been) invited after `since` (us) and is not known to have accepted."""
    rows = reader.rows(_UNANSWERED, (queue_id, since))
    return [OpenInvitation(row["profile"], row["provider_id"], row["at"]) for row in rows]


def others_refused(reader: Reader, queue_id: int, error_key_part: str, profile: str, since: int) -> bool:
    """Whether after `since` (us) anybody but `profile` was refused with a reason that holds these words."""
    return bool(reader.rows(_REFUSED, (queue_id, since, error_key_part, profile)))
