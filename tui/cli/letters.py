"""The operator's message files: a text or HTML template with its headers on top, and attachments."""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from storage.errors import UsageError

MAX_TEMPLATE = 512 << 10
MAX_ATTACHMENTS = 640 << 10
"""Bytes of all attachments together: with their encoding they must fit one request of the control socket (1 MB)."""

_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*)")


@dataclass(slots=True)
class Letter:
    """A message as written: `headers` without the subject, `attachments` as `{name, type, data}`."""

    subject: str = ""
    text: str = ""
    html: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    attachments: list[dict[str, str]] = field(default_factory=list)


def read_letter(
    template: Path | None,
    *,
    subject: str | None = None,
    text: Path | None = None,
    html: Path | None = None,
    headers: tuple[str, ...] = (),
    attach: tuple[Path, ...] = (),
) -> Letter:
    """Read and check a message's files: as `read_parts`, and it must have a text or an HTML part."""
    letter = read_parts(template, subject=subject, text=text, html=html, headers=headers, attach=attach)
    if not letter.text.strip() and not letter.html.strip():
        raise UsageError("the message has no text", hint="give a template file with --template")
    return letter


def read_parts(
    template: Path | None,
    *,
    subject: str | None = None,
    text: Path | None = None,
    html: Path | None = None,
    headers: tuple[str, ...] = (),
    attach: tuple[Path, ...] = (),
) -> Letter:
    """Read and check the parts that are given; the others stay empty.

    A file may begin with header lines, `Subject:` among them, and a blank line. `.html` and `.htm` files are the
    HTML part, `.json` files the JSON template of a webhook. Raises UsageError naming file and line: unreadable, not
    UTF-8, empty, or not a template.
    """
    letter = Letter()
    for path, as_html in ((template, None), (text, False), (html, True)):
        if path is not None:
            as_html = path.suffix.lower() in (".html", ".htm") if as_html is None else as_html
            add_document(letter, _read(path, "template"), path.name, as_html=as_html)
    if subject is not None:
        _check(subject, "--subject", 1, html=False)
        letter.subject = subject
    for header in headers:
        name, equals, value = header.partition("=")
        if not equals:
            raise UsageError(f"--header {header[:60]!r} has no =", hint="write --header 'X-Campaign=spring'")
        letter.headers[name.strip()] = value.strip()
    letter.attachments = [_attachment(path) for path in attach]
    if sum(len(item["data"]) for item in letter.attachments) > MAX_ATTACHMENTS * 4 // 3:
        limit = MAX_ATTACHMENTS >> 10
        raise UsageError(f"the attachments hold more than {limit} KB", hint="put the file on a server and link to it")
    return letter


def document(subject: str, headers: Mapping[str, str], body: str) -> str:
    """One part of a message as its file is written: what `add_document` reads back."""
    return "".join(f"{name}: {value}\n" for name, value in {"Subject": subject, **headers}.items()) + f"\n{body}"


def add_document(letter: Letter, content: str, file: str, *, as_html: bool) -> None:
    """Check one part with its headers on top and put it into the letter. Raises UsageError naming `file` and line."""
    headers, body, skipped = split_headers(content)
    for name, (value, line) in headers.items():
        _check(value, file, line, html=False)
        if name.lower() == "subject":
            letter.subject = value
        else:
            letter.headers[name] = value
    if not body.strip():
        raise UsageError(f"{file}: the template has no text", hint="write the message below the headers")
    if file.lower().endswith(".json"):
        _check_json(body, file)
    else:
        _check(body, file, skipped + 1, html=as_html)
    if as_html:
        letter.html = body
    else:
        letter.text = body


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


def _check(source: str, name: str, first_line: int, *, html: bool) -> None:
    """Compile a template now, so that a mistake names the operator's file and line."""
    from engine.compose.errors import TemplateError
    from engine.compose.template import compile_template

    try:
        compile_template(source, html=html, name=name)
    except TemplateError as error:
        problem = error.message.removeprefix(f"{name}, line {error.line}: ")
        line = first_line - 1 + error.line
        raise UsageError(f"{name}, line {line}: {problem}", hint=error.hint) from None


def _check_json(source: str, name: str) -> None:
    """The JSON template of a webhook, whose texts are templates; a mistake names the file, its line and column."""
    from engine.compose.errors import ComposeError
    from engine.compose.payload import compile_payload

    try:
        compile_payload(source)
    except ComposeError as error:
        raise UsageError(f"{name}{error.message.removeprefix('text')}", hint=error.hint) from None


def _read(path: Path, what: str) -> str:
    data = _bytes(path, what, MAX_TEMPLATE)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(f"{path.name}, line {line}: not UTF-8 text", hint="save the file as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _bytes(path: Path, what: str, limit: int) -> bytes:
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


def _attachment(path: Path) -> dict[str, str]:
    data = _bytes(path, "attachment", MAX_ATTACHMENTS)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return {"name": path.name, "type": kind, "data": base64.b64encode(data).decode("ascii")}
