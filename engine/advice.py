"""What the operator is told about a failure: its short kind and the next step."""

from __future__ import annotations

from engine.outcomes import Action
from storage.model import OutcomeClass


def kind(cls: str, action: str = "") -> str:
    """The short word of the Failures view: soft, hard, net, content, config, unknown or uncertain."""
    if action == Action.UNKNOWN:
        return "unknown"
    if action in (Action.NEEDS_ATTENTION, Action.RESTRICTED):
        return "config"
    return _KINDS.get(cls, "unknown")


_KINDS: dict[str, str] = {
    OutcomeClass.TRANSIENT: "soft",
    OutcomeClass.ACCOUNT: "soft",
    OutcomeClass.PERMANENT: "hard",
    OutcomeClass.ROUTE: "net",
    OutcomeClass.CONTENT: "content",
    OutcomeClass.CONFIGURATION: "config",
    OutcomeClass.UNCERTAIN: "uncertain",
    OutcomeClass.NEEDLESS: "needless",
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
    "connection limit reached": "Too many invitations are open: withdraw old ones at LinkedIn, then resume the queue.",
    "cannot resend": "LinkedIn takes no new invitation to this person yet: it is tried again a day later.",
    "limit exceeded": "LinkedIn's limit is reached: the queue rests; lower its daily and weekly caps.",
    "insufficient credits": "The LinkedIn plan does not cover this: change the plan or the message, then resume.",
    "look-ups used up": "The look-ups of the day are used up: the queue goes on by itself; `look_ups` sets the cap.",
    "another person's profile": "The profile belongs to somebody else: correct it for this recipient, then retry.",
    "invitation received": "This person has invited you: accept it at LinkedIn, then skip the message.",
    "invitation withdrawn": "An invitation was withdrawn: LinkedIn takes no new one for three weeks.",
    "host name not found": "The server's name was not found: check the account's host and this machine's DNS.",
}
_ADVICE_BY_ACTION: dict[str, str] = {
    Action.NEEDS_ATTENTION: "The account needs a person: check its credentials with `paceline account test`.",
    Action.RESTRICTED: "The provider has locked the account: clear it with them, then resume queue and campaigns.",
    Action.COOL_DAY: "The daily limit is used up: the queue waits 24 hours; lower its daily cap.",
    Action.SUPPRESS: "The address does not exist and is suppressed: correct the recipient, do not retry.",
    Action.SUPPRESS_90D: "The mailbox is disabled and is suppressed for 90 days: do not retry.",
    Action.BLOCKED: "Refused for content or reputation: change the text or wait; a retry as it is does harm.",
    Action.UNKNOWN: "No rule knows this refusal: read the sample, then retry one of the group.",
}
_ADVICE_BY_CLASS: dict[str, str] = {
    OutcomeClass.ACCEPTED: "Nothing to do.",
    OutcomeClass.TRANSIENT: "A passing refusal: the automatic retries go on for three days.",
    OutcomeClass.PERMANENT: "A definite refusal of this address: correct the recipient before a retry.",
    OutcomeClass.ACCOUNT: "The provider holds our account back: the queue cools and goes on by itself.",
    OutcomeClass.ROUTE: "The server was not reached: the queue cools and tries again; no recipient is charged.",
    OutcomeClass.CONTENT: "The message itself was refused: change the text before a retry.",
    OutcomeClass.CONFIGURATION: (
        "Our set-up was refused for everybody: run `paceline doctor`, correct it, then resume the campaign."
    ),
    OutcomeClass.NEEDLESS: "Nothing had to be sent.",
    OutcomeClass.UNCERTAIN: "It may have been sent: look for its Message-ID, then resolve it by hand.",
}
