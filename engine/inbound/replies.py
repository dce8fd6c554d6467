"""An SMTP reply within other words: its code, its enhanced code, and what it stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from engine.classify import classify_smtp
from engine.inbound.model import MAX_DIAGNOSTIC, Inbound, Kind
from engine.outcomes import Action, Outcome

_ENHANCED = r"[245]\.\d{1,3}\.\d{1,3}"
_PAIR = re.compile(rf"(?<![\d.:/-])([245]\d\d)[ -]{{1,3}}[#(\[]?({_ENHANCED})(?![.\d])")
_CODE = re.compile(
    r"(?:(?:^|[<>]{3}|\b(?:said|says|error|reply|replied|response|responded|code|status|reason|with|smtp\w*|because)\b"
    r"|[:;(\[\"'])\s*(?:(?:code|was|is|error)\b)?[\s:;=#(\"'<]*)([45]\d\d)(?=[\s,:;)\"'>\]-]|$)(?!\s*(?:bytes|octets|kb|mb)\b)",
    re.IGNORECASE | re.MULTILINE,
)
_BARE = re.compile(r"(?<![\d.:/-])([245]\.\d{1,3}\.\d{1,3})(?![.\d])")


@dataclass(frozen=True, slots=True)
class ServerReply:
    """`code` 0 and `enhanced` "" where the words name none; a generic `x.0.0` counts as one."""

    code: int
    enhanced: str
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a report says of some of its recipients."""

    kind: Kind
    addresses: tuple[str, ...]
    reply: ServerReply
    action: str
    reported: dict[str, str] = field(default_factory=dict)


def find_reply(text: str, status: str = "") -> ServerReply:
    """The reply that a diagnostic quotes; `status` is what the report itself says, for what the words leave open."""
    kept = " ".join(text.split())[:MAX_DIAGNOSTIC]
    lines = text[: 4 * MAX_DIAGNOSTIC]
    stated = _BARE.search(status)
    enhanced, code = (stated[1] if stated else ""), 0
    pairs = [(int(c), e) for c, e in _PAIR.findall(lines) if c[0] == e[0] and c[0] != "2"]
    if pairs:
        code, quoted = next((pair for pair in pairs if not is_generic(pair[1])), pairs[0])
    else:
        single = _CODE.search(lines)
        code = int(single[1]) if single else 0
        bare = [e for e in _BARE.findall(lines) if e[0] in "45" and (not code or e[0] == str(code)[0])]
        quoted = next((e for e in bare if not is_generic(e)), bare[0] if bare else "")
    if quoted and (is_generic(enhanced) or not is_generic(quoted)):
        enhanced = quoted
    if code and enhanced and enhanced[0] != str(code)[0]:
        # RFC 2034 section 4: they must agree. The server's own word counts, not what a relay made of it.
        enhanced = quoted if quoted and quoted[0] == str(code)[0] else ""
    return ServerReply(code, enhanced, kept)


def is_generic(enhanced: str) -> bool:
    """Whether it says no more than its class: "", 5.0.0, 4.3.0, or a system's blanket 5.5.0 (RFC 3463 section 3.1)."""
    return not enhanced or enhanced.endswith(".0.0") or enhanced[1:] in (".3.0", ".5.0", ".7.0", ".1.0", ".2.0", ".4.0")


def is_unknown(words: str) -> bool:
    """Whether no rule knows what these words of a refusal mean."""
    return classify_smtp(550, words, phase="rcpt").action == Action.UNKNOWN


def bounce_outcome(inbound: Inbound) -> Outcome:
    """What a bounce or a delay means, by the rules of live replies: its class and action, never its first digit.

    A report without a code is read by its enhanced code and its words, as a refusal for good (RFC 3464 section
    2.3.3: `failed` is final).
    """
    code = inbound.code
    if not 400 <= code <= 599:
        code = 450 if inbound.enhanced.startswith("4") else 550
    words = _BARE.sub("", inbound.diagnostic) if inbound.enhanced else inbound.diagnostic
    words = re.sub(rf"(?<!\d){code}[ -]+", "", words)
    text = f"{inbound.enhanced} {words}".strip() if inbound.enhanced else words
    return classify_smtp(code, text, phase="rcpt", server=inbound.reported.get("remote_mta", ""))
