"""The same message by the standard library: slow, and the judge of the fast one."""

from __future__ import annotations

from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

from engine.compose.attachments import Attachment
from engine.compose.headers import clean, encoded_words


@dataclass(frozen=True, slots=True)
class Draft:
    """One recipient's message, rendered and not yet encoded. `texts` has the subject and custom headers,
    `structured` the headers that are written as they stand, `bodies` pairs of subtype and text."""

    from_name: str
    sender: str
    reply_to: str
    recipient: str
    texts: tuple[tuple[str, str], ...]
    structured: tuple[tuple[str, str], ...]
    bodies: tuple[tuple[str, str], ...]
    attachments: tuple[Attachment, ...]
    smtputf8: bool


def reference_bytes(draft: Draft) -> bytes:
    """The finished message with CRLF line ends, made by `email.message.EmailMessage`."""
    policy = (SMTPUTF8 if draft.smtputf8 else SMTP).clone(cte_type="7bit", refold_source="none")
    message = EmailMessage(policy=policy)
    message["From"] = _address(draft.sender, clean(draft.from_name))
    if draft.reply_to:
        message["Reply-To"] = _address(draft.reply_to)
    message["To"] = _address(draft.recipient)
    for name, value in draft.texts:
        line = clean(value)
        if "=?" in line:
            # The library would read such text as an encoded word and change what the operator wrote.
            message.set_raw(name, encoded_words(line, len(name) + 2))
        else:
            message[name] = line
    for name, value in draft.structured:
        # Set raw and never refolded: the library would fold a long link by making it an encoded word.
        message.set_raw(name, value)
    (kind, text), *others = draft.bodies
    message.set_content(_sendable(text), subtype=kind)
    for kind, text in others:
        message.add_alternative(_sendable(text), subtype=kind)
    for file in draft.attachments:
        main, _, sub = file.type.partition("/")
        message.add_attachment(file.data, maintype=main, subtype=sub, filename=file.name)
    return message.as_bytes(policy=policy)


def _address(address: str, name: str = "") -> Address:
    local, _, domain = address.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
