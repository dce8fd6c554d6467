"""The one transition table per noun. The database holds the same tables and refuses everything else
(`tests/storage/test_transitions.py` compares the two)."""

from __future__ import annotations

from storage.errors import RefusedError
from storage.model import CampaignState as C
from storage.model import JobState as J
from storage.model import StageState as S

JOB: dict[J, frozenset[J]] = {
    J.HELD: frozenset({J.PENDING, J.SKIPPED}),
    J.PENDING: frozenset({J.PROCESSING, J.HELD, J.SKIPPED}),
    J.PROCESSING: frozenset({J.PENDING, J.HELD, J.COMPLETED, J.FAILED, J.UNCERTAIN, J.SKIPPED}),
    J.COMPLETED: frozenset({J.BOUNCED}),
    J.FAILED: frozenset({J.PENDING, J.SKIPPED}),
    J.UNCERTAIN: frozenset({J.COMPLETED, J.PENDING, J.BOUNCED}),
    J.SKIPPED: frozenset(),
    J.BOUNCED: frozenset(),
}

CAMPAIGN: dict[C, frozenset[C]] = {
    C.DRAFT: frozenset({C.ACTIVE, C.CANCELLED}),
    C.ACTIVE: frozenset({C.PAUSED, C.COMPLETED, C.CANCELLED}),
    C.PAUSED: frozenset({C.ACTIVE, C.COMPLETED, C.CANCELLED}),
    C.COMPLETED: frozenset({C.ACTIVE}),
    # Only within the grace period after a cancel: undo flips back to what it was.
    C.CANCELLED: frozenset({C.DRAFT, C.ACTIVE, C.PAUSED}),
}

STAGE: dict[S, frozenset[S]] = {
    S.WAITING: frozenset({S.RUNNING, S.SKIPPED}),
    # Back to waiting: its engine ended, and the next one runs it again.
    S.RUNNING: frozenset({S.DONE, S.FAILED, S.WAITING, S.SKIPPED}),
    S.DONE: frozenset(),
    S.FAILED: frozenset({S.WAITING, S.RUNNING}),
    S.SKIPPED: frozenset({S.WAITING}),
}


def check_campaign(name: str, current: C, wanted: C) -> None:
    """Refuse an illegal step with words an operator can act on. From cancelled only an undo leads back, which does
    not ask here."""
    if current is C.CANCELLED:
        raise RefusedError(
            f"campaign '{name}' is {current}: it cannot become {wanted}",
            hint="a cancel can be undone for a few seconds; later, make a new campaign for those who are left",
        )
    if wanted not in CAMPAIGN[current]:
        allowed = ", ".join(sorted(CAMPAIGN[current])) or "nothing"
        raise RefusedError(
            f"campaign '{name}' is {current}: it cannot become {wanted}",
            hint=f"from {current} it can become: {allowed}",
        )
