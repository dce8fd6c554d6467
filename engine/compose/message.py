"""From a step and one recipient's fields to the finished bytes.

A campaign's message is compiled once; per recipient only what differs is filled in. The same message by the
standard library (`build_reference`) is the reference that tests compare with, after parsing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from engine.channels.channel import Message
from engine.compose.attachments import read_attachments
from engine.compose.body import BodyPart
from engine.compose.errors import ComposeError, MissingField
from engine.compose.headers import checked_message_id, date_value, envelope_address, header_value, mailbox
from engine.compose.identity import LEAVES_BY, Identity, Unsubscribe, UnsubscribeHeaders
from engine.compose.reference import Draft, reference_bytes
from engine.compose.template import Compile, Template, compile_template
from storage.model import SECOND
from storage.nouns import Step

SUPPLIED = ("address", "message_id", LEAVES_BY, "unsubscribe_url")
"""Names that a template may use without a column of their own; a recipient's `address` column wins."""
NO_READER = "nobody-is-written-to"
"""What stands for the token where nobody is written to: in previews and tests."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,68}[A-Za-z0-9])?")
_OURS = frozenset(
    (
        "from",
        "to",
        "cc",
        "bcc",
        "sender",
        "reply-to",
        "subject",
        "date",
        "message-id",
        "mime-version",
        "received",
        "return-path",
        "delivered-to",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "dkim-signature",
        "authentication-results",
    )
)
_OUR_FAMILIES = ("content-", "resent-", "arc-")


class _Header(NamedTuple):
    name: str
    template: Template


class MessageFactory:
    """Makes one step's messages for any recipient; immutable, safe to share."""

    def __init__(
        self,
        step: Step,
        identity: Identity,
        *,
        unsubscribe: Unsubscribe | None = None,
        return_path: str = "",
        compile: Compile = compile_template,
    ) -> None:
        """Compile `step` for the sender `identity`; `return_path` is kept for who knows the message's token. `compile`
        reads subject, text and HTML; further headers are always templates.

        Raises TemplateError, AddressError, or ComposeError for a header or attachment that cannot be sent
        and for a step without text.
        """
        self.sender, wide_sender = envelope_address(identity.from_address)
        self.return_path = return_path
        """Where bounces go, with `{token}` where the message's own belongs; "" for the sender."""
        self._from_name = identity.from_name
        self._reply_to, wide_reply = envelope_address(identity.reply_to) if identity.reply_to else ("", False)
        self._wide = wide_sender or wide_reply
        self._subject = compile(step.subject, name="subject")
        self._headers = tuple(_custom_header(name, value) for name, value in step.headers.items())
        self._unsubscribe = UnsubscribeHeaders(unsubscribe) if unsubscribe else None
        self._attachments = read_attachments(step.attachments)
        digest = _digest(step, identity)
        self._parts = _parts(step, digest, compile, multipart=bool(self._attachments))
        self._frame(digest)
        templates = [self._subject, *(h.template for h in self._headers), *(p.template for p in self._parts)]
        self._templates = tuple(templates)
        used = frozenset[str]().union(*(template.fields for template in templates))
        one_click = self._unsubscribe is not None and self._unsubscribe.one_click
        known = set(SUPPLIED if one_click else SUPPLIED[:3])
        url_fields = self._unsubscribe.fields if self._unsubscribe else frozenset[str]()
        by_mail = self._unsubscribe is not None and self._unsubscribe.token_by_mail
        self.wants_token = by_mail or LEAVES_BY in used | url_fields
        """Whether a message holds its reader's own token: `build` takes it as the field `unsubscribe_token`."""
        self._needs_supplied = one_click or by_mail or bool(used & known)
        self.fields = (used | url_fields) - known
        """Every field name that the step uses and a recipient may bring."""
        required = frozenset[str]().union(*(template.required for template in templates))
        url_required = self._unsubscribe.required if self._unsubscribe else frozenset[str]()
        self.required = (required | url_required) - known
        """Field names that every recipient must bring."""
        self.plain = True

    def _frame(self, digest: str) -> None:
        """All that is the same for every recipient."""
        lines = [f"From: {mailbox(self._from_name, self.sender, 'From')}"]
        if self._reply_to:
            lines.append(f"Reply-To: {self._reply_to}")
        lines.append("MIME-Version: 1.0")
        constant = [header for header in self._headers if not header.template.fields]
        lines += (f"{h.name}: {header_value(h.name, h.template.render({}))}" for h in constant)
        self._changing = tuple(header for header in self._headers if header.template.fields)
        self._head = "".join(f"{line}\r\n" for line in lines)
        self._constant_subject: str | None = None
        if not self._subject.fields:
            self._constant_subject = header_value("Subject", self._subject.render({}))
        self._inner, self._outer = f"=_i{digest}", f"=_o{digest}"
        closing = [f"\r\n--{self._outer}\r\n".encode() + file.encoded() for file in self._attachments]
        self._tail = b"".join([*closing, f"\r\n--{self._outer}--\r\n".encode()]) if closing else b""

    def missing(self, fields: Mapping[str, object], *, address: str = "") -> tuple[str, ...]:
        """Every name that `build` would report for these fields, each once: for preflight.
        Raises OutputTooLarge and RenderError."""
        known = _with_supplied(fields, address or "nobody@example.org", "<0@example.org>")
        names: list[str] = []
        if self._unsubscribe is not None and self._unsubscribe.one_click:
            try:
                known["unsubscribe_url"] = self._unsubscribe.url(known)
            except MissingField as error:
                names += error.names
                known["unsubscribe_url"] = "https://example.org/"
        for template in self._templates:
            names += template.missing(known)
        return tuple(dict.fromkeys(names))

    def lacks(self, address: str, profile: str) -> str:
        """What this person cannot be reached without: "" or "e-mail address"."""
        return "" if "@" in address else "e-mail address"

    def build(
        self, *, address: str, fields: Mapping[str, object], message_id: str, date: int, profile: str = ""
    ) -> Message:
        """The finished message for one recipient.

        `address` is one mailbox; its domain leaves as A-labels. `message_id` has its angle brackets. `date`
        is in microseconds since 1970, UTC. The content has CRLF line ends and no dot-stuffing; `smtputf8` is
        set only for a local part outside ASCII. Raises MissingField with all names at once, AddressError,
        OutputTooLarge, RenderError.
        """
        recipient, wide = envelope_address(address)
        checked_message_id(message_id)
        try:
            fields, url = self._supply(fields, recipient, message_id)
            subject = self._constant_subject
            if subject is None:
                subject = header_value("Subject", self._subject.render(fields))
            changing = self._changing_lines(fields, url)
            entity = self._entity(fields)
        except MissingField:
            raise MissingField(self.missing(fields, address=recipient)) from None
        content = (
            f"{self._head}To: {recipient}\r\nSubject: {subject}\r\nDate: {date_value(date // SECOND)}\r\n"
            f"Message-ID: {message_id}\r\n{changing}{entity}"
        ).encode()
        if self._tail:
            content += self._tail
        return Message(self.sender, recipient, message_id, content, wide or self._wide)

    def _supply(
        self, fields: Mapping[str, object], recipient: str, message_id: str
    ) -> tuple[Mapping[str, object], str]:
        """The fields with the supplied names, and this recipient's unsubscribe address ("" if none)."""
        if not self._needs_supplied:
            return fields, ""
        everything = _with_supplied(fields, recipient, message_id)
        if self._unsubscribe is None or not self._unsubscribe.one_click:
            return everything, ""
        url = self._unsubscribe.url(everything)
        everything["unsubscribe_url"] = url
        return everything, url

    def _changing_lines(self, fields: Mapping[str, object], url: str) -> str:
        lines = [f"{name}: {header_value(name, template.render(fields))}\r\n" for name, template in self._changing]
        if self._unsubscribe is not None:
            lines.append(self._unsubscribe.lines(url, str(fields.get(LEAVES_BY, NO_READER))))
        return "".join(lines)

    def _entity(self, fields: Mapping[str, object]) -> str:
        """Content headers, blank line and body, up to the attachments."""
        pieces = []
        for part in self._parts:
            encoding, text = part.render(fields)
            pieces.append(
                f'Content-Type: text/{part.kind}; charset="utf-8"\r\n'
                f"Content-Transfer-Encoding: {encoding}\r\n\r\n{text}"
            )
        entity = pieces[0]
        if len(pieces) > 1:
            cut = f"\r\n--{self._inner}\r\n"
            entity = (
                f'Content-Type: multipart/alternative; boundary="{self._inner}"\r\n{cut}'
                f"{cut.join(pieces)}\r\n--{self._inner}--\r\n"
            )
        if self._attachments:
            head = f'Content-Type: multipart/mixed; boundary="{self._outer}"\r\n\r\n--{self._outer}\r\n'
            entity = head + entity
        return entity

    def build_reference(self, *, address: str, fields: Mapping[str, object], message_id: str, date: int) -> Message:
        """The same message by `EmailMessage`, about a hundred times slower; arguments and errors of `build`."""
        recipient, wide = envelope_address(address)
        checked_message_id(message_id)
        fields, url = self._supply(fields, recipient, message_id)
        structured = [("Date", date_value(date // SECOND)), ("Message-ID", message_id)]
        if self._unsubscribe is not None:
            lines = re.split(r"\r\n(?! )", self._unsubscribe.lines(url, str(fields.get(LEAVES_BY, NO_READER))))
            structured += ((name, value) for name, _, value in (line.partition(": ") for line in lines) if name)
        draft = Draft(
            from_name=self._from_name,
            sender=self.sender,
            reply_to=self._reply_to,
            recipient=recipient,
            texts=(
                ("Subject", self._subject.render(fields)),
                *((name, template.render(fields)) for name, template in self._headers),
            ),
            structured=tuple(structured),
            bodies=tuple((part.kind, part.template.render(fields)) for part in self._parts),
            attachments=self._attachments,
            smtputf8=wide or self._wide,
        )
        return Message(self.sender, recipient, message_id, reference_bytes(draft), draft.smtputf8)


def _with_supplied(fields: Mapping[str, object], address: str, message_id: str) -> dict[str, object]:
    own = fields.get("address") or address
    token = fields.get(LEAVES_BY) or NO_READER
    return {**fields, "address": own, "message_id": message_id.strip("<>"), LEAVES_BY: token}


def _digest(step: Step, identity: Identity) -> str:
    seen = "\0".join((identity.from_address, step.subject, step.text, step.html))
    return hashlib.blake2b(seen.encode("utf-8", "replace"), digest_size=12).hexdigest()


def _parts(step: Step, digest: str, compile: Compile, *, multipart: bool) -> tuple[BodyPart, ...]:
    """The text parts, the richer one last (RFC 2046 section 5.1.4)."""
    sources = [(kind, text) for kind, text in (("plain", step.text), ("html", step.html)) if text.strip()]
    if not sources:
        raise ComposeError("the step has neither text nor html", hint="Write the message's text.")
    guard = digest if multipart or len(sources) > 1 else ""
    return tuple(
        BodyPart(kind, compile(source, html=kind == "html", name=kind.replace("plain", "text")), guard)
        for kind, source in sources
    )


def _custom_header(name: str, value: str) -> _Header:
    lower = name.lower()
    if not _HEADER_NAME.fullmatch(name):
        raise ComposeError(f"not a header's name: {name[:80]!r}", hint="Use letters, digits and hyphens.")
    if lower in _OURS or lower.startswith(_OUR_FAMILIES):
        raise ComposeError(
            f"the header {name} is written by Paceline",
            hint="Set sender, reply address and unsubscribe address in their own places.",
        )
    return _Header(name, compile_template(value, name=f"header {name}"))
