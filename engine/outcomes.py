"""What a reply means and what is to be done: `reply -> class -> action`, as pure functions.

The tables are written out for operators in `docs/outcomes.md`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from storage.model import DAY, HOUR, MINUTE, SECOND, OutcomeClass

MAX_TEXT = 1_000
"""Characters of a server's reply that are kept."""
MAX_KEY = 100
MAX_WAIT = DAY
SESSION_PHASES = ("connect", "tls", "auth")
"""Before any message is offered: such a reply concerns the queue and never a person."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The classified result of one attempt.

    `code` is the SMTP reply code or HTTP status (0: no reply), `enhanced` the RFC 3463 code ("5.1.1" or ""),
    `text` the server's own words (bounded, never interpreted), `phase` where it happened: `connect`, `tls`,
    `auth`, `mail`, `rcpt`, `data` (up to the 354), `content` (after the first content byte), `compose`.
    `error_key` is the normalised reason that groups failures ("" when accepted). `action` names what an account
    or configuration outcome asks for (see `Action`). `wait` is the server's "try again in N seconds" in
    microseconds, 0 when it named none.
    """

    cls: OutcomeClass
    code: int = 0
    enhanced: str = ""
    text: str = ""
    phase: str = ""
    error_key: str = ""
    action: str = ""
    wait: int = 0
    server: str = ""


