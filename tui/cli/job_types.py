"""`paceline job types`: the kinds of background jobs that are installed, and what each is given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from engine.planning.durations import format_duration
from storage.errors import PacelineError
from storage.model import SECOND
from tui.cli.output import Json, emit, out, pairs, say, table
from tui.cli.session import Session
from tui.cli.verbs import Verb

if TYPE_CHECKING:
    from engine.job_settings import JobsTable
    from engine.processors.processor import Processor


@click.command("types", cls=Verb)
@click.argument("kind", required=False)
@click.pass_obj
def types(session: Session, kind: str | None) -> None:
    """The kinds of background jobs; of one KIND also the fields of its payload."""
    from engine.processors.registry import Registry

    registry, jobs = Registry(), _jobs(session)
    if kind is not None:
        _show(session, _described(registry.get(kind), jobs, whole=True))
        return
    found: list[Json] = []
    broken: list[Json] = []
    for name in registry.kinds():
        try:
            found.append(_described(registry.get(name), jobs))
        except PacelineError as error:
            broken.append({"kind": name, "error": error.message, "hint": error.hint})
    if session.json:
        emit({"count": len(found), "types": found, "broken": broken})
        return
    rows = [
        (one["kind"], one["queue"], one["priority"], one["effect"], one["retries"],
         format_duration(one["timeout_seconds"] * SECOND), one["about"])
        for one in found
    ]  # fmt: skip
    titles = ("kind", "queue", "priority", "effect", "retries", "timeout", "what it does")
    table(titles, rows, empty="no kind is installed")
    for one in broken:
        say(f"{one['kind']}: {one['error']}" + (f" - {one['hint']}" if one["hint"] else ""))


def _jobs(session: Session) -> JobsTable:
    """`[jobs]` of the configuration; its defaults where that cannot be read: what only shows needs none."""
    from engine.job_settings import JobsTable

    try:
        return session.config().jobs
    except PacelineError:
        return JobsTable()


def _described(processor: Processor[Any], jobs: JobsTable, *, whole: bool = False) -> Json:
    """A kind as it would run now: the configuration over what its processor says."""
    table = jobs.kind(processor.kind)
    found: Json = {
        "kind": processor.kind,
        "about": processor.about,
        "effect": processor.effect.value,
        "queue": table.queue or processor.queue,
        "priority": jobs.priority.base if processor.priority is None else processor.priority,
        "retries": next(n for n in (table.retries, processor.retries, jobs.retries) if n is not None),
        "timeout_seconds": next(t for t in (table.timeout, processor.timeout, jobs.timeout) if t is not None) // SECOND,
        "stages": list(processor.stages),
    }
    if whole:
        schema = processor.payload.model_json_schema()
        found |= {"payload": fields_of(schema), "schema": schema}
    return found


def fields_of(schema: Json) -> list[Json]:
    """The fields of a payload's JSON schema: `name, type, required, default, about`."""
    required = set(schema.get("required", ()))
    return [
        {
            "name": name,
            "type": _type_of(one, schema.get("$defs", {})),
            "required": name in required,
            "default": one.get("default"),
            "about": one.get("description", ""),
        }
        for name, one in schema.get("properties", {}).items()
    ]


def _type_of(one: Json, kept: Json, depth: int = 0) -> str:
    """A type in words: "integer, at least 1", "one of: a, b", "list of string"."""
    if "$ref" in one and depth < 5:
        return _type_of(kept.get(one["$ref"].rpartition("/")[2], {}), kept, depth + 1)
    if choices := one.get("enum"):
        return f"one of: {', '.join(map(str, choices))}"
    if "const" in one:
        return str(one["const"])
    for several in ("anyOf", "oneOf", "allOf"):
        if several in one:
            return " or ".join(dict.fromkeys(_type_of(part, kept, depth + 1) for part in one[several]))
    words = str(one.get("type", "any")).replace("null", "nothing")
    if words == "array":
        words = f"list of {_type_of(one.get('items', {}), kept, depth + 1)}"
    bounds = {
        "minimum": "at least", "maximum": "at most", "exclusiveMinimum": "above", "exclusiveMaximum": "below",
        "minLength": "length from", "maxLength": "length to",
    }  # fmt: skip
    return ", ".join([words, *(f"{said} {one[name]:,}" for name, said in bounds.items() if name in one)])


def _show(session: Session, one: Json) -> None:
    if session.json:
        emit(one)
        return
    pairs(
        (
            ("kind", one["kind"]),
            ("does", one["about"]),
            ("effect", one["effect"]),
            ("queue", one["queue"]),
            ("priority", one["priority"]),
            ("retries", one["retries"]),
            ("timeout", format_duration(one["timeout_seconds"] * SECOND)),
            ("stages", ", ".join(one["stages"])),
        )
    )
    out()
    rows = [
        (f["name"], f["type"], "required" if f["required"] else json.dumps(f["default"]), f["about"])
        for f in one["payload"]
    ]
    table(("field", "type", "default", "what it is"), rows, empty="its payload has no fields")
