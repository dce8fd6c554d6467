"""Bounces without a machine-readable report: who wrote, under which subject, in which words.

No program's format is parsed for itself. What they share is enough: a sender that is no person, a subject or a first
sentence from a small vocabulary, addresses on lines of their own, a quoted reply, and the original below a divider.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from engine.inbound.mail import Headers, Mail, addresses_of, headers_in
from engine.inbound.model import Kind
from engine.inbound.quoting import own_words
from engine.inbound.replies import ServerReply, Told, find_reply, is_unknown
from engine.inbound.words import (
    BOUNCE_SUBJECT,
    BOUNCE_WORDS,
    DAEMON_NAME,
    DAEMON_USER,
    DELAY_SUBJECT,
    DELAY_WORDS,
    FORMAL_WORDS,
)

_MAX_LINES = 600
_MAX_BLOCKS = 20
"""Paragraphs about one address that are looked at."""
_DIVIDER = re.compile(
    r"[\s>#*=_|-]*(?:(?:this is|below (?:this line )?is|here is|following is|attached is|included below is)?\s*"
    r"(?:a |the )?(?:copy of )?(?:your |the |my )?(?:full |entire |complete |original |returned |undelivered |unsent )*"
    r"(?:message|mail|e-?mail|headers?|text)(?: text| headers?| body| header)?s?"
    r"(?:,? (?:including all|without|with) .{0,40}| follows?.{0,20}| of (?:the|your) .{0,40}| is "
    r"(?:following|below|attached)"
    r".{0,20}| below.{0,20})?|unsent message below|(?:nachricht|ursprüngliche nachricht|original nachricht).{0,30}"
    r"|message d'origine.{0,20})[\s:.#*=_|-]*",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"\s*[-=_*#>]{2,}|\s*(?:original|your|the|here|below|included|this is a copy|returned)\b", re.IGNORECASE
)
_HEADER = re.compile(r"[>\s|]{0,4}([A-Za-z][A-Za-z-]{1,40}):(?!//)")
_TELLING = frozenset(
    ("received", "message-id", "return-path", "mime-version", "content-type", "x-mailer", "delivered-to")
)
_BASIC = frozenset(("from", "to", "subject", "date"))
_ADDRESS = re.compile(r"(?<![\w.+=-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]+(?:\.[\w-]+)+", re.UNICODE)
_ADDRESS_HERE = r"[\"'<(]{0,3}(?:rfc822;\s*)?([^\s<>\"'(),;:\[\]]+@[\w-]+(?:\.[\w-]+)+)[\"'>)]{0,3}"
_TAIL = r"(?:[:.,;]{1,3}(?:\s.*)?|\s*\.{3}.*|\s+(?:on .*\d.*|[(\[].*)|\s*:.*|\s*)"
_ALONE = re.compile(rf"[\s>*-]*{_ADDRESS_HERE}{_TAIL}", re.IGNORECASE)
_NAMED = re.compile(
    rf"[\s>*-]*(?:final[ -]recipient|original[ -]recipient|failed recipient|intended recipient|recipients?|rcpt to"
    rf"|address|original address|recipient address|user|to|for)\s*[::]?\s*{_ADDRESS_HERE}{_TAIL}",
    re.IGNORECASE,
)
_NOT_PEOPLE = re.compile(
    r"(?:mailer-?daemon|postmaster|abuse|support|help-?desk|no-?reply|hostmaster)\b", re.IGNORECASE
)


def read_free_text(mail: Mail) -> list[Told]:
    """What a bounce of no standard form says, an entry for each different reply; empty for a mail that is none."""
    above, original = _parted(mail)
    if not looks_like_bounce(mail, above):
        return []
    delayed = is_delay(mail.headers.get("subject"), above)
    kind, action = (Kind.DELAYED, "delayed") if delayed else (Kind.BOUNCE, "failed")
    found: dict[ServerReply, tuple[str, ...]] = {}
    addresses = _recipients(mail, above, original)
    for address in addresses or ("",):
        others = tuple(other for other in addresses if other != address)
        reply = _reply_about(above, (address,) if address else (), others)
        found[reply] = found.get(reply, ()) + ((address,) if address else ())
    return [Told(kind, about, reply, action) for reply, about in found.items()]


def _reply_about(above: str, addresses: tuple[str, ...], others: tuple[str, ...]) -> ServerReply:
    """The reply that concerns an address; without others the whole text can only be about it."""
    reply = find_reply(told_about(above, addresses, others))
    if reply.code or reply.enhanced or others:
        return reply if reply.text else find_reply(_telling_line(above))
    telling = _telling_line(above)
    read = find_reply(telling)
    if read.code or read.enhanced:
        return read
    return reply if reply.text and not is_unknown(reply.text) else ServerReply(0, "", read.text or reply.text)


def returned_headers(mail: Mail) -> Headers:
    """Headers of the original that is returned within the text, empty if none are."""
    return _parted(mail)[1]


def looks_like_bounce(mail: Mail, above: str) -> bool:
    """Whether a program says that a message was not delivered. A person who quotes a bounce, or says "undeliverable",
    is none: without a sender that is no person, only a null return path or fixed wording counts."""
    headers = mail.headers
    if headers.has("x-failed-recipients"):
        return True
    subject = headers.get("subject")
    says_subject = bool(BOUNCE_SUBJECT.search(subject) or DELAY_SUBJECT.search(subject))
    words = own_words(above)[:6_000]
    says = bool(BOUNCE_WORDS.search(words) or DELAY_WORDS.search(words))
    if not says and not words.strip():
        says = says_subject and bool(mail.originals)
    if is_daemon(headers):
        return says_subject or says
    null_path = headers.has("return-path") and headers.get("return-path").strip() in ("<>", "", "< >")
    automatic = headers.get("auto-submitted").lower().startswith("auto-")
    answers = bool(re.match(r"\s*(?:re|aw|sv|antw|rv|rif|odp)\s*(?:\[\d+\])?\s*:", subject, re.IGNORECASE))
    if answers:
        return False
    if null_path or automatic:
        return says_subject and says
    returns_mail = bool(mail.originals) or len(_known_headers(_parted(mail)[1])) >= 2
    fresh = not headers.has("in-reply-to") and not headers.has("references")
    return says_subject and says and fresh and (returns_mail or bool(FORMAL_WORDS.search(words[:600])))


def is_daemon(headers: Headers) -> bool:
    """Whether the sender is a mail system: by its local part, its shown name, or because there is none."""
    value = headers.get("from")
    if DAEMON_NAME.search(value.partition("<")[0]):
        return True
    addresses = headers.addresses("from")
    if not addresses:
        bare = value.strip().strip("<>").strip()
        return bool(DAEMON_USER.fullmatch(bare)) or not bare
    return any(DAEMON_USER.fullmatch(address.rpartition("@")[0].strip('"')) for address in addresses)


def is_delay(subject: str, words: str) -> bool:
    """Whether the other side goes on trying."""
    if DELAY_WORDS.search(words[:6_000]):
        return True
    return bool(DELAY_SUBJECT.search(subject)) and not BOUNCE_WORDS.search(words[:6_000])


def told_about(text: str, addresses: tuple[str, ...], others: tuple[str, ...] = ()) -> str:
    """The lines about these addresses: from one that names them to the next blank line, or to one that names others;
    the first such paragraph that quotes a server, else the first that says anything."""
    lines = text.splitlines()[:_MAX_LINES]
    wanted = tuple(address.lower() for address in addresses)
    foreign = tuple(address.lower() for address in others)
    best = ""
    places = [number for number, line in enumerate(lines) if any(address in line.lower() for address in wanted)]
    for number in places[:_MAX_BLOCKS]:
        block = _block(lines, number, wanted, foreign)
        found = find_reply(block)
        if found.code or found.enhanced:
            return block
        best = best or block
    return best if BOUNCE_WORDS.search(best) or len(best.split()) > 4 else ""


def _block(lines: list[str], start: int, wanted: tuple[str, ...], foreign: tuple[str, ...]) -> str:
    """A paragraph from `start` on; one blank line is passed over if the paragraph was a heading of one line."""
    kept: list[str] = []
    for line in lines[start : start + 40]:
        lower = line.lower()
        if any(other in lower for other in foreign) and not any(one in lower for one in wanted):
            break
        if line.strip():
            kept.append(line.strip())
        elif len(kept) > 1 or (kept and find_reply(kept[0]).code):
            break
    return "\n".join(kept[:25])


def _telling_line(text: str) -> str:
    """The first line that quotes a server, else the first that says why, else the first that says that it failed."""
    lines = [line.strip() for line in text.splitlines()[:_MAX_LINES] if line.strip()]
    for line in lines:
        found = find_reply(line)
        if found.code or found.enhanced:
            return line
    saying = [line for line in lines if BOUNCE_WORDS.search(line)]
    return next((line for line in lines if not is_unknown(line)), saying[0] if saying else "")


def _parted(mail: Mail) -> tuple[str, Headers]:
    """What a bounce says, and the headers of the original that it returns within its text."""
    lines = mail.text.splitlines()[:_MAX_LINES]
    for number, line in enumerate(lines):
        if _is_divider(line):
            head = _headers_below(lines, number + 1)
            if head:
                return "\n".join(lines[:number]), head
        elif _starts_headers(lines, number):
            return "\n".join(lines[:number]), headers_in("\n".join(_unquoted(lines[number : number + 300])))
    return mail.text, Headers([])


def _is_divider(line: str) -> bool:
    return len(line) < 160 and bool(_LEAD.match(line)) and bool(_DIVIDER.fullmatch(line))


def _headers_below(lines: list[str], start: int) -> Headers:
    for number in range(start, min(start + 8, len(lines))):
        if _HEADER.match(lines[number]):
            found = headers_in("\n".join(_unquoted(lines[number : number + 300])))
            known = _known_headers(found)
            # "Your message / To: / Subject:" tells about it; the original itself has more than that.
            return found if known & _TELLING or len(known) >= 3 else Headers([])
    return Headers([])


def _starts_headers(lines: list[str], number: int) -> bool:
    """Whether a mail's headers begin here: a telling one, and two more known ones soon."""
    if not _HEADER.match(lines[number]):
        return False
    names = [m[1].lower() for line in lines[number : number + 30] if (m := _HEADER.match(line))]
    first = names[0]
    if first not in _TELLING and first not in _BASIC:
        return False
    known = set(names) & (_TELLING | _BASIC)
    return len(known) >= 4 or (first in _TELLING and len(known) >= 3)


