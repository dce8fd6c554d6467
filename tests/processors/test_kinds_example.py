"""`examples/jobs`: the night of a shop, stage by stage, as `paceline job add --from-file night.jsonl` has it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from storage.model import MINUTE
from tests.processors.kinds_world import KindsWorld

EXAMPLE = Path(__file__).parents[2] / "examples" / "jobs"


async def _add(world: KindsWorld, name: str) -> int:
    rows: list[dict[str, Any]] = [json.loads(line) for line in (EXAMPLE / name).read_text().splitlines()]
    batch_id = (await world.call("job.begin", name=name))["batch_id"]
    made = await world.call("job.rows", batch_id=batch_id, rows=rows)
    assert made["errors"] == []
    await world.call("job.commit", batch_id=batch_id)
    return int(batch_id)


@pytest.fixture
async def shop(kinds: KindsWorld) -> KindsWorld:
    shutil.copytree(EXAMPLE, kinds.work)
    await kinds.start()
    return kinds


async def test_the_night_of_the_example_runs_in_its_order_and_leaves_its_files(shop: KindsWorld) -> None:
    batch_id = await _add(shop, "night.jsonl")
    await shop.clock.run(MINUTE)
    jobs = shop.rows("SELECT kind, state, priority FROM jobs WHERE batch_id = ? ORDER BY sent_at, id", batch_id)
    assert [job["kind"] for job in jobs] == [
        "sync_customer_data", "process_opportunities", "update_analytics", "generate_report", "cleanup_old_data",
    ]  # fmt: skip
    assert {job["state"] for job in jobs} == {"completed"}
    assert jobs[-1]["priority"] == 3
    assert len(list((shop.work / "offers").glob("*.json"))) == 46
    assert "| sync_customer_data |" in (shop.work / "reports" / "night.md").read_text()
    assert (shop.work / "analytics.csv").read_text().startswith("day,subject,name")


async def test_the_promotions_of_the_example_reach_its_customers(shop: KindsWorld) -> None:
    await _add(shop, "night.jsonl")
    await shop.clock.run(MINUTE)
    text = (EXAMPLE / "promotion.txt").read_text()
    subject, _, body = text.partition("\n\n")
    await shop.campaign("spring", 0, start=False, subject=subject.removeprefix("Subject: "), text=body)
    await _add(shop, "promotions.jsonl")
    await shop.clock.run(MINUTE)
    await shop.call("campaign.start", name="spring")
    await shop.clock.run(MINUTE)
    assert shop.counts("spring") == {"completed": 7}
