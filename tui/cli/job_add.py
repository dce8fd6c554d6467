"""`paceline job add`: make one background job, or all of a file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any

import click

from storage.errors import UsageError
from tui.cli.campaign_run import tell
from tui.cli.output import Json, say
from tui.cli.session import Session
from tui.cli.verbs import Change

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("add", cls=Change)
@click.argument("kind", required=False)
@click.option("--payload", "text", default="", help="What it is given, as JSON: '{\"days\": 30}'.")
@click.option("--payload-file", type=_FILE, help="What it is given, in a JSON or TOML file.")
@click.option("--set", "fields", metavar="NAME=VALUE", multiple=True, help="One field of it, over the others.")
@click.option("--priority", type=click.IntRange(1, 10), help="10 goes first; by default that of its kind, else 5.")
@click.option("--urgency", default="", help="Or what the priority follows from: low, medium, high, critical;")
@click.option("--tier", default="", help="standard, premium, vip;")
@click.option("--value", type=float, help="and what it is worth.")
@click.option("--at", metavar="TIME", help='Not before: "2026-03-01 10:20", "10:20", "+2h", ISO 8601.')
@click.option("--in", "after", metavar="TIME", help="Not before this time from now: 5m, 2h.")
@click.option("--queue", help="Its queue; by default that of its kind.")
@click.option("--retries", type=click.IntRange(0, 1000), help="Further tries after a failed one.")
@click.option("--timeout", metavar="TIME", help="How long one run may take: 30s, 5m.")
@click.option("--unique", default="", metavar="KEY", help="Make it only if no open or uncertain job has this key.")
@click.option("--wait", is_flag=True, help="Wait for its end: 0 when it completed, 3 when no engine runs, else 1.")
@click.option("--from-file", "file", metavar="FILE", help="Many at once: one JSON object a line; - is the input.")
@click.option("--name", default="", help="With --from-file: what the batch is called (by default the file's name).")
@click.option("--skip-bad", is_flag=True, help="With --from-file: make the others although some lines are wrong.")
@click.option("--rejects", type=_FILE, help="With --skip-bad: where the wrong lines go (FILE.rejects.jsonl).")
@click.option("--go-on", is_flag=True, help="With --from-file: a stage begins although something before it failed.")
@click.pass_obj
def add(
    session: Session, kind: str | None, text: str, payload_file: Path | None, fields: tuple[str, ...],
    priority: int | None, urgency: str, tier: str, value: float | None, at: str | None, after: str | None,
    queue: str | None, retries: int | None, timeout: str | None, unique: str, wait: bool, file: str | None, name: str,
    skip_bad: bool, rejects: Path | None, go_on: bool,
) -> int:  # fmt: skip
    """Make one background job of KIND (`job types` lists them), or with --from-file one for each line of a file.

    A line has `kind` and, as it needs them, `payload`, `priority` (or `urgency`, `tier`, `value`), `at`, `queue`,
    `retries`, `timeout`, `unique` and `stage`. All of the file is made, or nothing; jobs of a stage wait for the
    stages before it.
    """
    from tui.cli.times import now_us

    given = asked(
        {
            "kind": kind, "priority": priority, "urgency": urgency, "tier": tier, "value": value, "queue": queue,
            "retries": retries, "unique": unique, "at": at, "after": after, "timeout": timeout, "text": text,
            "payload_file": payload_file, "fields": fields,
        },
        session.zone, now_us(),
    )  # fmt: skip
    if file is not None:
        from tui.cli.job_file import Source, add_file

        if kind or given or wait:
            raise UsageError("--from-file stands alone: each line says all of its job")
        return add_file(session, Source(file, name, skip_bad, rejects, go_on))
    if kind is None:
        raise UsageError("which kind?", hint="paceline job types lists them; --from-file FILE makes many")
    if name or skip_bad or rejects is not None or go_on:
        raise UsageError("--name, --skip-bad, --rejects and --go-on go with --from-file")
    result = session.call("job.add", {"kind": kind, **given})
    if wait:
        say(result["message"])
        return _waited(session, result)
    tell(session, result)
    return 0


def asked(params: Mapping[str, Any], zone: tzinfo, now: int) -> Json:
    """The options of one job as `job.add` takes them, its kind left aside. Raises UsageError."""
    from tui.cli.payloads import payload_of

    given: Json = {
        name: params[name] for name in ("priority", "urgency", "tier", "value", "queue", "retries", "unique")
    }
    given |= {
        "due_at": _due(zone, params["at"], params["after"], now),
        "timeout": _timeout(params["timeout"]),
        "payload": payload_of(params["text"], params["payload_file"], params["fields"], kind=params["kind"] or ""),
    }
    return {name: one for name, one in given.items() if one not in (None, "")}


def _due(zone: tzinfo, at: str | None, after: str | None, now: int) -> int | None:
    from engine.planning.durations import parse_duration
    from tui.cli.times import parse_time

    if at is not None and after is not None:
        raise UsageError("--at and --in exclude each other")
    if after is not None:
        return now + parse_duration(after.removeprefix("+"), field="--in")
    return parse_time(at, zone, now=now) if at is not None else None


def _timeout(text: str | None) -> int | None:
    from engine.planning.durations import parse_duration

    return None if text is None else parse_duration(text, field="--timeout")


def _waited(session: Session, result: Json) -> int:
    """Wait for the job that was made or known, and tell how it stands then. Returns the exit code."""
    from tui.cli.job_show import tell_job
    from tui.cli.watching import watch_job

    row, ran = watch_job(session, result["job_id"])
    tell_job(session, row, more=result)
    if not ran:
        return 3
    return 0 if row["state"] == "completed" else 1
