"""A campaign's message while it is edited: its parts as documents, and back with every mistake named by its line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.compose.documents import split_headers
from engine.compose.template import compile_template
from storage.errors import PacelineError
from storage.reader import Reader
from tui.cli.letters import Letter, add_document, document
from tui.safe_text import safe_text

_LINE = re.compile(r", line (\d+)(?:, column \d+)?: ")


@dataclass(frozen=True, slots=True)
class Parts:
    """The message as it is stored, unshortened, and the version of its campaign."""

    subject: str
    text: str
    html: str
    headers: dict[str, str]
    attachments: int
    version: int
    mail: bool = True
    """Whether it is an e-mail; a note or a JSON body has no subject."""

    def document(self, part: str) -> str:
        """`text` of an e-mail with subject and headers on top, as a template file has them; everything else alone."""
        if part == "html":
            return self.html
        return document(self.subject, self.headers, self.text) if self.mail else self.text

    def args(self) -> dict[str, Any]:
        """What puts all of it back."""
        return {"subject": self.subject, "text": self.text, "html": self.html, "headers": self.headers}


def read_parts(database: Path, name: str) -> Parts:
    """The message of a campaign. Raises PacelineError. For a thread of its own."""
    with Reader(database) as reader:
        campaign = reader.campaign(name)
    step = campaign["steps"][0]
    return Parts(
        step["subject"],
        step["text"],
        step["html"],
        step["headers"],
        len(step["attachments"]),
        campaign["version"],
        mail=campaign["channel"] in ("smtp", "outbox"),
    )


def changes(content: str, part: str) -> dict[str, Any]:
    """The arguments of `campaign.edit` that a document means. Raises UsageError naming part and line."""
    letter = Letter()
    add_document(letter, content, part, as_html=part == "html")
    found: dict[str, Any] = {part: getattr(letter, part)}
    if split_headers(content)[0]:
        found["subject"] = letter.subject
        if part == "text":
            found["headers"] = letter.headers
    return found


def fields_of(*sources: tuple[str, bool]) -> list[str]:
    """The fields that these templates use, (source, is HTML) each. Raises PacelineError."""
    used: set[str] = set()
    for source, html in sources:
        if source.strip():
            used |= compile_template(source, html=html).fields
    return sorted(used)


def line_of(error: PacelineError) -> int:
    """The line that an error names, 0 for none."""
    found = _LINE.search(error.message)
    return int(found[1]) if found else 0


def unshown_line(content: str) -> int:
    """The first line with a character that a screen cannot show as it is, 0 for none: what cannot be seen must not be
    edited blindly."""
    for number, line in enumerate(content.split("\n"), 1):
        plain = line.replace("\t", " ")
        if safe_text(plain, len(plain) + 3) != plain:
            return number
    return 0
