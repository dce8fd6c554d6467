"""Windows on each person's own clock: whose zone is none, and for whom account and campaign are never open together."""

from __future__ import annotations

import json
from collections.abc import Iterable

from engine.planning.opening import NEVER, of_person, opens
from engine.planning.windows import Window
from engine.preflight.findings import Finding, Group, ok, warns
from engine.preflight.subject import Subject
from storage.errors import UsageError


def zones(subject: Subject) -> Iterable[Finding]:
    """Whether the fields that say which clock is a person's own hold time zones: without one the window's counts."""
    windows = {window.recipient_zone: window for one in (subject, *subject.others) for window in one.windows}
    for field, window in windows.items():
        if not field or not subject.people.clocks:
            continue
        without = Group()
        for (name, zone), people in subject.people.clocks.items():
            if name == field and not _exists(zone, window):
                without.merge(people, note=zone or "none")
        if without.count:
            who = "1 person has" if without.count == 1 else f"{without.count:,} people have"
            message = f"{who} no time zone in the field {field}: the clocks of {window.zone} count"
            fix = f"paceline recipients edit ADDRESS --campaign {subject.name} --set {field}=Europe/Berlin"
            yield warns("zones", message, fix, without)
        else:
            yield ok("zones", f"everybody has a time zone in the field {field}")


def never(subject: Subject) -> Iterable[Finding]:
    """For whom account and campaign are never open together, though they are for others."""
    windows = subject.windows
    if not subject.share or opens(windows, subject.now) >= NEVER:
        return
    shut = Group()
    for (field, zone), people in subject.people.clocks.items():
        theirs = [of_person(one, json.dumps({field: zone})) for one in windows]
        if opens(theirs, subject.now) >= NEVER:
            shut.merge(people, note=zone)
    if shut.count:
        who = "1 person is" if shut.count == 1 else f"{shut.count:,} people are"
        message = f"{who} never written to: on their clock account and campaign are not open at one time within a year"
        yield warns("clocks", f"{subject.whose}{message}", subject.to_open, shut)


def _exists(zone: str, window: Window) -> bool:
    try:
        return bool(zone) and window.in_zone(zone) is not None
    except UsageError:
        return False
