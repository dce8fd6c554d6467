"""When running campaigns end by the forecast of their queue, for the ETA of lists that are read again and again; and
when each message of a timeline begins.

Queues that share campaigns are sent in the mind together, once for all, and anew when one of them or a campaign has
changed or a minute has passed. Those with more open messages than `CHEAP` are left to the estimate of `tui.pace`, but
for the messages whose windows never open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from storage.errors import PacelineError
from storage.forecast_facts import changes, linked_queues, queue
from storage.reader import Reader

if TYPE_CHECKING:
    from engine.config import Config
    from engine.queue_forecast import End

Row = dict[str, Any]

CHEAP = 2_000
"""Open messages up to which a forecast takes less than a twentieth of a second."""


class Foresight:
    """For one screen; used in the reader's thread. `load_config` reads the configuration: its limits are taken for
    queues whose limits no engine wrote yet. None: those are taken for unlimited."""

    def __init__(self, load_config: Callable[[], Config] | None = None) -> None:
        self._load_config = load_config
        self._kept: dict[frozenset[int], tuple[tuple[Any, ...], dict[int, End]]] = {}
        self._starts: dict[int, tuple[tuple[Any, ...], dict[int, int]]] = {}

    def add(self, reader: Reader, campaigns: Iterable[Row], now: int) -> None:
        """Give each active campaign (as `Reader.campaigns` has it) `foreseen`: its end (us), None where it is not
        known; and `never_open`: how many of its messages wait for windows that are open at no common time."""
        active = [row for row in campaigns if row["state"] == "active"]
        wanted = {row["queue_id"] for row in active}
        groups = [group for group in linked_queues(reader) if group & wanted] if wanted else []
        for group in groups:
            ends = self._ends(reader, group, now)
            for row in active:
                if row["queue_id"] in group:
                    row["foreseen"], row["never_open"] = ends.get(row["id"], (None, 0))

    def adding(self, name: str, load: Callable[[Reader, int], Row]) -> Callable[[Reader, int], Row]:
        """`load` with `foreseen` in the campaign, or the campaigns, that it reads under this name."""

        def loaded(reader: Reader, now: int) -> Row:
            data = load(reader, now)
            found = data[name]
            self.add(reader, found if isinstance(found, list) else [found], now)
            return data

        return loaded

    def starts(self, reader: Reader, campaign: Row, now: int) -> dict[int, int]:
        """When each waiting message of a campaign (as `Reader.campaign` has it) begins (us, by job id); {} where nobody
        knows."""
        queues = [one["id"] for one in campaign["accounts"]]
        if campaign["state"] != "active" or not _is_cheap(reader, queues):
            return {}
        state = tuple(changes(reader, queue_id, now) for queue_id in queues)
        kept = self._starts.get(campaign["id"])
        if kept is None or kept[0] != state:
            kept = self._starts[campaign["id"]] = (
                state,
                expected(reader, campaign["name"], self._config(reader, queues), now),
            )
        return kept[1]

    def _ends(self, reader: Reader, group: frozenset[int], now: int) -> dict[int, End]:
        state = tuple(changes(reader, queue_id, now) for queue_id in sorted(group))
        kept = self._kept.get(group)
        if kept is None or kept[0] != state:
            kept = self._kept[group] = (state, _foreseen(reader, group, self._config(reader, group), now))
        return kept[1]

    def _config(self, reader: Reader, queues: Iterable[int]) -> Config | None:
        """The configuration where one of these queues needs it: no engine has served it yet."""
        if self._load_config is None or all(queue(reader, queue_id)["limits"] for queue_id in queues):
            return None
        try:
            return self._load_config()
        except PacelineError:
            return None  # what is wrong with it is told by whoever starts an engine


def expect(rows: list[Row], starts: Mapping[int, int], last_start: int) -> None:
    """Give the coming rows of a timeline (`storage.sends.coming`) `expected_at` (us; None where it is not known), and
    put those that have one by it, each with its `gap` behind the message that begins before it. `last_start` is the
    campaign's (us; 0: none)."""
    before, gaps = last_start, dict[int, int | None]()
    for number, at in sorted(starts.items(), key=lambda start: start[1]):
        gaps[number] = at - before if before else None
        before = at
    for row in rows:
        row["expected_at"] = starts.get(row["id"])
        row["gap"] = gaps.get(row["id"], row["gap"])
    rows.sort(key=lambda row: row["due_at"] if row["expected_at"] is None else row["expected_at"])


def _is_cheap(reader: Reader, queues: Iterable[int]) -> bool:
    counts = [reader.counts("queue", queue_id) for queue_id in queues]
    return 0 < sum(one["pending"] + one["processing"] for one in counts) <= CHEAP


def expected(reader: Reader, name: str, config: Config | None, now: int) -> dict[int, int]:
    """When each waiting message of a campaign begins (us, by job id), by the limits that the engine wrote, or those of
    the configuration where none ever ran; {} where that is not known."""
    from engine.forecasting import expected_starts  # loaded by the first timeline

    try:
        return expected_starts(reader, name, config, now=now)
    except PacelineError:
        return {}


def _foreseen(reader: Reader, group: frozenset[int], config: Config | None, now: int) -> dict[int, End]:
    # Loaded by the first list that has something to foresee.
    from engine.queue_forecast import End, campaign_ends, never_open

    try:
        accounts = (
            {name: one.limits(config.zone) for name, one in config.accounts.items()} if config is not None else {}
        )
        if _is_cheap(reader, group):
            return campaign_ends(reader, group, now=now, accounts=accounts)
        return {campaign: End(None, n) for campaign, n in never_open(reader, group, now=now, accounts=accounts).items()}
    except PacelineError:
        return {}  # such as a window that cannot be read: explain says so
