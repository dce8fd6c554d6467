"""`paceline schedule import`: schedules out of a TOML file, all of them checked before the first is saved."""

from __future__ import annotations

import difflib
import tomllib
from datetime import date, time
from pathlib import Path
from typing import Any

import click

from storage.errors import UsageError
from tui.cli.output import Json, dated, emit, out, say, table
from tui.cli.payloads import payload_of
from tui.cli.session import Session
from tui.cli.verbs import Change
from tui.safe_text import safe_text

LARGEST = 1 << 20
MOST = 1_000
_KINDS: dict[str, type] = {
    **dict.fromkeys(("cron", "zone", "kind", "queue", "missed", "grace", "overlap", "payload_file"), str),
    "priority": int,
    "most": int,
    "payload": dict,
    "enabled": bool,
}
_WORDS = {str: "text in quotes", int: "a whole number", dict: "a table", bool: "true or false"}


@click.command("import", cls=Change)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--only", multiple=True, metavar="NAME", help="Only this one of them.")
@click.option("--replace", is_flag=True, help="Change those that exist already and differ.")
@click.option("--disabled", is_flag=True, help="Save new ones without letting them fire yet.")
@click.option("--dry-run", is_flag=True, help="Check them and show when they would fire; save nothing.")
@click.pass_obj
def import_(session: Session, file: Path, only: tuple[str, ...], replace: bool, disabled: bool, dry_run: bool) -> None:
    """Make the schedules of FILE, a table [schedules.NAME] each with cron, kind and what `schedule add` takes. All are
    checked before the first is saved; one that exists and says the same is left alone."""
    specs = _specs(file)
    if unknown := [name for name in only if name not in specs]:
        raise UsageError(f"there is no schedule '{unknown[0][:64]}' in it", hint=f"there are: {', '.join(specs)}")
    chosen = {name: spec for name, spec in specs.items() if not only or name in only}
    plan = _plan(session, chosen, replace=replace)
    shown = [(name, does, spec["cron"], result["zone"], spec["kind"], _first(result))
             for name, (does, spec, result) in plan.items()]  # fmt: skip
    if not session.json:
        table(("schedule", "does", "cron", "zone", "kind", "next"), shown, empty="the file holds no schedule")
    if not dry_run and any(does != "same" for does, _, _ in plan.values()):
        session.confirm(f"Save {len([1 for does, _, _ in plan.values() if does != 'same'])}?")
        with session.control() as control:
            for name, (does, spec, _) in plan.items():
                if does == "add":
                    control.call("schedule.add", {"name": name, **spec, **({"enabled": False} if disabled else {})})
                elif does == "change":
                    control.call("schedule.edit", {"name": name, **_without(spec, "enabled")})
    done = {does: [name for name, (word, _, _) in plan.items() if word == does] for does in ("add", "change", "same")}
    message = "nothing was saved" if dry_run else (
        f"{len(done['add'])} added, {len(done['change'])} changed, {len(done['same'])} left alone"
    )  # fmt: skip
    if session.json:
        previews = {name: dated(result) for name, (_, _, result) in plan.items()}
        emit({"success": True, "dry_run": dry_run, **done, "schedules": previews, "message": message})
    elif dry_run:
        say(message)
    else:
        out(message)


def _specs(file: Path) -> dict[str, Json]:
    try:
        with file.open("rb") as opened:
            raw = opened.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise UsageError(f"{file}: more than {LARGEST >> 20} MB")
        return read_specs(raw.decode("utf-8-sig"), str(file), file.absolute().parent)
    except OSError as error:
        raise UsageError(f"{file}: {(error.strerror or 'cannot be read').lower()}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file}: is not UTF-8 text") from None


def read_specs(text: str, where: str, folder: Path) -> dict[str, Json]:
    """The schedules of a file by name, as `schedule.add` takes them; a `payload_file` counts from `folder`. Raises
    UsageError naming table and key."""
    from engine.planning.durations import parse_duration

    try:
        tree = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{where}: {error}") from None
    tables = tree.get("schedules", {})
    if set(tree) - {"schedules"} or not isinstance(tables, dict) or len(tables) > MOST:
        raise UsageError(f"{where}: holds tables [schedules.NAME] and nothing else, at most {MOST:,}")
    found: dict[str, Json] = {}
    for name, given in tables.items():
        place = f"{where}: [schedules.{name[:64]}]"
        if not isinstance(given, dict):
            raise UsageError(f"{place}: must be a table")
        for key, value in given.items():
            _check(key, value, place)
        for key in ("cron", "kind"):
            if key not in given:
                raise UsageError(f"{place} {key}: is missing")
        found[name] = dict(given)
        if "grace" in given:
            found[name]["grace"] = parse_duration(given["grace"], field=f"{place} grace")
        if (path := found[name].pop("payload_file", None)) is not None:
            if "payload" in given:
                raise UsageError(f"{place}: payload and payload_file exclude each other")
            found[name]["payload"] = payload_of(file=folder / path, kind=given["kind"])
    return found


def _check(key: str, value: Any, place: str) -> None:
    kind = _KINDS.get(key)
    if kind is None:
        near = difflib.get_close_matches(key, _KINDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(_KINDS)}"
        raise UsageError(f"{place} {key[:64]}: there is no such key", hint=hint)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"{place} {key}: must be {_WORDS[kind]}")
    if isinstance(value, dict) and (found := _no_json(value)):
        raise UsageError(f"{place} payload.{found}: JSON has no dates and times", hint="write it as text in quotes")


def _no_json(value: Json, before: str = "") -> str:
    for key, inner in value.items():
        if isinstance(inner, date | time):
            return f"{before}{key}"
        if isinstance(inner, dict) and (found := _no_json(inner, f"{before}{key}.")):
            return found
        if isinstance(inner, list) and any(isinstance(one, date | time) for one in inner):
            return f"{before}{key}"
    return ""


def _plan(session: Session, specs: dict[str, Json], *, replace: bool) -> dict[str, tuple[str, Json, Json]]:
    """What is to be done with each: add, change or same; with what it says and its preview."""
    from storage.schedule_facts import schedules

    with session.reader() as reader:
        present = {row["name"]: row for row in schedules(reader)}
    plan: dict[str, tuple[str, Json, Json]] = {}
    with session.control() as control:
        for name, spec in specs.items():
            shown = control.call("schedule.preview", {"name": name, **spec})
            does = "add"
            if name in present:
                wanted = _without({**spec, "cron": shown["cron"]}, "enabled")
                does = "same" if all(present[name][key] == value for key, value in wanted.items()) else "change"
                if does == "change" and not replace:
                    raise UsageError(
                        f"schedule '{safe_text(name)}' exists and says something else", hint="--replace changes it"
                    )
            plan[name] = (does, spec, shown)
    return plan


def _first(result: Json) -> str:
    return str(result["next"][0]["local"]) if result["next"] else "never"


def _without(spec: Json, key: str) -> Json:
    return {name: value for name, value in spec.items() if name != key}
