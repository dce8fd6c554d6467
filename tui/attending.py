"""What happens around this console: an engine that comes back, and what other people do meanwhile."""

from __future__ import annotations

from tui.actions import Row
from tui.base import ConsoleBase
from tui.feed import Snapshot
from tui.format import count, plural, span

ENGINE = "engine"


class Attending(ConsoleBase):
    """The part of the console that tells news of others in the message row."""

    _told_to: int | None = None
    """The newest event that was told, or that was there when the console opened."""
    _when_lost: Row | None = None
    """How much had happened when the engine went away."""

    def tell_news(self, before: Snapshot | None, after: Snapshot) -> None:
        """Look at two snapshots that follow each other, and say what is worth a word."""
        if not after.frame:
            return
        self._tell_others(after.frame["news"])
        if before is None:
            return
        if before.link.usable and not after.link.usable:
            self._when_lost = before.frame.get("newest") or after.frame["newest"]
            self.say("lost: engine unreachable, browsing the last snapshot", "bad")
        elif not before.link.usable and after.link.usable and self._when_lost is not None:
            grown = sum(n - self._when_lost[name] for name, n in after.frame["newest"].items())
            away = span(self.now() - before.link.since)
            self.say(f"back after {away}, {plural(max(0, grown), 'change')}", "good")
            self._when_lost = None

    def _tell_others(self, news: list[Row]) -> None:
        """One line for what somebody else did since the last snapshot; our own acts have their own answer."""
        told, self._told_to = self._told_to, max((event["id"] for event in news), default=self._told_to or 0)
        if told is None:
            return
        fresh = [event for event in news if event["id"] > told and event["actor"] not in ("", ENGINE)]
        others = [event for event in fresh if not self._own(event)]
        if others:
            more = f" (and {count(len(others) - 1)} more: 9 Log)" if len(others) > 1 else ""
            self.say(f"{others[-1]['text']}{more}")

    def _own(self, event: Row) -> bool:
        actor = self.link.actor
        same = (event["actor"], event["host"], event["via"]) == (actor.user, actor.host, actor.via)
        return same and self.link.acted_lately()
