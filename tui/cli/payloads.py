"""The payload of a job from the command line: JSON text, a file of JSON or TOML, or `--set key=value`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from storage.errors import UsageError

MAX_FILE = 1 << 20
"""Bytes of a payload's file that are read; the engine takes less."""


def payload_of(text: str, file: Path | None = None, sets: Iterable[str] = ()) -> dict[str, Any] | None:
    """What was given, `sets` over it; None when nothing was. Raises UsageError naming what is wrong and where."""
    if text and file is not None:
        raise UsageError("--payload and --payload-file: give one of them")
    payload: dict[str, Any] | None = None
    if file is not None:
        payload = _object(_read(file), str(file))
    elif text:
        payload = _object(_json(text, "--payload"), "--payload")
    for one in sets:
        name, equals, value = one.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set {one[:60]}: must be NAME=VALUE")
        payload = {**(payload or {}), name.strip(): _value(value)}
    return payload


def _read(file: Path) -> Any:
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_FILE + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {(error.strerror or 'unknown reason').lower()}") from None
    if len(raw) > MAX_FILE:
        raise UsageError(f"{file} is too large for a payload", hint="put the data into a file that the payload names")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8 text", hint="save it as UTF-8") from None
    if file.suffix.lower() != ".toml":
        return _json(text, str(file))
    try:
        return json.loads(json.dumps(tomllib.loads(text)))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: not TOML: {error}", hint='text stands in quotes: key = "value"') from None
    except (TypeError, RecursionError):
        raise UsageError(f"{file}: dates stand in quotes, and tables are not this deep") from None


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise UsageError(f"{where}: nested too deeply") from None
    except ValueError as error:
        raise UsageError(f"{where}: not JSON: {error}", hint='an object such as {"days": 30}') from None


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: must be an object", hint='such as {"days": 30}')
    return value


def _value(text: str) -> Any:
    """A number, true, false, null, list or object where it is JSON; else the text itself."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text