class Action(StrEnum):
    """What an outcome asks for beyond the job's next state."""

    NONE = ""
    COOL = "cool"
    """The queue cools by the ladder, at least as long as the server's `wait`."""
    COOL_DAY = "cool_day"
    """The queue cools 24 hours: a daily limit."""
    NEEDS_ATTENTION = "needs_attention"
    """The queue stops until a person has looked: credentials, a locked account."""
    HOLD_PAUSE = "hold_pause"
    """The message is held and its campaign paused: the set-up is wrong for everybody."""
    SUPPRESS = "suppress"
    SUPPRESS_90D = "suppress_90d"
    SOFT = "soft"
    """The mailbox is full: retried, and suppressed after three such failures in 30 days."""
    BLOCKED = "blocked"
    """Refused for its content or our reputation: counts for health, pauses at a threshold."""
    UNKNOWN = "unknown"
    """A permanent refusal that no rule knows: grouped for the operator."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """One row of the table: matches when `codes` does and then `enhanced` or `words` does (both "": always).

    `fact` replaces the server's wording in the error key; it must itself match `words` or be implied by the
    codes, so that a key normalises to itself. All three columns are regular expressions.
    """

    cls: OutcomeClass
    action: Action
    fact: str
    codes: str
    enhanced: str = ""
    words: str = ""

    def matches(self, code: str, enhanced: str, words: str) -> bool:
        if re.fullmatch(self.codes, code) is None:
            return False
        if not self.enhanced and not self.words:
            return True
        if self.enhanced and re.fullmatch(self.enhanced, enhanced):
            return True
        return bool(self.words and re.search(self.words, words))


_T, _P, _A = OutcomeClass.TRANSIENT, OutcomeClass.PERMANENT, OutcomeClass.ACCOUNT
_R, _C, _S = OutcomeClass.ROUTE, OutcomeClass.CONTENT, OutcomeClass.CONFIGURATION
_DAILY = (
    r"\bdaily\b.{0,60}\b(limit|quota|maximum)|\b(limit|quota)\b.{0,40}\b(per|a|every) ?day\b"
    r"|\b(message|sending|outgoing|outbound|submission) ?quota"
)
_RATE = (
    r"rate.?limit|\bthrottl|too many (messages|e?-?mails?|connections|concurrent)|sending rate|unusual rate"
    r"|\b(messages|e?-?mails|recipients) per (hour|minute)|hourly (limit|quota)|slow(ing)? down|relay limit"
)
_FULL = (
    r"(mail ?box|inbox|recipient|user|account)\b.{0,30}\b(full|over (its |the )?quota)\b|\bover ?quota\b"
    r"|quota (is )?exceeded|exceed\w* (\w+ ){0,3}(quota|storage)|mailbox size limit|out of storage"
)
_USER_UNKNOWN = (
    r"no such (user|recipient|person|address|mailbox|account)|unknown (user|recipient|address|mailbox|local)"
    r"|(user|recipient|address|mailbox|account) (is )?unknown|no mailbox here|invalid (recipient|mailbox)\b"
    r"|(user|recipient|address|mailbox|account)\b.{0,40}\b(does ?n.t exist|does not exist|not (be )?found)"
    r"|recipient address rejected: access denied|(mailbox|address|account) (is )?no longer (valid|available|in use)"
)
_SENDER = (
    r"sender (address )?(was |is )?(rejected|denied|refused|not allowed|verify failed)|bad outbound sender"
    r"|not owned by|send ?as\b|sendasdenied|not (allowed|permitted|authori[sz]ed) to send|address is not verified"
)
_RELAY = r"relay(ing)? (access )?(is )?(denied|not (permitted|allowed))|(unable|not (permitted|allowed)) to relay"
_DNS = r"\b(spf|dkim|dmarc)\b|reverse (dns|hostname)|\bptr\b|sender not authenticated"
_BLOCKED = (
    r"\bspam|block(ed|list)|black.?list|\bpolicy\b|unsolicited|reputation|\babuse|\bvirus|malware|phish"
    r"|\brbl\b|\bdnsbl\b|content (was )?(rejected|refused|denied)|suspicious|\bbanned\b"
)
_AUTH = r"authentication (is )?required"
_FAST = r"\brates?\b|too (many|fast|quickly)|\bpeak\b"
_NO_DOMAIN = r"\bdomain (name )?(unknown|not found)"
_CUSTOMER = r"\bcustomer\b(?! (support|service|care))"
_LOCKED = r"your (account|mailbox)\b.{0,30}\b(suspended|disabled|blocked|locked)"
_DISABLED = r"(mailbox|account|user|recipient)\b.{0,40}\b(disabled|inactive|suspended|deactivated)"
_TOO_BIG = r"message (size )?exceeds|size\b.{0,40}\bexceed|too (big|large)|message too long"
_LOST = r"(connection|server)\b.{0,30}\b(lost|reset|closed|aborted|disconnected)|broken pipe|disconnected|\beof\b"
_NO_HOST = r"name (or service )?not (known|found)|getaddrinfo|nodename|name resolution|\bdns\b"

# The first rule that matches decides. Columns: class, action, fact, codes, enhanced codes, words.
_RULES = (
    # 4xx about the person, although the words may sound like a limit of ours.
    _Rule(_T, Action.NONE, "recipient receives too much mail", r"45\d", "", r"receiv\w* (too much )?mail"),
    _Rule(_T, Action.NONE, "greylisted", r"45\d", "", r"gr[ae]y.?list|postgrey"),
    # Credentials (RFC 4954 section 6), and an account of ours that is locked.
    _Rule(_A, Action.NEEDS_ATTENTION, "authentication refused", r"53[0458]|432"),
    _Rule(_A, Action.NEEDS_ATTENTION, "authentication refused", r"5\d\d", r"5\.7\.(8|9|14)"),
    _Rule(_A, Action.NEEDS_ATTENTION, "authentication required", r"50\d|55\d", "", _AUTH),
    _Rule(_A, Action.NEEDS_ATTENTION, "your account is locked", r"5\d\d", "", _LOCKED),
    # Limits of ours. One recipient a message: "too many recipients" speaks of the session or the hour.
    _Rule(_A, Action.COOL_DAY, "daily limit reached", r"[45]\d\d", r"5\.4\.5", _DAILY),
    _Rule(_A, Action.COOL, "too many recipients", r"452|55\d", r"[45]\.5\.3", r"too many recipients"),
    _Rule(_A, Action.COOL, "sender not authenticated", r"4\d\d", r"4\.7\.2[0-7]", _DNS),
    _Rule(_A, Action.COOL, "rate limited", r"[45]\d\d", r"[45]\.7\.28", _RATE),
    _Rule(_A, Action.COOL, "rate limited", r"45[0-4]|421", "", _FAST),
    _Rule(_A, Action.COOL, "", r"421"),
    # A full mailbox is soft, whichever digit the server chose.
    _Rule(_T, Action.SOFT, "mailbox full", r"[45]\d\d", r"[45]\.2\.2", _FULL),
    _Rule(_A, Action.COOL, "insufficient system storage", r"452", r"4\.3\.\d+", r"insufficient system"),
    _Rule(_A, Action.COOL, "", r"454"),
    _Rule(_A, Action.COOL, "", r"45\d", r"[45]\.7\.\d+|4\.1\.[78]"),
    _Rule(_T, Action.NONE, "", r"4\d\d"),
    # Our set-up: DNS records (RFC 7372, RFC 7505), the sender, the right to relay.
    _Rule(_S, Action.HOLD_PAUSE, "sender not authenticated", r"5\d\d", r"5\.7\.(2[0-7]|509|515)", _DNS),
    _Rule(_S, Action.HOLD_PAUSE, "sender rejected", r"5\d\d", r"5\.(1\.[78]|7\.60|2\.252)", _SENDER),
    _Rule(_S, Action.HOLD_PAUSE, "relaying denied", r"55\d", "", _RELAY),
    # The person (RFC 3463 section 3.2, RFC 7504, RFC 7505).
    _Rule(_P, Action.SUPPRESS, "user unknown", r"5\d\d", r"5\.1\.1"),
    _Rule(_P, Action.SUPPRESS, "domain unknown", r"5\d\d", r"5\.1\.2", _NO_DOMAIN),
    _Rule(_P, Action.SUPPRESS, "bad address syntax", r"5\d\d", r"5\.1\.3"),
    _Rule(_P, Action.SUPPRESS, "mailbox moved", r"5\d\d", r"5\.1\.6"),
    _Rule(_P, Action.SUPPRESS, "domain accepts no mail", r"5\d\d", r"5\.1\.10"),
    _Rule(_P, Action.SUPPRESS, "domain accepts no mail", r"556"),
    _Rule(_P, Action.SUPPRESS, "no route to domain", r"5\d\d", r"5\.4\.4"),
    _Rule(_P, Action.SUPPRESS_90D, "mailbox disabled", r"5\d\d", r"5\.2\.1", _DISABLED),
    _Rule(_P, Action.SUPPRESS, "user not local", r"551"),
    # The message, then what only the words can tell.
    _Rule(_C, Action.NONE, "message too big", r"5\d\d", r"5\.3\.4|5\.2\.3", _TOO_BIG),
    _Rule(_C, Action.NONE, "content not accepted", r"5\d\d", r"5\.6\.\d+"),
    _Rule(_P, Action.SUPPRESS, "user unknown", r"55\d|511", "", _USER_UNKNOWN),
    _Rule(_R, Action.COOL, "commands out of order", r"503"),
    _Rule(_C, Action.NONE, "syntax refused", r"50[0124]|555"),
    _Rule(_S, Action.HOLD_PAUSE, "refused for this customer", r"55\d", "", _CUSTOMER),
    _Rule(_P, Action.BLOCKED, "blocked", r"5\d\d", r"5\.7\.\d+", _BLOCKED),
    _Rule(_T, Action.SOFT, "mailbox full", r"552"),
    _Rule(_P, Action.UNKNOWN, "", r"5\d\d"),
    # No reply at all: the words of the socket.
    _Rule(_R, Action.COOL, "host name not found", r"0", "", _NO_HOST),
    _Rule(_R, Action.COOL, "certificate refused", r"0", "", r"certificate"),
    _Rule(_R, Action.COOL, "tls handshake failed", r"0", "", r"\b(tls|ssl|starttls|handshake)\b"),
    _Rule(_R, Action.COOL, "timed out", r"0", "", r"tim(ed|e).?out"),
    _Rule(_R, Action.COOL, "connection refused", r"0", "", r"refused|connect call failed"),
    _Rule(_R, Action.COOL, "network unreachable", r"0", "", r"unreachable|no route"),
    _Rule(_R, Action.COOL, "connection lost", r"0", "", _LOST),
)

_AT_START = re.compile(r"\s*(?:\d{3}[ -])?#?([245]\.\d{1,3}\.\d{1,3})(?![.\d])")
_IN_BRACKETS = re.compile(r"[(\[#]\s*#?([245]\.\d{1,3}\.\d{1,3})(?![.\d])")
_WAIT = re.compile(
    r"\b(?:again|retry(?:ing)?|retry-after|wait|back|resend|greylisted|deferred|delayed)\b[^\d\n/=?]{0,40}?"
    r"(\d{1,6})\s*(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)?\b(?![.:]\d)"
)
_UNIT = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_TOKEN = re.compile(r"[\w.:/+=@#%~?&\\-]+")
_HOST = re.compile(r"[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}\.?:?")
_QUOTED = re.compile(r"\"[^\"]*\"|`[^`']*['`]|(?<!\w)'[^']*'(?!\w)|<[^<>]*>")
_EDGE = " .,:;-"


def classify_smtp(code: int, text: str, *, phase: str, server: str = "") -> Outcome:
    """Say what an SMTP reply means, by the table of `docs/outcomes.md`.

    `code` is the three-digit reply code, `text` the reply without it (lines joined by newlines), `phase` as in
    `Outcome`. Never raises, whatever the other side said. Only a 25x reply in phase `content` is accepted: any
    other 1xx-3xx there is uncertain, and before the content a route fault, for the conversation is out of step
    (RFC 5321 section 4.2.1). An explicit 4xx or 5xx after the content is definite (section 4.2.5). MAIL names no
    recipient, so a refusal there never counts against a person; nor does one while the session opens.
    """
    kept = _bounded(text)
    if not 400 <= code <= 599:
        return _unexpected(code, kept, phase, server)
    enhanced = _enhanced(code, kept)
    rule = _find(str(code), enhanced, _mask_tokens(_plain(kept)))
    cls, action = (rule.cls, rule.action) if rule else (_P, Action.UNKNOWN)
    if phase in SESSION_PHASES:
        cls, action = _at_session(code, cls, action, phase)
    elif phase == "mail" and cls in (_P, _T):
        cls, action = (_S, Action.HOLD_PAUSE) if cls is _P else (_A, Action.COOL)
    wait = _wait(kept) if cls in (_T, _A, _R) else 0
    key = normalise_reason(code, enhanced, kept)
    return Outcome(cls, code, enhanced, kept, phase, key, action.value, wait, server)


def route_failure(error: str, *, phase: str, server: str = "") -> Outcome:
    """No definite reply before the content: DNS, connect, TLS, timeout, a cut. Safe to repeat; the queue cools."""
    kept = _bounded(error)
    key = normalise_reason(0, "", kept)
    return Outcome(_R, 0, "", kept, phase, key, Action.COOL.value, 0, server)


def uncertain(text: str, *, server: str = "") -> Outcome:
    """No reply once the first content byte was handed over: the message may have left. Nothing retries it."""
    kept = _bounded(text)
    return Outcome(OutcomeClass.UNCERTAIN, 0, "", kept, "content", normalise_reason(0, "", kept), server=server)


def normalise_reason(code: int, enhanced: str, text: str, *, protocol: str = "smtp") -> str:
    """The error key: at most 100 printable characters that are equal for equal failures.

    Known facts get one wording ("550 5.1.1 user unknown"); otherwise the text is lower-cased and addresses, hosts,
    numbers, identifiers, quoted strings and URLs become `*`. With another `protocol` than "smtp" no fact is read
    out of the code. Idempotent; never raises.
    """
    status = str(code) if 100 <= code <= 999 else ""
    status_code = enhanced if re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", enhanced, re.ASCII) else ""
    prefix = " ".join(part for part in (status, status_code) if part)
    bare = _bounded(text)
    if status:
        bare = re.sub(rf"(?m)^\s*{status}(?:[ -]|$)", "", bare)
    if status_code:
        bare = re.sub(rf"(?<![\d.]){re.escape(status_code)}(?![\d.]*\d)", "", bare)
    body = _body(bare, MAX_KEY - len(prefix) - 1)
    if protocol == "smtp":
        known = (_find(status or "0", status_code, words) for words in (_mask_tokens(_plain(bare)), body))
        body = next((rule.fact for rule in known if rule and rule.fact), body)
    return f"{prefix} {body}".strip() or "no reason given"


def is_retryable(cls: str) -> bool:
    """Whether "retry all transient" takes a failure of this class: time or the queue may cure it."""
    return cls in (_T, _A, _R)


def kind(cls: str, action: str = "") -> str:
    """The short word of the Failures view: soft, hard, net, content, config, unknown or uncertain."""
    if action == Action.UNKNOWN:
        return "unknown"
    if action == Action.NEEDS_ATTENTION:
        return "config"
    return _KINDS.get(cls, "unknown")


_KINDS: dict[str, str] = {
    _T: "soft", _A: "soft", _P: "hard", _R: "net", _C: "content", _S: "config", OutcomeClass.UNCERTAIN: "uncertain",
}  # fmt: skip
_ADVICE_BY_FACT = {
    "greylisted": "The server asks every stranger to come back: the automatic retries get through.",
    "mailbox full": "The mailbox is full: retried for three days; the third such failure in 30 days suppresses it.",
    "rate limited": "The provider limits our rate: lower the queue's rate or concurrency before a retry.",
    "too many recipients": "The provider limits recipients per session or hour: lower the queue's rate.",
    "daily limit": "The daily limit is used up: the queue waits 24 hours; lower its daily cap.",
    "authenticat": "The server does not accept our credentials or sender: check the account and its DNS records.",
    "sender rejected": "The server does not accept this sender address: correct it, then resume the campaign.",
    "relaying denied": "The server does not relay for this account: check the account's server and log-in.",
    "message too big": "The message is too large for the server: make it smaller before a retry.",
    "certificate": "The server's certificate was not accepted: check the account's host name and TLS setting.",
    "host name not found": "The server's name was not found: check the account's host and this machine's DNS.",
}
_ADVICE_BY_ACTION: dict[str, str] = {
    Action.NEEDS_ATTENTION: "The account needs a person: check its credentials with `paceline account test`.",
    Action.COOL_DAY: "The daily limit is used up: the queue waits 24 hours; lower its daily cap.",
    Action.SUPPRESS: "The address does not exist and is suppressed: correct the recipient, do not retry.",
    Action.SUPPRESS_90D: "The mailbox is disabled and is suppressed for 90 days: do not retry.",
    Action.BLOCKED: "Refused for content or reputation: change the text or wait; a retry as it is does harm.",
    Action.UNKNOWN: "No rule knows this refusal: read the sample, then retry one of the group.",
}
_ADVICE_BY_CLASS: dict[str, str] = {
    OutcomeClass.ACCEPTED: "Nothing to do.",
    _T: "A passing refusal: the automatic retries go on for three days.",
    _P: "A definite refusal of this address: correct the recipient before a retry.",
    _A: "The provider holds our account back: the queue cools and goes on by itself.",
    _R: "The server was not reached: the queue cools and tries again; no recipient is charged.",
    _C: "The message itself was refused: change the text before a retry.",
    _S: "Our set-up was refused for everybody: run `paceline doctor`, correct it, then resume the campaign.",
    OutcomeClass.UNCERTAIN: "It may have been sent: look for its Message-ID, then resolve it by hand.",
}


def advice(outcome_cls: str, error_key: str, action: str = "") -> str:
    """One sentence for the operator: what the failure means and the next step."""
    if outcome_cls not in (OutcomeClass.ACCEPTED, OutcomeClass.UNCERTAIN):
        for fact, sentence in _ADVICE_BY_FACT.items():
            if fact in error_key:
                return sentence
        if action in _ADVICE_BY_ACTION:
            return _ADVICE_BY_ACTION[action]
    return _ADVICE_BY_CLASS.get(outcome_cls, "Read the sample before a retry.")


def _unexpected(code: int, text: str, phase: str, server: str) -> Outcome:
    if phase == "content" and 250 <= code <= 259:
        return Outcome(OutcomeClass.ACCEPTED, code, _enhanced(code, text), text, phase, server=server)
    key = f"{code} unexpected reply" if 100 <= code <= 999 else normalise_reason(0, "", text)
    if phase == "content":
        return Outcome(OutcomeClass.UNCERTAIN, code, "", text, phase, key, server=server)
    return Outcome(_R, code, "", text, phase, key, Action.COOL.value, 0, server)


def _at_session(code: int, cls: OutcomeClass, action: Action, phase: str) -> tuple[OutcomeClass, Action]:
    if action is Action.NEEDS_ATTENTION or cls is _S or (phase == "auth" and code >= 500 and cls is not _A):
        return _A, Action.NEEDS_ATTENTION
    if cls is _A and not (phase == "tls" and code == 454):
        return cls, action
    return _R, Action.COOL


def _find(code: str, enhanced: str, words: str) -> _Rule | None:
    return next((rule for rule in _RULES if rule.matches(code, enhanced, words)), None)


def _bounded(text: str) -> str:
    """At most 1,000 characters that any encoder accepts (a reply may hold stray bytes as surrogates)."""
    return text[:MAX_TEXT].encode("utf-8", "replace").decode()


def _enhanced(code: int, text: str) -> str:
    """The RFC 3463 code of a reply, "" without one; its class must be the reply's own (RFC 2034 section 4)."""
    found = _AT_START.match(text) or _IN_BRACKETS.search(text)
    return found[1] if found and found[1][0] == str(code)[0] else ""


def _wait(text: str) -> int:
    found = _WAIT.search(text.lower())
    if found is None:
        return 0
    return min(int(found[1]) * _UNIT[(found[2] or "s")[0]], MAX_WAIT)


def _plain(text: str) -> str:
    """Lower-cased, without control and format characters, whitespace squeezed."""
    kept = (" " if c.isspace() else c for c in text.lower() if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join("".join(kept).split())


def _mask_tokens(text: str) -> str:
    def mask(found: re.Match[str]) -> str:
        token = found[0]
        if any(c.isdigit() for c in token) or "@" in token or "://" in token or _HOST.fullmatch(token):
            return "*"
        return token

    return _TOKEN.sub(mask, text)


def _body(text: str, limit: int) -> str:
    """Mask, squeeze and cut until nothing changes: each pass only shortens, so it ends."""
    while True:
        masked = _QUOTED.sub("*", _mask_tokens(_plain(text)))
        masked = re.sub(r"\(\W*\)", "", masked)
        masked = re.sub(r"\*(?:\s*\*)+", "*", masked)
        masked = " ".join(masked.split()).strip(_EDGE)[:limit].strip(_EDGE)
        if masked == text:
            return masked
        text = masked
