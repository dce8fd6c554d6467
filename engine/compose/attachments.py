"""Constant attachments, encoded once a campaign."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.message import MIMEPart
from email.policy import SMTP

from engine.compose.errors import ComposeError
from engine.compose.headers import clean

_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file: its shown name, its media type ("application/pdf") and its bytes."""

    name: str
    type: str
    data: bytes

    def encoded(self) -> bytes:
        """The MIME part: base64, file name by RFC 2231 where it needs that."""
        part = MIMEPart(policy=SMTP)
        main, _, sub = self.type.partition("/")
        part.set_content(
            self.data, maintype=main, subtype=sub, disposition="attachment", filename=self.name, cte="base64"
        )
        return part.as_bytes(policy=SMTP)


def read_attachments(items: Iterable[Mapping[str, str]]) -> tuple[Attachment, ...]:
    """A step's `{name, type, data(base64)}` objects, checked. Raises ComposeError."""
    return tuple(_read(item) for item in items)


def _read(item: Mapping[str, str]) -> Attachment:
    name = clean(item.get("name", "")).replace("\\", "/").rpartition("/")[2] or "attachment"
    kind = (item.get("type") or "application/octet-stream").lower()
    # RFC 2046 section 5: parts of parts may not be base64.
    if not _TYPE.fullmatch(kind) or kind.startswith(("multipart/", "message/")):
        raise ComposeError(f"attachment {name!r}: not a file's media type: {kind[:60]!r}", hint="Leave it out.")
    try:
        data = base64.b64decode(item.get("data", ""), validate=True)
    except (binascii.Error, ValueError):
        raise ComposeError(f"attachment {name!r}: its data is no base64", hint="Attach it again.") from None
    return Attachment(name, kind, data)
