"""The demo's background work: the folder that its jobs read and write, and what is begun in it.

As everywhere, a pipeline's messages wait for a person, and schedules for their time.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.demo.setup import CAMPAIGNS, Place

if TYPE_CHECKING:
    from tui.client import Control

WORK = "work"
"""`[jobs] folder` of the demo's configuration."""
PIPELINE = "daily_prospect_queue"
PROSPECTS = "prospects"
"""The campaign that its messages are laid into; the example's folder has the same name."""
_SCHEDULES = "schedules"
_FILES = "jobs"


def lay_out(place: Place) -> Path:
    """The folder of the demo's jobs with what the examples hold for them; what somebody changed there stays."""
    work = place.folder / WORK
    for source, target in ((_FILES, work), (PROSPECTS, work / PROSPECTS), (_SCHEDULES, work / _SCHEDULES)):
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in sorted((CAMPAIGNS / source).iterdir()):
            if not (target / file.name).exists():
                shutil.copyfile(file, target / file.name)
    return work


def begin_work(work: Path, control: Control) -> tuple[int, list[dict[str, Any]]]:
    """Start the first day of the prospects and make the schedules; the run's job, and each schedule as it was made.
    Raises UsageError for files that somebody changed into what cannot be used."""
    from tui.cli.payloads import payload_of
    from tui.cli.schedule_file import read_specs

    payload = payload_of(file=work / PROSPECTS / "pipeline.toml", kind=PIPELINE)
    job = int(control.call("job.add", {"kind": PIPELINE, "payload": payload})["job_id"])
    file = work / _SCHEDULES / "schedules.toml"
    specs = read_specs(file.read_text("utf-8"), file.name, file.parent)
    return job, [control.call("schedule.add", {"name": name, **spec}) for name, spec in specs.items()]
