"""JSONL: one object a line; the columns are the keys of all lines in the order of their first appearance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.intake.records import NO_TEXT, Contents, Limits, Record, TableError, column_names, shown_number
from engine.intake.textfiles import text_lines


def read_json_lines(path: Path, encoding: str, limits: Limits) -> Contents:
    """Read JSONL, once through for the columns. Raises TableError when no line is an object."""
    names: dict[str, None] = {}
    for line in text_lines(path, encoding):
        found = _json_object(line)
        if isinstance(found, dict):
            names.update(dict.fromkeys(found))
        if len(names) > limits.max_columns:
            break
    if not names:
        problem, hint = "no line holds a JSON object.", 'Write one object a line: {"email": "...", ...}.'
        raise TableError(path, problem, hint=hint)
    columns = column_names(path, 0, list(names), limits)

    def records() -> Iterator[Record]:
        for number, line in enumerate(text_lines(path, encoding), 1):
            if line.strip():
                yield _json_record(number, line, tuple(names))

    return Contents(columns, records, encoding=encoding)


def _json_object(line: str) -> dict[str, Any] | str:
    """The object of one line, its numbers still as text; or the sentence that says why there is none."""
    try:
        found = DECODER.decode(line)
    except RecursionError:
        return "The line is nested too deeply."
    except json.JSONDecodeError as error:
        return f"The line is not a JSON object: {error.msg} at character {error.colno}."
    except ValueError as error:
        return f"The line is not a usable JSON object: {error}."
    return found if isinstance(found, dict) else "The line is not a JSON object."


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _json_number(text: str) -> str:
    return shown_number(float(text))


DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=str, parse_float=_json_number, parse_constant=_json_number
)
"""Refuses a key that appears twice, and gives numbers as the text of a cell. Raises ValueError, RecursionError."""


def cell_of(value: Any) -> tuple[str, str]:
    """What `DECODER` gave for one key as the text of a cell, and the sentence that says why it is none ("": it is)."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    text = "" if value is None else str(value)
    if isinstance(value, (dict, list)):
        return text, "The value is a list or an object: text, a number or true/false is needed."
    if NO_TEXT.search(text):
        text = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
        return text, "The value holds a character that is no text (NUL or half a surrogate pair)."
    return text, ""


def _json_record(number: int, line: str, names: tuple[str, ...]) -> Record:
    found = _json_object(line)
    if isinstance(found, str):
        return Record(number, [], found)
    cells, problem, field = [], "", ""
    for name in names:
        text, trouble = cell_of(found.get(name))
        if trouble:
            problem, field = trouble, name
        cells.append(text)
    return Record(number, cells, problem, field)
