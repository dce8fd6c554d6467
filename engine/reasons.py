"""The error key: one wording for equal failures, and the text of a reply made fit to read."""

from __future__ import annotations

import re
import unicodedata

from engine.reply_rules import find_rule

MAX_TEXT = 1_000
"""Characters of a server's reply that are kept."""
MAX_KEY = 100
_TOKEN = re.compile(r"[\w.:/+=@#%~?&\\-]+")
_HOST = re.compile(r"[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}\.?:?")
_QUOTED = re.compile(r"\"[^\"]*\"|`[^`']*['`]|(?<!\w)'[^']*'(?!\w)|<[^<>]*>")
_EDGE = " .,:;-"


def normalise_reason(code: int, enhanced: str, text: str, *, protocol: str = "smtp") -> str:
    """The error key: at most 100 printable characters that are equal for equal failures.

    Known facts get one wording ("550 5.1.1 user unknown"); otherwise the text is lower-cased and addresses, hosts,
    numbers, identifiers, quoted strings and URLs become `*`. With another `protocol` than "smtp" no fact is read
    out of the code. Idempotent; never raises.
    """
    status = str(code) if 100 <= code <= 999 else ""
    status_code = enhanced if re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", enhanced, re.ASCII) else ""
    prefix = " ".join(part for part in (status, status_code) if part)
    bare = bounded(text)
    if status:
        bare = re.sub(rf"(?m)^\s*{status}(?:[ -]|$)", "", bare)
    if status_code:
        bare = re.sub(rf"(?<![\d.]){re.escape(status_code)}(?![\d.]*\d)", "", bare)
    body = _body(bare, MAX_KEY - len(prefix) - 1)
    if protocol == "smtp":
        known = (find_rule(status or "0", status_code, words) for words in (masked(bare), body))
        body = next((rule.fact for rule in known if rule and rule.fact), body)
    return f"{prefix} {body}".strip() or "no reason given"


def bounded(text: str) -> str:
    """At most 1,000 characters that any encoder accepts (a reply may hold stray bytes as surrogates)."""
    return text[:MAX_TEXT].encode("utf-8", "replace").decode()


def masked(text: str) -> str:
    """One plain line in which addresses, hosts, numbers, identifiers and URLs are `*`: what the rules may read."""

    def mask(found: re.Match[str]) -> str:
        token = found[0]
        if any(c.isdigit() for c in token) or "@" in token or "://" in token or _HOST.fullmatch(token):
            return "*"
        return token

    return _TOKEN.sub(mask, _plain(text))


def _plain(text: str) -> str:
    """Lower-cased, without control and format characters, whitespace squeezed."""
    kept = (" " if c.isspace() else c for c in text.lower() if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join("".join(kept).split())


def _body(text: str, limit: int) -> str:
    """Mask, squeeze and cut until nothing changes: each pass only shortens, so it ends."""
    while True:
        body = _QUOTED.sub("*", masked(text))
        body = re.sub(r"\(\W*\)", "", body)
        body = re.sub(r"\*(?:\s*\*)+", "*", body)
        body = " ".join(body.split()).strip(_EDGE)[:limit].strip(_EDGE)
        if body == text:
            return body
        text = body
