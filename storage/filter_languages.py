"""What a filter can ask of each list: its fields and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from storage.filter_terms import ALIASES, EXAMPLES, FIELDS, STATE_WORDS

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Language:
    """The fields that one list knows. `of` names its rows; `same` has further names of a field; `names` says whose
    names complete a field (campaign, queue); `values` has the words that a field takes, for completion."""

    of: str
    fields: tuple[str, ...]
    examples: Mapping[str, str]
    states: tuple[str, ...] = ()
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    same: Mapping[str, str] = field(default_factory=lambda: _NONE)
    names: Mapping[str, str] = field(default_factory=lambda: _NONE)
    values: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))


JOBS = Language(
    "jobs", FIELDS, EXAMPLES, STATE_WORDS, ALIASES,
    values={"flag": ("empty",), "origin": ("manual", "schedule*", "job*")},
)  # fmt: skip
"""`origin`, `flag` and `stage` are of background jobs; a flag is named by what stands before its colon."""

CAMPAIGNS = Language(
    "campaigns",
    ("state", "name", "account", "channel", "age", "since"),
    {
        "state": "state:active,recent", "name": "name:spring*", "account": "account:smtp-eu-2",
        "channel": "channel:smtp", "age": "age:>30d", "since": "since:24h",
    },
    ("draft", "active", "paused", "completed", "cancelled", "running", "scheduled", "recent"),
    {"done": ("completed",), "ended": ("completed", "cancelled"), "sched": ("scheduled",),
     "open": ("draft", "active", "paused")},
    same={"campaign": "name", "queue": "account", "kind": "channel"},
    names={"name": "campaign", "account": "queue"},
    values={"channel": ("smtp", "outbox")},
)  # fmt: skip
"""`running` and `scheduled` part `active` as the screen does; `recent` is what changed within `campaign_list.RECENT`,
whatever its state."""

FAILURES = Language(
    "failures",
    ("since", "age", "campaign", "queue", "error", "kind"),
    {
        "since": "since:24h", "age": "age:>1h", "campaign": "campaign:spring*", "queue": "queue:smtp-eu-2",
        "error": "error:~421", "kind": "kind:soft,net",
    },
    same={"account": "queue"},
    values={"kind": ("soft", "hard", "net", "content", "config", "unknown", "uncertain", "held")},
)  # fmt: skip

SUPPRESSIONS = Language(
    "suppressions",
    ("state", "value", "kind", "reason", "list", "campaign", "by", "age", "since"),
    {
        "state": "state:standing", "value": "value:*@example.org", "kind": "kind:domain",
        "reason": "reason:unsubscribed", "list": "list:news*", "campaign": "campaign:spring*", "by": "by:ana",
        "age": "age:>90d", "since": "since:24h",
    },
    ("standing", "expiring", "expired"),
    same={"to": "value", "address": "value", "scope": "list"},
    values={
        "kind": ("address", "domain", "profile"),
        "reason": ("manual", "unsubscribed", "bounced", "complained", "dead", "disabled", "full", "withdrawn"),
    },
)  # fmt: skip
"""`standing` holds now, `expiring` holds until a time, `expired` no longer. Its times are those of adding."""

INBOX = Language(
    "entries of the inbox",
    ("state", "kind", "to", "campaign", "effect", "code", "source", "age", "since"),
    {
        "state": "state:unmatched", "kind": "kind:bounce,complaint", "to": "to:*@example.org",
        "campaign": "campaign:spring*", "effect": "effect:stopped", "code": "code:5.1.*", "source": "source:imap*",
        "age": "age:>30d", "since": "since:24h",
    },
    ("matched", "unmatched"),
    same={"address": "to"},
    values={
        "kind": (
            "bounce", "delayed", "delivered", "complaint", "reply", "auto_reply", "out_of_office", "unsubscribe",
            "accepted", "unknown", "unparsable",
        ),
        "effect": ("bounced", "stopped", "suppressed", "noted", "kept"),
    },
)  # fmt: skip
"""`matched` is about a message of ours, `unmatched` about none that could be found. Its times are those of the mail."""

LANGUAGES = (JOBS, CAMPAIGNS, FAILURES, SUPPRESSIONS, INBOX)
KNOWN = frozenset(name for language in LANGUAGES for name in (*language.fields, *language.same))
"""Every field that some list knows."""
