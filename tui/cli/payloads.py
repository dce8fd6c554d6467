"""What a background job is given, as people write it: JSON on the line, a JSON or TOML file, single fields."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.errors import UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel

LARGEST = 1 << 20
"""Bytes of a payload file; a payload itself is smaller (`engine.processors.registry.MAX_PAYLOAD`)."""
DEEPEST = 50
"""Levels of lists and objects in one another."""


def payload_of(
    text: str = "", file: Path | None = None, fields: Iterable[str] = (), *, kind: str = ""
) -> dict[str, Any] | None:
    """The payload of a job, or None when nothing was given: JSON text or a file, and over either of them `fields`
    (NAME=VALUE each). In a file for jobs of a `kind` that names files of an operator's, these count from its own
    folder. Raises UsageError naming the place of a mistake."""
    if text and file is not None:
        raise UsageError(
            "--payload and --payload-file exclude each other", hint="--set changes single fields of either"
        )
    found: dict[str, Any] | None = None
    if text:
        found = json_object(text, "--payload")
    elif file is not None:
        found = _of_file(file)
        found = _anchored(kind, found, file.absolute().parent) if kind else found
    for one in fields:
        name, value = _field(one)
        found = {**(found or {}), name: value}
    return found


def _anchored(kind: str, payload: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The payload with the paths in it that count from a folder (`engine.account_base.LocalPath`) made absolute. Raises
    UsageError for a payload that the kind would refuse."""
    from engine.processors.registry import Registry, check_payload

    checked, _ = check_payload(Registry().get(kind), payload, folder)
    return _absolute(payload, checked)


def _absolute(payload: dict[str, Any], checked: BaseModel) -> dict[str, Any]:
    from pydantic import BaseModel

    found = dict(payload)
    for name, value in payload.items():
        field = getattr(checked, name, None)
        if isinstance(value, dict) and isinstance(field, BaseModel):
            found[name] = _absolute(value, field)
        elif isinstance(value, str) and (path := _path_in(field)) is not None:
            found[name] = str(path)
    return found


def _path_in(field: Any) -> Path | None:
    """The path that a text became: itself, or within the table that the text is short for."""
    from pydantic import BaseModel

    if isinstance(field, BaseModel):
        given = [getattr(field, name) for name in field.model_fields_set]
        return next((one for one in given if isinstance(one, Path)), None)
    return field if isinstance(field, Path) else None


def json_object(text: str, where: str) -> dict[str, Any]:
    """A JSON object. Raises UsageError for anything else, also for what Python alone takes for JSON (NaN)."""
    found = json_value(text, where)
    if not isinstance(found, dict):
        raise UsageError(f"{where}: must be a JSON object", hint='for example {"days": 30}')
    return found


def json_value(text: str, where: str) -> Any:
    """Any JSON value, at most 50 levels deep. Raises UsageError."""
    try:
        found = json.loads(text, parse_constant=_no_number, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}" if "\n" in text else f"column {error.colno}"
        raise UsageError(f"{where}: {place}: {error.msg}", hint='write JSON such as {"days": 30}') from None
    except RecursionError:
        raise UsageError(f"{where}: is nested too deeply") from None
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
    _check_depth(found, where)
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for i, (name, _) in enumerate(pairs) if any(name == other for other, _ in pairs[:i]))
        raise ValueError(f"'{twice[:40]}' is given twice")
    return found


def _check_depth(value: Any, where: str) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise UsageError(f"{where}: is nested deeper than {DEEPEST} levels")


def _of_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None
    if len(raw) > LARGEST:
        raise UsageError(f"{path}: more than {LARGEST >> 20} MB", hint="name a data file in the payload instead")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not UTF-8 text") from None
    if path.suffix.lower() == ".toml":
        try:
            return tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise UsageError(f"{path}: {error}") from None
    return json_object(text, str(path))


def _field(text: str) -> tuple[str, Any]:
    """What is JSON is taken as such (a number, true, a list), all else as text."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"--set {text[:40]}: must be NAME=VALUE", hint="for example --set days=30")
    try:
        return name.strip(), json_value(value, "--set")
    except UsageError:
        return name.strip(), value
