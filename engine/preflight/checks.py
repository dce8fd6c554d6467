"""The checks, one function each: pure, from what was gathered to lines.

Add one by a function `(Subject) -> Iterable[Finding]` in the module of its subject, and its name in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from engine.accounts import OutboxAccount
from engine.overlaps import overlap_of
from engine.planning.opening import NEVER, opens
from engine.preflight import clocks, cold, domain, invitations, queues
from engine.preflight.findings import FEW, Example, Finding, Group, ok, refuses, skipped, warns
from engine.preflight.subject import Subject

GMAIL_SIZE: Final = 25_000_000
"""Bytes of a whole message that Gmail takes from outside; many servers take less."""
SHARED_DAYS: Final = 30
"""How far back other campaigns count."""

SUPPRESSED: Final = "paceline suppression list; whom it concerns: paceline suppression check ADDRESS"

OVERLAPPING: Final = {
    "allow": (
        "each gets this message too",
        "skip (leaves them out) or wait (three days after the other message)",
    ),
    "skip": ("whoever has a message there is left out", "allow (writes to them too)"),
    "wait": ("whoever has a message there waits until three days after it", "allow (writes to them at once)"),
}
"""What becomes of people in other campaigns by the rule of this one, and what another rule does."""

Check = Callable[[Subject], Iterable[Finding]]


def state(subject: Subject) -> Iterable[Finding]:
    """Whether a start is possible at all, and whether anything would move after it."""
    row, name = subject.row, subject.name
    if row["state"] == "paused":
        yield refuses("state", f"the campaign is paused ({row['pause_reason']})", f"paceline campaign resume {name}")
    elif row["state"] == "cancelled":
        yield refuses("state", "the campaign is cancelled", "make a new campaign")
    if subject.engine_paused:
        yield warns("engine", "the engine is paused: nothing is sent", "paceline engine resume")


def account(subject: Subject) -> Iterable[Finding]:
    """Whether the account exists."""
    if subject.account is not None:
        yield ok("account", f"{subject.account.name}: {subject.account.sender} through {subject.account.target}")
    elif subject.trouble is not None:
        fix = f"add [accounts.{subject.campaign.account}] to the configuration again, then: paceline engine reload"
        yield refuses("account", subject.trouble.message, fix)


def credentials(subject: Subject) -> Iterable[Finding]:
    """Whether its secrets can be read, and with `--connect` whether the other side takes them."""
    found = subject.account
    if found is None or isinstance(found, OutboxAccount):
        return
    if subject.secret is not None:
        # The engine reads it where it was started: here it may be missing, there it may be set.
        yield warns("credentials", subject.secret.message, subject.secret.hint)
    elif found.secrets:
        places = ", ".join(reference.describe() for reference in found.secrets)
        yield ok("credentials", f"{subject.whose}what it logs in with can be read ({places})")
    if subject.login is None:
        fix = f"paceline campaign preflight {subject.name} --connect"
        yield skipped("login", f"{subject.whose}nobody asked {found.target} whether it takes the login", fix)
    elif subject.login.trouble:
        fix = "check its address, its TLS setting and where its secrets stand in " + subject.in_settings
        yield warns("login", f"{subject.whose}{subject.login.trouble}: every message would wait", fix)
    else:
        yield ok("login", f"{subject.whose}{found.target}: connected and ready")


def template(subject: Subject) -> Iterable[Finding]:
    """Whether the message can be made."""
    if subject.account is None:
        return
    if subject.factory is None:
        if subject.trouble is not None:
            fix = f"{subject.trouble.hint} paceline campaign edit {subject.name} --template FILE".strip()
            yield refuses("template", subject.trouble.message, fix)
        return
    if subject.account.mail is not None and not subject.step.subject.strip():
        fix = f"paceline campaign edit {subject.name} --subject TEXT"
        yield warns("subject", "the message has no subject", fix)
    for place in subject.without:
        fix = f"paceline campaign preview {subject.name} --step {place} says why"
        yield warns("template", f"the message of step {place} cannot be made; nobody would get it", fix)
    used = ", ".join(sorted(subject.fields)) or "no field"
    if len(subject.row["steps"]) == 1:
        yield ok("template", f"the message can be made; it uses {used}")
    elif not subject.without:
        yield ok("template", f"all {len(subject.row['steps'])} messages can be made; they use {used}")


def people(subject: Subject) -> Iterable[Finding]:
    """Whether there is anybody to send to."""
    left_out = subject.people.suppressed.count
    if subject.people.to_send:
        held = subject.people.held
        later = f", {held:,} of them when what their message lacks is mended" if held else ""
        yield ok("people", f"{subject.people.to_send:,} to send to{later}")
    elif subject.row["state"] == "draft" and left_out:
        yield refuses("people", f"all {left_out:,} are suppressed: nobody is left to send to", SUPPRESSED)
    elif subject.row["state"] == "draft":
        fix = f"paceline recipients import FILE --campaign {subject.name}"
        yield refuses("people", "there is nobody to send to", fix)
    else:
        yield warns("people", "everybody has a message already: a start would do nothing")


def suppressions(subject: Subject) -> Iterable[Finding]:
    """Who is left out because they must not be contacted."""
    group = subject.people.suppressed
    if group.count:
        are = "is" if group.count == 1 else "are"
        yield warns("suppressions", f"{_who(group.count)} {are} suppressed and left out", SUPPRESSED, group)
    elif subject.people.to_send:
        yield ok("suppressions", "nobody of them is suppressed")


def fields(subject: Subject) -> Iterable[Finding]:
    """Whose message lacks something: it would be held."""
    lacking = sorted(subject.people.lacking.items(), key=lambda item: -item[1].count)
    for reason, group in lacking:
        fix = f"paceline recipients edit ADDRESS --campaign {subject.name} --set FIELD=VALUE, or a default in the text"
        yield warns("fields", f"{_who(group.count)}: {reason}; held until it is mended", fix, group)
    if subject.factory is not None and subject.fields and subject.people.to_send and not lacking:
        yield ok("fields", "everybody has what the message needs")


def _who(n: int) -> str:
    return "1 person" if n == 1 else f"{n:,} people"


def allow_list(subject: Subject) -> Iterable[Finding]:
    """A campaign that is not live reaches outbox accounts and the allow-list only."""
    outside = subject.people.outside
    if outside.count:
        fix = f"try it with test-send, then: paceline campaign live {subject.name}"
        are = "1 address is" if outside.count == 1 else f"{outside.count:,} addresses are"
        message = f"the campaign is not live, and {are} outside the allow-list"
        yield refuses("allow_list", message, fix, outside)


def cold_campaign(subject: Subject) -> Iterable[Finding]:
    """Sender identity and a way to leave, in a campaign to people who did not ask for it."""
    if subject.account is None or not subject.steps or not cold.is_cold(subject.campaign, subject.account):
        return
    refusal = cold.refusal(subject.campaign, subject.account)
    if refusal is not None:
        # A start looks at the accounts of the first message.
        says = refuses if subject.sends_first else warns
        yield says("cold", f"{subject.whose}{refusal.message}", refusal.hint)
        return
    identity = cold.identity_of(subject.campaign, subject.account)
    if all(cold.names_itself(step, identity) for step in subject.steps):
        yield ok("cold", f"{subject.whose}a cold campaign: its sender is named, and a reader can leave")
    else:
        fix = f"write it into every part of the message: paceline campaign edit {subject.name} --template FILE"
        yield warns("cold", f"{subject.whose}the message does not hold the sender's identity: {identity}", fix)


def attachments(subject: Subject) -> Iterable[Finding]:
    """Attachments without content."""
    steps = {step.position: step for one in (subject, *subject.others) for step in one.steps}
    for place, step in sorted(steps.items()):
        empty = [item.get("name", "") for item in step.attachments if not item.get("data")]
        if empty:
            message = f"{_of_step(place)}{len(empty)} attached without content: {', '.join(empty[:FEW])}"
            yield warns("attachments", message, f"{_attach(subject, place)} FILE")


def size(subject: Subject) -> Iterable[Finding]:
    """Messages that are too large on their way through an account, as they are encoded."""
    if subject.account is None or subject.account.mail is None:
        return
    sizes = [(step.position, size) for step in subject.steps if (size := subject.people.sizes.get(step.position))]
    taken = subject.login.size if subject.login is not None else 0
    small = True
    for place, size in sizes:
        fix = f"{_attach(subject, place)} FILE with a smaller one, or a link instead"
        message = f"{subject.whose}{_of_step(place)}a message has {_bytes(size)}"
        if 0 < taken < size:
            yield warns("size", f"{message}, and the server takes {_bytes(taken)}: each would fail", fix)
        elif size > GMAIL_SIZE:
            yield warns("size", f"{message}: Gmail takes {_bytes(GMAIL_SIZE)}, many servers less", fix)
        else:
            continue
        small = False
    if sizes and small:
        most = max(size for _, size in sizes)
        server = f", and the server takes {_bytes(taken)}" if taken else ""
        yield ok("size", f"{subject.whose}a message has {'' if len(sizes) == 1 else 'up to '}{_bytes(most)}{server}")


def _of_step(place: int) -> str:
    return f"step {place}: " if place > 1 else ""


def _attach(subject: Subject, place: int) -> str:
    command = "edit" if place == 1 else "step edit"
    return f"paceline campaign {command} {subject.name}{f' {place}' if place > 1 else ''} --attach"


def _bytes(n: int) -> str:
    if n >= 1_000_000:
        return f"{n / 1_000_000:,.1f} MB"
    return f"{n / 1_000:,.0f} kB" if n >= 10_000 else f"{n / 1_000:,.1f} kB"


def duplicates(subject: Subject) -> Iterable[Finding]:
    """People whom another campaign reached lately."""
    n, first = subject.shared
    if n:
        group = Group(n, [Example(row["row_number"], row["address"], f"in {row['campaign']}") for row in first])
        words, other = OVERLAPPING[overlap_of(subject.campaign.settings, subject.row["channel"])]
        are = "is" if n == 1 else "are"
        message = f"{_who(n)} {are} in other campaigns of the last {SHARED_DAYS} days: {words}"
        yield warns("duplicates", message, f"paceline campaign edit {subject.name} --overlap {other}", group)
    elif subject.people.to_send:
        yield ok("duplicates", f"nobody is in another campaign of the last {SHARED_DAYS} days")


def window(subject: Subject) -> Iterable[Finding]:
    """Whether there is a time at which account and campaign may both send."""
    windows = subject.windows
    if not windows:
        return
    hours = "; ".join(found.describe() for found in windows)
    fix = subject.to_open
    says = refuses if subject.share else warns
    shut = next((one for one in windows if one.next_open(subject.now) is None), None)
    if shut is not None:
        yield says("window", f"{subject.whose}the window does not open within the next year: {shut.describe()}", fix)
    elif opens(windows, subject.now) == NEVER:
        message = f"{subject.whose}account and campaign are open at no common time within the next year: {hours}"
        yield says("window", message, fix)
    else:
        yield ok("window", f"{subject.whose}sends {hours}")


def of_each_account(check: Check) -> Check:
    """The check for every account that the campaign uses, the first one first."""

    def every(subject: Subject) -> Iterable[Finding]:
        for one in (subject, *subject.others):
            yield from check(one)

    return every


CHECKS: Final[tuple[Check, ...]] = (
    state,
    of_each_account(queues.state),
    of_each_account(account),
    of_each_account(credentials),
    template,
    people,
    suppressions,
    fields,
    allow_list,
    of_each_account(cold_campaign),
    attachments,
    of_each_account(size),
    duplicates,
    of_each_account(queues.caps),
    queues.spent_caps,
    of_each_account(window),
    of_each_account(clocks.never),
    clocks.zones,
    of_each_account(invitations.notes),
    of_each_account(invitations.hours),
    of_each_account(domain.asked),
    of_each_account(domain.mx),
    of_each_account(domain.spf),
    of_each_account(domain.dkim),
    of_each_account(domain.dmarc),
    domain.bulk_sender,
)
"""In the order in which one would mend what they find."""
