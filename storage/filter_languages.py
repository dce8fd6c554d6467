"""What a filter can ask of each list: the fields and words of jobs, of campaigns and of failures."""

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


JOBS = Language("jobs", FIELDS, EXAMPLES, STATE_WORDS, ALIASES)

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

LANGUAGES = (JOBS, CAMPAIGNS, FAILURES, SUPPRESSIONS)
KNOWN = frozenset(name for language in LANGUAGES for name in (*language.fields, *language.same))
"""Every field that some list knows."""
