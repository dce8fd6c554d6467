"""A world with the installed kinds of jobs and a folder of their files."""

from __future__ import annotations

import json
from typing import Any

from storage.model import MINUTE
from tests.runs.work_world import WorkWorld


class KindsWorld(WorkWorld):
    """`files` are written below `[jobs] folder` before anything runs."""

    @property
    def work(self) -> Any:
        """`[jobs] folder`."""
        return self.folder / "work"

    def write(self, name: str, text: str) -> None:
        """A file for jobs, as an operator puts it there."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    async def run_job(self, kind: str, payload: dict[str, Any] | None = None, **job: Any) -> dict[str, Any]:
        """Make a job of a kind and let time pass until nothing moves; its row, `result` as what it stands for."""
        made = await self.call("job.add", kind=kind, payload=payload or {}, **job)
        return await self.ended(int(made["job_id"]))

    async def ended(self, job_id: int) -> dict[str, Any]:
        """The row of a job once it is over, or waits for a person."""
        over = ("completed", "failed", "held", "uncertain", "skipped")
        await self.clock.until(lambda: self.job(job_id)["state"] in over)
        await self.clock.run(MINUTE)
        row = self.job(job_id)
        return {**row, "result": json.loads(row["result"] or "{}")}
