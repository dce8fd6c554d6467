"""`paceline pipeline`: jobs that are made of stages: list, run, show, history."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from storage.errors import NotFoundError, UsageError
from tui.cli.output import dated, emit, local, say, table
from tui.cli.pipeline_show import run_json, tell_history, tell_run
from tui.cli.session import Session
from tui.cli.verbs import Change, Lazy, LazyGroup, Verb

if TYPE_CHECKING:
    from engine.processors.processor import Processor
    from storage.reader import Reader, Row

LOOK = 0.5
"""Seconds between two looks at a run that is watched."""


@click.group(
    "pipeline",
    cls=LazyGroup,
    lazy={
        "list": Lazy("tui.cli.pipeline:list_", "The pipelines that there are, with their last run."),
        "run": Lazy("tui.cli.pipeline:run", "Start a run now."),
        "show": Lazy("tui.cli.pipeline:show", "The stages of one run, with their figures; the last run by default."),
        "history": Lazy("tui.cli.pipeline:history", "Earlier runs, newest first."),
    },
)
def pipeline() -> None:
    """Jobs that are made of stages, one after the other."""


@click.command("list", cls=Verb)
@click.pass_obj
def list_(session: Session) -> None:
    """The pipelines that there are, with their last run."""
    from storage.pipeline_facts import runs

    found = _pipelines()
    with session.reader() as reader:
        last = {name: runs(reader, name, limit=1) for name in found}
    if session.json:
        emit({"count": len(found), "pipelines": [
            {"pipeline": name, "about": one.about, "stages": list(one.stages),
             "last": run_json(last[name][0]) if last[name] else None}
            for name, one in found.items()
        ]})  # fmt: skip
        return
    rows = [(name, len(one.stages), *_last_words(last[name], session), one.about) for name, one in found.items()]
    table(("pipeline", "stages", "last run", "state", "about"), rows, empty="no pipeline is installed")


def _last_words(runs: list[Row], session: Session) -> tuple[str, str]:
    if not runs:
        return "never", ""
    run = runs[0]
    return local(run["started_at"] or run["due_at"], session.zone), run["state"] + (" !" if run["flag"] else "")


@click.command("run", cls=Change)
@click.argument("name", metavar="PIPELINE")
@click.option("--payload", "text", default="", help="Its payload as JSON.")
@click.option(
    "--payload-file", type=click.Path(path_type=Path, dir_okay=False), help="Its payload in a TOML or JSON file."
)
@click.option("--wait", is_flag=True, help="Wait for its end and show its stages; it needs a running engine.")
@click.pass_obj
def run(session: Session, name: str, text: str, payload_file: Path | None, wait: bool) -> int:
    """Start a run now. Without a payload it is given what its last run was given."""
    from tui.cli.payloads import payload_of

    _pipeline(name)
    payload = payload_of(text, payload_file, kind=name)
    if payload is None:
        payload = _given_before(session, name)
    result = session.call("job.add", {"kind": name, "payload": payload})
    if wait:
        return _watched(session, int(result["job_id"]))
    if session.json:
        emit(dated(result))
    else:
        say(f"{result['message']}: paceline pipeline show {result['job_id']}")
    return 0


def _given_before(session: Session, name: str) -> dict[str, Any]:
    from storage.pipeline_facts import last_payload

    with session.reader() as reader:
        found = last_payload(reader, name)
    if found is None:
        raise UsageError(
            f"{name} has not run yet, so it has no payload to be run with again",
            hint=f"paceline pipeline run {name} --payload-file FILE; `paceline job types {name}` shows its fields",
        )
    return found


@click.command("show", cls=Verb)
@click.argument("which", metavar="[PIPELINE|JOB]", required=False, default="")
@click.option("--watch", is_flag=True, help="Until the run is over.")
@click.pass_obj
def show(session: Session, which: str, watch: bool) -> int:
    """The stages of one run, with their figures: of a job, of the last run of a pipeline, or of the last run of all."""
    with session.reader() as reader:
        found = _chosen(reader, which)
    if watch:
        return _watched(session, found["id"])
    _show(session, found)
    return 0


@click.command("history", cls=Verb)
@click.argument("name", metavar="PIPELINE", required=False, default="")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@click.pass_obj
def history(session: Session, name: str, limit: int) -> None:
    """Earlier runs, newest first, with the figures that tell them apart."""
    from storage.pipeline_facts import runs

    found = _pipelines()
    if name:
        _pipeline(name)
    elif len(found) > 1:
        raise UsageError("there are several pipelines", hint=f"name one: {', '.join(found)}")
    kind = name or next(iter(found), "")
    with session.reader() as reader:
        rows = runs(reader, kind, limit=limit)
    if session.json:
        emit({"count": len(rows), "pipeline": kind, "runs": [run_json(row) for row in rows]})
        return
    tell_history(rows, found[kind].funnel if kind else (), session.zone)


def _pipelines() -> dict[str, Any]:
    from engine.processors.registry import Registry

    registry = Registry()
    kinds = {kind: registry.get(kind) for kind in registry.kinds()}
    return {kind: processor for kind, processor in kinds.items() if processor.stages}


def _pipeline(name: str) -> Processor[Any]:
    found = _pipelines()
    if name not in found:
        raise NotFoundError(f"there is no pipeline {name[:60]!r}", hint=f"there are: {', '.join(found) or 'none'}")
    processor: Processor[Any] = found[name]
    return processor


def _chosen(reader: Reader, which: str) -> Row:
    from storage.pipeline_facts import runs

    if which.isdecimal():
        row = reader.job(int(which))
        of_job = runs(reader, row["kind"], before=int(which) + 1, limit=1)
        if not of_job or not of_job[0]["stages"]:
            raise UsageError(f"job {which} has no stages", hint=f"paceline job show {which}")
        return of_job[0]
    if which:
        _pipeline(which)
    kinds = [which] if which else list(_pipelines())
    found = [run for kind in kinds for run in runs(reader, kind, limit=1)]
    if not found:
        raise NotFoundError("no pipeline has run yet", hint="paceline pipeline run PIPELINE --payload-file FILE")
    return max(found, key=lambda run: int(run["id"]))


def _show(session: Session, run: Row) -> None:
    if session.json:
        emit(run_json(run))
        return
    found = _pipelines().get(run["kind"])
    tell_run(run, found.funnel if found else (), session.zone)


def _watched(session: Session, job_id: int) -> int:
    """Wait for the end of a run, saying which stage it is in; 1 when it did not complete."""
    from storage.lock import read_holder

    told = ""
    while True:
        with session.reader() as reader:
            run = _chosen(reader, str(job_id)) if _has_stages(reader, job_id) else None
            state = reader.job(job_id)["state"]
        at = next((stage["name"] for stage in run["stages"] if stage["state"] == "running"), "") if run else ""
        if at and at != told:
            say(f"{at} ...")
            told = at
        if state not in ("pending", "processing") or read_holder(session.db) is None:
            if run is None:
                say(f"job {job_id} is {state}, and no engine runs: paceline engine run")
                return 1
            _show(session, run)
            return 0 if state == "completed" else 1
        time.sleep(LOOK)


def _has_stages(reader: Reader, job_id: int) -> bool:
    return reader.one("SELECT 1 FROM stages WHERE job_id = ? LIMIT 1", (job_id,)) is not None
