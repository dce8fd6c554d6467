"""The files that a message is written in: text with its headers on top, checked as a template line by line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from storage.errors import UsageError

if TYPE_CHECKING:
    from engine.compose.template import Template

MAX_TEMPLATE = 512 << 10
"""Bytes of a template's file."""

_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*)")


def split_headers(content: str) -> tuple[dict[str, tuple[str, int]], str, int]:
    """Headers on top with their lines, the body, and how many lines stand before it.

    Only a block that has a `Subject:` and ends with a blank line counts: a text may well begin with "Note: ...".
    """
    headers: dict[str, tuple[str, int]] = {}
    lines = content.split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            if any(name.lower() == "subject" for name in headers):
                return headers, "\n".join(lines[number:]), number
            break
        found = _HEADER.fullmatch(line)
        if found is None:
            break
        headers[found[1]] = (found[2].strip(), number)
    return {}, content, 0


def checked_template(source: str, file: str, first_line: int, *, html: bool) -> Template:
    """`source` compiled, which stands in `file` from `first_line` on. Raises UsageError naming file and line."""
    # Imported here: a command that only looks needs no template engine.
    from engine.compose.errors import TemplateError
    from engine.compose.template import compile_template

    try:
        return compile_template(source, html=html, name=file)
    except TemplateError as error:
        problem = error.message.removeprefix(f"{file}, line {error.line}: ")
        line = first_line - 1 + error.line
        raise UsageError(f"{file}, line {line}: {problem}", hint=error.hint) from None


def read_text(path: Path, what: str) -> str:
    """A template's file with `\\n` as its line ends; `what` names it in messages. Raises UsageError: no file, not
    readable, too large, not UTF-8."""
    data = read_bytes(path, what, MAX_TEMPLATE)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(f"{path.name}, line {line}: not UTF-8 text", hint="save the file as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_bytes(path: Path, what: str, limit: int) -> bytes:
    """A plain file of at most `limit` bytes; `what` names it in messages. Raises UsageError."""
    try:
        if not path.is_file():
            problem = "is not a file" if path.exists() else "there is no such file"
            raise UsageError(f"{what} {path}: {problem}", hint="check the path and the spelling")
        if path.stat().st_size > limit:
            raise UsageError(f"{what} {path}: larger than {limit >> 10} KB", hint="make it smaller")
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise UsageError(f"{what} {path} cannot be read: {reason}", hint="check its rights") from None
