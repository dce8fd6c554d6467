"""Body parts on the wire: CRLF lines of at most 998 ASCII characters, in the cheapest encoding that is safe.

8bit is never used: a relay may lack 8BITMIME.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping

from engine.compose.headers import MAX_LINE
from engine.compose.template import Template

_LINE_ENDS = re.compile(r"\r\n|\r|\n")
# Possessive, hence linear: a line is tried once.
_SEVEN_BIT = re.compile(rf"(?:[\t -~]{{0,{MAX_LINE}}}+\r\n)*+")
_NEEDS_ENCODING = re.compile(r"[^\t\r\n -~]")


class BodyPart:
    """One text part of a message. `kind` is "plain" or "html"; `boundary` is the multipart delimiter that the
    part must not contain, "" in a message of a single part."""

    __slots__ = ("_crlf_literals", "_widest", "boundary", "kind", "template")

    def __init__(self, kind: str, template: Template, boundary: str) -> None:
        self.kind = kind
        self.template = template
        self.boundary = boundary
        self._crlf_literals: list[str] | None = None
        self._widest = 0
        if template.segments is not None:
            self._prepare([segment.literal for segment in template.segments])

    def _prepare(self, literals: list[str]) -> None:
        """If all constant text can leave as it is, only a recipient's values need a look at each message."""
        if not literals[-1].endswith("\n"):
            literals[-1] += "\n"
        crlf = [crlf_lines(literal) for literal in literals]
        if any(_NEEDS_ENCODING.search(literal) for literal in crlf):
            return
        widest = max(map(len, "".join(crlf).split("\r\n")))
        if widest <= MAX_LINE:
            self._crlf_literals = crlf
            self._widest = widest

    def render(self, fields: Mapping[str, object]) -> tuple[str, str]:
        """The transfer encoding and the encoded text for one recipient. Raises as `Template.render`."""
        literals = self._crlf_literals
        if literals is None:
            return encode_body(self.template.render(fields), self.boundary)
        values = self.template.values(fields)
        given = "".join(values)
        if not given.isascii() or not given.isprintable() or len(given) + self._widest > MAX_LINE:
            return encode_body(self.template.render(fields), self.boundary)
        pieces = [literals[0]]
        for position, value in enumerate(values, 1):
            pieces.append(value)
            pieces.append(literals[position])
        text = "".join(pieces)
        if self.boundary and self.boundary in text:
            return encode_body(text, self.boundary)
        return "7bit", text


def crlf_lines(text: str) -> str:
    """`text` with every CRLF, CR or LF as CRLF."""
    return _LINE_ENDS.sub("\r\n", text) if "\r" in text else text.replace("\n", "\r\n")


def encode_body(text: str, boundary: str = "") -> tuple[str, str]:
    """`(transfer encoding, encoded text)` of a body, which ends with a line end unless it is empty.

    7bit where every line fits; else quoted-printable, or base64 where more than a sixth needs encoding (RFC
    2045 section 6). A boundary begins with "=_", which neither of the two can hold: text that contains it is
    quoted, so no recipient's data ever ends a part.
    """
    text = crlf_lines(text)
    if text and not text.endswith("\n"):
        text += "\r\n"
    if _SEVEN_BIT.fullmatch(text) and not (boundary and boundary in text):
        return "7bit", text
    raw = text.encode("utf-8", "replace")
    if len(raw) - len(text) > len(text) // 6:
        return "base64", wrapped_base64(raw)
    return "quoted-printable", binascii.b2a_qp(raw, istext=True).decode("ascii")


def wrapped_base64(data: bytes) -> str:
    """Base64 in CRLF lines of 76 characters (RFC 2045 section 6.8)."""
    encoded = binascii.b2a_base64(data, newline=False).decode("ascii")
    return "".join(f"{encoded[start : start + 76]}\r\n" for start in range(0, len(encoded), 76))
