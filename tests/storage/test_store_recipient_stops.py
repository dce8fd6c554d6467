"""A person who must not be contacted any more is not contacted (the gate, in the embedded store).

Nothing in the port stops a person yet, so these tests write the word themselves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.sqlite import SqliteStore
from tests.support.stores import Desk


async def stop(desk: Desk, recipient_id: int | None, why: str) -> None:
    assert isinstance(desk.store, SqliteStore)
    await desk.store.writer.submit(
        lambda tx: tx.execute("UPDATE recipients SET stopped = ? WHERE id = ?", (why, recipient_id)).rowcount
    )


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = await Desk.open("sqlite", tmp_path / "paceline.db")
    yield made
    await made.close()


@pytest.mark.parametrize("why", ["replied", "bounced", "unsubscribed", "suppressed"])
async def test_somebody_stopped_after_the_claim_is_skipped_with_the_reason(desk: Desk, why: str) -> None:
    await desk.campaign(2)
    job = await desk.claim_one()
    await stop(desk, job.recipient_id, why)
    assert (await desk.ask(job)).refused == f"recipient {why}"
    row = desk.job(job.id)
    assert (row["state"], row["reason"], row["attempts_log"]) == ("skipped", why, [])
    assert desk.counts() == {"skipped": 1, "pending": 1}
    assert await desk.store.recount() == []


async def test_somebody_stopped_before_a_plan_is_not_planned(desk: Desk) -> None:
    draft = await desk.draft()
    await desk.people(draft.id, ["a", "b"])
    (first, *_), (second, *_) = await desk.store.unplanned(draft.id, 1, 0)
    await stop(desk, first, "unsubscribed")
    assert [row[0] for row in await desk.store.unplanned(draft.id, 1, 0)] == [second]
