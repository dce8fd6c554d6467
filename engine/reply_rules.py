"""The table of `docs/outcomes.md`: which class, action and fact a reply stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.outcomes import Action
from storage.model import OutcomeClass


@dataclass(frozen=True, slots=True)
class Rule:
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


def find_rule(code: str, enhanced: str, words: str) -> Rule | None:
    """The first rule that matches. `code` is "0" without a reply, `words` the text as `reasons.masked` gives it."""
    return next((rule for rule in _RULES if rule.matches(code, enhanced, words)), None)


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
    r"|(user|account) not exist|does ?n.t have an? .{0,30}account|invalid (user|final delivery user)"
    r"|address could( ?n.t| not) be found|(user|name|recipient)\b.{0,30}\bnot (listed|recogni[sz]ed)"
    r"|unrout(e)?able address|^[#* ]*address rejected\W*$"
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
_NO_DOMAIN = (
    r"\bdomain (name )?(unknown|not found)"
    r"|^(?!.*\b(helo|ehlo|sender|client|your|reverse|mail from|my name|try again)\b).*"
    r"((unknown|no such|invalid|unrout(e)?able) (mail )?(host|domain)"
    r"|\b(host|domain)( name)? ((is )?unknown|not found|does ?n.t exist|does not exist))"
)
_NO_MAIL = (
    r"\bno mx\b.{0,20}\b(record|found|host)|\bmx\b.{0,40}\bno smtp service|\bnull mx\b"
    r"|(host|domain) (does|accepts) no(t accept)? mail\W*$"
)
_CUSTOMER = r"\bcustomer\b(?! (support|service|care))"
_LOCKED = r"your (account|mailbox)\b.{0,30}\b(suspended|disabled|blocked|locked)"
_DISABLED = r"(mailbox|account|user|recipient)\b.{0,40}\b(disabled|inactive|suspended|deactivated)"
_TOO_BIG = r"message (size )?exceeds|size\b.{0,40}\bexceed|too (big|large)|message too long"
_LOST = r"(connection|server)\b.{0,30}\b(lost|reset|closed|aborted|disconnected)|broken pipe|disconnected|\beof\b"
_NO_HOST = r"no such host|name (or service )?not (known|found)|getaddrinfo|nodename|name resolution|\bdns\b"
# The first rule that matches decides. Columns: class, action, fact, codes, enhanced codes, words.
_RULES = (
    # 4xx about the person, although the words may sound like a limit of ours.
    Rule(_T, Action.NONE, "recipient receives too much mail", r"45\d", "", r"receiv\w* (too much )?mail"),
    Rule(_T, Action.NONE, "recipient receives too much mail", r"55\d", "", r"receiv\w* (too much mail|mail at a rate)"),
    Rule(_T, Action.NONE, "greylisted", r"45\d", "", r"gr[ae]y.?list|postgrey"),
    # Credentials (RFC 4954 section 6), and an account of ours that is locked.
    Rule(_A, Action.NEEDS_ATTENTION, "authentication refused", r"53[0458]|432"),
    Rule(_A, Action.NEEDS_ATTENTION, "authentication refused", r"5\d\d", r"5\.7\.(8|9|14)"),
    Rule(_A, Action.NEEDS_ATTENTION, "authentication required", r"50\d|55\d", "", _AUTH),
    Rule(_A, Action.RESTRICTED, "your account is locked", r"5\d\d", "", _LOCKED),
    # Limits of ours. One recipient a message: "too many recipients" speaks of the session or the hour.
    Rule(_A, Action.COOL_DAY, "daily limit reached", r"[45]\d\d", r"5\.4\.5", _DAILY),
    Rule(_A, Action.COOL, "too many recipients", r"452|55\d", r"[45]\.5\.3", r"too many recipients"),
    Rule(_A, Action.COOL, "sender not authenticated", r"4\d\d", r"4\.7\.2[0-7]", _DNS),
    Rule(_A, Action.COOL, "rate limited", r"[45]\d\d", r"[45]\.7\.28", _RATE),
    Rule(_A, Action.COOL, "rate limited", r"45[0-4]|421", "", _FAST),
    Rule(_A, Action.COOL, "", r"421"),
    # A full mailbox is soft, whichever digit the server chose.
    Rule(_T, Action.SOFT, "mailbox full", r"[45]\d\d", r"[45]\.2\.2", _FULL),
    Rule(_A, Action.COOL, "insufficient system storage", r"452", r"4\.3\.\d+", r"insufficient system"),
    Rule(_A, Action.COOL, "", r"454"),
    Rule(_A, Action.COOL, "", r"45\d", r"[45]\.7\.\d+|4\.1\.[78]"),
    Rule(_T, Action.NONE, "", r"4\d\d"),
    # Our set-up: DNS records (RFC 7372, RFC 7505), the sender, the right to relay.
    Rule(_S, Action.HOLD_PAUSE, "sender not authenticated", r"5\d\d", r"5\.7\.(2[0-7]|509|515)", _DNS),
    Rule(_S, Action.HOLD_PAUSE, "sender rejected", r"5\d\d", r"5\.(1\.[78]|7\.60|2\.252)", _SENDER),
    Rule(_S, Action.HOLD_PAUSE, "relaying denied", r"55\d", "", _RELAY),
    # The person (RFC 3463 section 3.2, RFC 7504, RFC 7505).
    Rule(_P, Action.SUPPRESS, "user unknown", r"5\d\d", r"5\.1\.1"),
    Rule(_P, Action.SUPPRESS, "domain unknown", r"5\d\d", r"5\.1\.2", _NO_DOMAIN),
    Rule(_P, Action.SUPPRESS, "bad address syntax", r"5\d\d", r"5\.1\.3"),
    Rule(_P, Action.SUPPRESS, "mailbox moved", r"5\d\d", r"5\.1\.6"),
    Rule(_P, Action.SUPPRESS, "domain accepts no mail", r"5\d\d", r"5\.1\.10", _NO_MAIL),
    Rule(_P, Action.SUPPRESS, "domain accepts no mail", r"556"),
    Rule(_P, Action.SUPPRESS, "no route to domain", r"5\d\d", r"5\.4\.4"),
    Rule(_P, Action.SUPPRESS_90D, "mailbox disabled", r"5\d\d", r"5\.2\.1", _DISABLED),
    Rule(_P, Action.SUPPRESS, "user not local", r"551"),
    # The message, then what only the words can tell.
    Rule(_C, Action.NONE, "message too big", r"5\d\d", r"5\.3\.4|5\.2\.3", _TOO_BIG),
    Rule(_C, Action.NONE, "content not accepted", r"5\d\d", r"5\.6\.\d+"),
    Rule(_P, Action.SUPPRESS, "user unknown", r"55\d|511", "", _USER_UNKNOWN),
    Rule(_R, Action.COOL, "commands out of order", r"503"),
    Rule(_C, Action.NONE, "syntax refused", r"50[0124]|555"),
    Rule(_S, Action.HOLD_PAUSE, "refused for this customer", r"55\d", "", _CUSTOMER),
    Rule(_P, Action.BLOCKED, "blocked", r"5\d\d", r"5\.7\.\d+", _BLOCKED),
    Rule(_T, Action.SOFT, "mailbox full", r"552"),
    Rule(_P, Action.UNKNOWN, "", r"5\d\d"),
    # No reply at all: the words of the socket.
    Rule(_R, Action.COOL, "host name not found", r"0", "", _NO_HOST),
    Rule(_R, Action.COOL, "certificate refused", r"0", "", r"certificate"),
    Rule(_R, Action.COOL, "tls handshake failed", r"0", "", r"\b(tls|ssl|starttls|handshake)\b"),
    Rule(_R, Action.COOL, "timed out", r"0", "", r"tim(ed|e).?out|no answer"),
    Rule(_R, Action.COOL, "connection refused", r"0", "", r"refused|connect call failed"),
    Rule(_R, Action.COOL, "network unreachable", r"0", "", r"unreachable|no route"),
    Rule(_R, Action.COOL, "connection lost", r"0", "", _LOST),
)
