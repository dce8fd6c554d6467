"""The operator's message files: a text or HTML template with its headers on top, and attachments."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.compose.documents import checked_template, read_bytes, read_text, split_headers
from storage.errors import UsageError

MAX_ATTACHMENTS = 640 << 10
"""Bytes of all attachments of a message: with their encoding they must fit one request of the control socket (1 MB).
Far below what any server takes: whoever sends a file of megabytes to thousands is slowed or blocked for it."""


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
            add_document(letter, read_text(path, "template"), path.name, as_html=as_html)
    if subject is not None:
        checked_template(subject, "--subject", 1, html=False)
        letter.subject = subject
    for header in headers:
        name, equals, value = header.partition("=")
        if not equals:
            raise UsageError(f"--header {header[:60]!r} has no =", hint="write --header 'X-Campaign=spring'")
        letter.headers[name.strip()] = value.strip()
    letter.attachments = _attachments(attach)
    return letter


def document(subject: str, headers: Mapping[str, str], body: str) -> str:
    """One part of a message as its file is written: what `add_document` reads back."""
    return "".join(f"{name}: {value}\n" for name, value in {"Subject": subject, **headers}.items()) + f"\n{body}"


def add_document(letter: Letter, content: str, file: str, *, as_html: bool) -> None:
    """Check one part with its headers on top and put it into the letter. Raises UsageError naming `file` and line."""
    headers, body, skipped = split_headers(content)
    for name, (value, line) in headers.items():
        checked_template(value, file, line, html=False)
        if name.lower() == "subject":
            letter.subject = value
        else:
            letter.headers[name] = value
    if not body.strip():
        raise UsageError(f"{file}: the template has no text", hint="write the message below the headers")
    if file.lower().endswith(".json"):
        _check_json(body, file)
    else:
        checked_template(body, file, skipped + 1, html=as_html)
    if as_html:
        letter.html = body
    else:
        letter.text = body


def _check_json(source: str, name: str) -> None:
    """The JSON template of a webhook, whose texts are templates; a mistake names the file, its line and column."""
    from engine.compose.errors import ComposeError
    from engine.compose.payload import compile_payload

    try:
        compile_payload(source)
    except ComposeError as error:
        raise UsageError(f"{name}{error.message.removeprefix('text')}", hint=error.hint) from None


def _attachments(paths: Sequence[Path]) -> list[dict[str, str]]:
    """The files as a message carries them. Raises UsageError for one that cannot be read, that is empty, and for more
    than a message may carry."""
    sizes = {path: _size(path) for path in paths}
    if sum(sizes.values()) > MAX_ATTACHMENTS:
        held = ", ".join(f"{path.name} {-(-size >> 10):,} KB" for path, size in sizes.items())
        raise UsageError(
            f"the attachments are too large: {held}; a message may carry {MAX_ATTACHMENTS >> 10} KB of them",
            hint="make the file smaller, or put it on a server and write a link to it into the text",
        )
    return [_attachment(path) for path in paths]


def _size(path: Path) -> int:
    """Bytes of a file; 0 of one that is none or cannot be asked: to read it says why."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0


def _attachment(path: Path) -> dict[str, str]:
    data = read_bytes(path, "attachment", MAX_ATTACHMENTS)
    if not data:
        raise UsageError(f"attachment {path}: the file is empty", hint="check that it was written")
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return {"name": path.name, "type": kind, "data": base64.b64encode(data).decode("ascii")}