def _unquoted(lines: list[str]) -> list[str]:
    if lines and lines[0].lstrip().startswith((">", "|")):
        return [re.sub(r"^\s*[>|] ?", "", line) for line in lines]
    indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    return [line[indent:] if not line[:indent].strip() else line for line in lines]


def _known_headers(headers: Headers) -> set[str]:
    return {name for name in (*_TELLING, *_BASIC) if headers.has(name)}


def _recipients(mail: Mail, above: str, original: Headers) -> tuple[str, ...]:
    """Whom it is about: as its header says, else addresses on lines of their own, else any, else whom the original
    was sent to."""
    named = mail.headers.addresses("x-failed-recipients")
    if named:
        return tuple(named)
    returned = mail.originals[0] if mail.originals else original
    sent_to = [address for address in returned.addresses("to", "cc", "x-original-to") if "@" in address]
    ours = {a.lower() for a in mail.headers.addresses("to", "delivered-to", "from", "sender", "x-original-to")}
    ours |= {address.lower() for address in returned.addresses("from", "sender", "reply-to", "return-path")}
    lines = above.splitlines()[:_MAX_LINES]
    alone = _people((m[1] for line in lines if (m := _ALONE.fullmatch(line))), ours)
    named_so = _people((m[1] for line in lines if (m := _NAMED.fullmatch(line))), ours)
    anywhere = _people((m for line in lines for m in _ADDRESS.findall(line)), ours)
    telling = _people((m for line in lines if not is_unknown(line) for m in _ADDRESS.findall(line)), ours)
    meant = [address for address in sent_to if address.lower() in {a.lower() for a in anywhere}]
    others = [address for address in sent_to if address.lower() not in ours]
    found = alone or meant or named_so or telling[:1] or others or anywhere[:1] or sent_to
    # A mail to oneself: the sender is whom it did not reach.
    return tuple(found or _people((m[1] for line in lines if (m := _ALONE.fullmatch(line))), set()))


def _people(addresses: Iterable[str], ours: set[str]) -> list[str]:
    found: dict[str, str] = {}
    for address in addresses:
        plain = address.strip(".'\"<>`=")
        if "@" not in plain or not addresses_of(plain) or plain.lower() in ours:
            continue
        if _NOT_PEOPLE.match(plain) or "=" in plain.partition("@")[2]:
            continue
        found.setdefault(plain.lower(), plain)
    return list(found.values())
