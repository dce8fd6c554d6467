"""Whatever a path names: a maildir, an mbox, one mail, a provider's payload, or a folder of such files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.inbound.mail import read_mail
from engine.inbound.maildir import is_maildir, read_file, read_maildir
from engine.inbound.mbox import is_mbox, read_mbox
from engine.inbound.model import Inbound, Kind, Raw
from engine.inbound.payloads import looks_like_payload, payload_in_mail, read_payload
from engine.inbound.reading import read
from storage.errors import UsageError

_MAY_CARRY = (Kind.REPLY, Kind.AUTO_REPLY, Kind.UNKNOWN)
_FORMS = "a maildir, an mbox, a mail, a payload as JSON, or a folder of mails"


def read_path(path: Path, *, form: str = "") -> Iterator[Raw]:
    """The mails and payloads at a path, in their order. `form` is `maildir`, `mbox` or `mail` ("": looked at).

    Raises UsageError for a path that holds nothing of the kind, OSError when it cannot be read.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist", hint=f"name {_FORMS}")
    if path.is_dir():
        if form == "maildir" or is_maildir(path):
            yield from read_maildir(path)
            return
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        if form or not files:
            raise UsageError(f"{path} holds no mail", hint=f"name {_FORMS}")
        for file in files:
            yield from read_path(file)
    elif form == "mbox" or (not form and is_mbox(path)):
        yield from read_mbox(path)
    else:
        yield read_file(path)


def events(raw: Raw) -> tuple[Inbound, ...]:
    """What a mail or a payload tells, at least one event. Never raises."""
    if looks_like_payload(raw.data):
        return read_payload(raw)
    found = read(raw)
    if len(found) == 1 and found[0].text.startswith("{") and found[0].kind in _MAY_CARRY:
        # Amazon SNS sends its notifications by mail, too: the text is the payload.
        mail = read_mail(raw.data)
        inside = payload_in_mail(mail.text.lstrip()) if mail is not None else b""
        carried = read_payload(Raw(inside, raw.arrived, raw.name)) if inside else ()
        if carried and carried[0].kind not in (Kind.UNKNOWN, Kind.UNPARSABLE):
            return carried
    return found
