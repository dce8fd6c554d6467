"""Where a mistake in `paceline.toml` stands, and what to write instead: pure text in, sentences out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from engine.account_base import AccountBase, CoolingTable, Defaults, RetryTable
from engine.accounts import OutboxAccount, SmtpAccount
from engine.console_settings import ConsoleSettings
from engine.secrets import SecretRef
from engine.unipile_account import UnipileAccount
from engine.webhook_account import SuccessTable, WebhookAccount

Location = tuple[str, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"^\s*\[\s*({_DOTTED})\s*\]\s*(?:#.*)?$")
_KEY = re.compile(rf"^\s*({_DOTTED})\s*=")
_INLINE_KEY = re.compile(rf"[{{,]\s*({_DOTTED})\s*=")
_TABLES: tuple[type[BaseModel], ...] = (
    *(SmtpAccount, OutboxAccount, UnipileAccount, WebhookAccount),
    *(AccountBase, Defaults, RetryTable, CoolingTable, SuccessTable, ConsoleSettings, SecretRef),
)
_SECRETS = frozenset({"password", "api_key", "secret", "token", "url"})
"""Keys whose value is never shown; an address may hold one, too."""
_KINDS = frozenset({"smtp", "outbox", "unipile", "webhook"})
_SENTENCES = {
    "missing": "is required",
    "string_type": "must be text in quotes",
    "list_type": "must be a list in square brackets",
    "tuple_type": "must be a list in square brackets",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "float_type": "must be a number without quotes",
    "bool_type": "must be true or false without quotes",
    "none_required": "has no presets for this channel: leave it out",
    "path_type": "must be a path in quotes",
    "union_tag_not_found": 'needs a channel: channel = "smtp", "unipile", "webhook" or "outbox"',
    "union_tag_invalid": 'channel must be "smtp", "unipile", "webhook" or "outbox"',
}


def key_lines(text: str) -> dict[Location, int]:
    """Every table and key of a TOML text with the line (from 1) on which it first stands."""
    lines: dict[Location, int] = {}
    table: Location = ()
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.match(line):
            table = _parts(header[1])
            _note(lines, table, number)
        elif key := _KEY.match(line):
            path = table + _parts(key[1])
            _note(lines, path, number)
            for inner in _INLINE_KEY.finditer(line, key.end()):
                _note(lines, path + _parts(inner[1]), number)
    return lines


def sentences(
    error: ValidationError,
    written: dict[Location, int],
    file: str = "",
    tables: Sequence[type[BaseModel]] | None = None,
) -> list[str]:
    """Every mistake as "FILE:LINE: FIELD: what must be", in the order of the lines.

    `written` is what `key_lines` found; without `file` the sentences begin with the field. A misspelt key is compared
    with those of `tables` (None: of the configuration). A value is shown only where it cannot be a secret. A figure
    that an account merely inherited is reported once, where it stands.
    """
    found: list[tuple[int, str]] = []
    for details in error.errors(include_url=False):
        field = _field(details["loc"])
        if field not in written and field[:1] == ("accounts",) and ("defaults", *field[2:]) in written:
            continue
        line = _line(field, written)
        where = f"{file}:{line}: " if file else ""
        found.append((line, f"{where}{'.'.join(field) or 'the file'}: {_sentence(details, field, tables)}"))
    return list(dict.fromkeys(sentence for _, sentence in sorted(found, key=lambda item: item[0])))


def _parts(dotted: str) -> Location:
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))


def _note(lines: dict[Location, int], path: Location, number: int) -> None:
    # A dotted key or header makes the tables above it, unless they were named before.
    for depth in range(1, len(path) + 1):
        lines.setdefault(path[:depth], number)


def _field(location: Iterable[int | str]) -> Location:
    """The key's path in the file, without pydantic's own marks: the kind of account, a name that is wrong."""
    parts = [str(part) for part in location]
    if parts[-1:] == ["[key]"]:
        del parts[-1]
    if len(parts) > 2 and parts[0] == "accounts" and parts[2] in _KINDS:
        del parts[2]
    return tuple(parts)


def _line(field: Location, written: dict[Location, int]) -> int:
    for depth in range(len(field), 0, -1):
        if field[:depth] in written:
            return written[field[:depth]]
    return 1


def _sentence(details: ErrorDetails, field: Location, tables: Sequence[type[BaseModel]] | None) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(field[-1], tables)
    if kind == "value_error":
        text = str(context["error"])
    elif kind == "literal_error":
        text = f"must be one of {context['expected']}"
    else:
        text = _SENTENCES.get(kind) or details["msg"][:1].lower() + details["msg"][1:]
    return text + _shown(details["input"], field, kind)


def _shown(value: Any, field: Location, kind: str) -> str:
    simple = isinstance(value, (str, int, float)) and kind != "missing" and not _SECRETS & set(field)
    return f" (got {str(value)[:60]!r})" if simple and isinstance(value, str) else f" (got {value})" if simple else ""


def _unknown_key(key: str, tables: Sequence[type[BaseModel]] | None) -> str:
    known = {name for model in tables or _TABLES for name in model.model_fields}
    if tables is None:
        known |= {"environment", "zone", "defaults", "safety", "console", "accounts", "allow"}
    near = difflib.get_close_matches(key, sorted(known), n=1)
    return "is not a key of this table" + (f": did you mean {near[0]}?" if near and near[0] != key else "")
