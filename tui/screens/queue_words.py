"""How a queue reads on the screen: its columns, and the lines about one. Pure."""

from __future__ import annotations

from rich.cells import cell_len

from engine.planning.caps import Cap
from engine.planning.durations import format_duration
from storage.model import SECOND
from storage.work_terms import CHANNEL
from tui.actions import Row
from tui.format import ago, ahead, clock, count, fit, soon
from tui.limit_words import LABELS
from tui.lookup import KeyOf, own_key
from tui.recovery import breaker_text, is_slowed, places_text, rate_text
from tui.screens.why import why
from tui.theme import QUEUES, Mark
from tui.widgets.columns import Column
from tui.widgets.lines import Line

CAPS_WIDTH = 19


def mark_of(row: Row) -> Mark:
    return QUEUES.get(row["state"], Mark(" ", row["state"], ""))


def is_of_work(row: Row) -> bool:
    """Whether the queue holds background jobs: no account stands behind it, and it has neither caps nor gaps."""
    return bool(row["channel"] == CHANNEL)


def cap_text(cap: Row) -> str:
    """`58/60 min`: used of what is allowed, and in what time."""
    period = str(Cap(1, cap["period"])).partition("/")[2]
    return f"{count(cap['used'])}/{count(cap['n'])} {period}"


def full_cap(row: Row, now: int) -> Row | None:
    """Of a campaign's `shares` the spent cap that lets its next message go; None while one of its accounts has room, or
    where no limits are known."""
    full: list[Row] = []
    for share in row["shares"]:
        spent = [cap for cap in share["caps"] if cap["frees_at"] is not None and cap["frees_at"] > now]
        if not spent:
            return None
        full.append(max(spent, key=lambda cap: int(cap["frees_at"])))
    return min(full, key=lambda cap: int(cap["frees_at"]), default=None)


def busy(row: Row) -> str:
    """`3/10` in flight of the places that there are now; without an engine that tells, what the counters know."""
    engine = row["engine"]
    flying = engine.get("in_flight", row["counts"]["processing"])
    return f"{flying}/{engine.get('places', engine['concurrency'])}" if engine else str(flying)


def next_slot(row: Row, now: int) -> int | None:
    """When the next message may start as far as the queue itself is concerned: something is due then, and what holds
    the queue is open. None: not without a person, or nothing waits."""
    held, due = row["why"]["holding"], row["due"]
    if due is None or (held is not None and held["needs_person"]):
        return None
    opens = held["opens_at"] if held is not None else None
    return max(now, int(due), int(opens or 0))


def slot_text(row: Row, now: int) -> str:
    at = next_slot(row, now)
    return "-" if at is None else soon(at, now)


def _sentence(row: Row, now: int, named: KeyOf) -> str:
    """Why it stands or goes; where nothing holds it and nothing is due either, when something will be."""
    text, due = why(row["why"], now, named), row["due"]
    if row["why"]["holding"] is None and due is not None and due > now:
        return f"{text}: the next is due {ahead(due, now)}"
    return text


def took(duration: int | None) -> str:
    """`0.12s`: a latency, in tenths from ten seconds on."""
    if duration is None:
        return "-"
    seconds = duration / SECOND
    return f"{seconds:.2f}s" if seconds < 10 else f"{seconds:.0f}s"


def latency_text(row: Row) -> str:
    timed = row["latency"]
    return f"{took(timed['p50'])} {took(timed['p95'])}" if timed["n"] else "-"


def breaker(row: Row) -> str:
    """`step 2` of the ladder, or how slow it still is after trouble: `rate 1/4`."""
    if is_of_work(row):
        return "-"
    step, throttle = row["cooling_step"], row["throttle"]
    return f"step {step}" if step else f"rate 1/{2**throttle}" if throttle else "closed"


def fullest(row: Row) -> str:
    """The caps of a row of the list, the one that is nearest to full first; how many there are that have no room
    here, such as `38/40 day +2`. A queue that was tuned live says so before them."""
    if is_of_work(row):
        return "background jobs"
    caps = [cap_text(cap) for cap in sorted(row["caps"], key=lambda cap: -cap["used"] / cap["n"])]
    tuned = ["tuned"] * bool(row["tuning"])
    for shown in range(len(caps), 0, -1):
        text = " ".join([*tuned, *caps[:shown], *[f"+{len(caps) - shown}"] * (shown < len(caps))])
        if len(text) <= CAPS_WIDTH:
            return text
    return " ".join([*tuned, *caps[:1]]) or "-"


def columns_at(now: int) -> list[Column]:
    def state(row: Row) -> tuple[str, str]:
        mark = mark_of(row)
        return f"{mark.glyph} {mark.word}", mark.style

    def last_failure(row: Row) -> tuple[str, str]:
        failure = row["last_failure"]
        return (f"{clock(failure['last_at'], now)} {failure['error_key']}", "") if failure else ("-", "dim")

    return [
        Column("STATE", 12, state),
        Column("NAME", 14, lambda row: row["name"]),
        Column("BUSY", 5, busy, right=True),
        Column("CAPS USED", CAPS_WIDTH, fullest),
        Column("NEXT", 6, lambda row: slot_text(row, now).removeprefix("in "), right=True),
        Column("WAIT", 6, lambda row: count(row["counts"]["pending"]), right=True, from_width=96),
        Column("BREAKER", 8, breaker, from_width=96),
        Column("P50 P95", 12, latency_text, from_width=108),
        Column("LAST ERROR", 0, last_failure),
    ]


def facts_of(row: Row, now: int, width: int, named: KeyOf = own_key) -> list[Line]:
    """Everything about one queue, in six lines."""
    if is_of_work(row):
        return _work_of(row, now, width, named)
    mark, engine, timed = mark_of(row), row["engine"], row["latency"]
    caps = "   ".join(cap_text(cap) for cap in row["caps"])
    if not engine and not row["limits"]:
        caps = "unknown: no engine tells its limits"
    tuned = f"   tuned {', '.join(LABELS[name] for name in row['tuning'])}" if row["tuning"] else ""
    gap = f"   gap {format_duration(engine['min_gap'])}" if engine.get("min_gap") else ""
    started = f"{clock(row['last_start'], now, seconds=True)}" if row["last_start"] else "never"
    opens = breaker_text(row, lambda at: soon(at, now))
    slot = f"next {slot_text(row, now)}   last start {started}   breaker {opens}"
    measured = (
        f"p50 {took(timed['p50'])}  p95 {took(timed['p95'])} over {count(timed['n'])} handed over in the last hour"
    )
    # What is slow after trouble is told where else the latency stands: of the two it is what holds the queue up.
    pace = ("LATENCY", measured if timed["n"] else "nothing was handed over in the last hour")
    if is_slowed(row):
        told = (rate_text(row, lambda at: clock(at, now)), places_text(engine))
        pace = ("RATE   ", "   ".join(filter(None, told)))
    failure = row["last_failure"]
    words = f"{clock(failure['last_at'], now)} {failure['sample']}" if failure else "none in 24 hours"
    counts = row["counts"]
    # A narrow screen has no room for zeros.
    told_of = [state for state in ("failed", "uncertain") if counts[state] or width >= 100]
    jobs = "  ".join([f"waiting {count(counts['pending'])}", *(f"{state} {count(counts[state])}" for state in told_of)])
    room = width - 12 - len(mark.word)
    head, brief = (f"   {row['name']}{way}   busy {busy(row)}   {jobs}" for way in (f" ({row['channel']})", ""))
    return [
        ((" STATE   ", "head"), (f"{mark.glyph} {mark.word}", mark.style),
         (fit(head if cell_len(head) <= room else brief, room), "")),
        ((" WHY     ", "head"), (fit(_sentence(row, now, named), width - 10), "")),
        ((" CAPS    ", "head"), (fit(f"{caps or 'none set'}{gap}{tuned}", width - 10), "")),
        ((" SLOT    ", "head"), (fit(slot, width - 10), "")),
        ((f" {pace[0]} ", "head"), (fit(pace[1], width - 10), "warn" if is_slowed(row) else "")),
        ((" ERROR   ", "head"), (fit(words, width - 10), "")),
    ]  # fmt: skip


def _work_of(row: Row, now: int, width: int, named: KeyOf) -> list[Line]:
    """The same of a queue of background jobs."""
    mark, counts, failure = mark_of(row), row["counts"], row["last_failure"]
    head = f"   {row['name']} (background jobs)   running {busy(row)}   waiting {count(counts['pending'])}"
    ends = " ".join(f"{state} {count(counts[state])}" for state in ("completed", "failed", "uncertain", "held"))
    oldest = f"due since {ago(row['oldest'], now)}" if row["oldest"] is not None else "nothing is due"
    places = f"{row['engine']['concurrency']} at once" if row["engine"] else "unknown: no engine tells its places"
    words = f"{clock(failure['last_at'], now)} {failure['sample']}" if failure else "none in 24 hours"
    trouble = row["engine"].get("trouble") or "none"
    return [
        ((" STATE   ", "head"), (f"{mark.glyph} {mark.word}", mark.style),
         (fit(head, width - 12 - len(mark.word)), "")),
        ((" WHY     ", "head"), (fit(_sentence(row, now, named), width - 10), "")),
        ((" LINE    ", "head"), (fit(f"{oldest}   {ends}", width - 10), "")),
        ((" PLACES  ", "head"), (fit(places, width - 10), "")),
        ((" TROUBLE ", "head"), (fit(trouble, width - 10), "" if trouble == "none" else "warn")),
        ((" ERROR   ", "head"), (fit(words, width - 10), "")),
    ]  # fmt: skip


def reason_line(row: Row, now: int, width: int) -> Line:
    left = (
        f"{count(row['n']):>6}  {clock(row['last_at'], now)} {ago(row['last_at'], now):>6}  {fit(row['outcome'], 10)} "
    )
    return ((left, ""), (fit(row["sample"] or row["error_key"], max(0, width - len(left))), ""))


def attempt_line(row: Row, now: int, width: int) -> Line:
    outcome = row["outcome"] or "no outcome"
    style = "good" if outcome == "accepted" else "ask" if outcome in ("uncertain", "no outcome") else "bad"
    left = f"{clock(row['intent_at'], now, seconds=True)}  job {row['job_id']:<8} #{row['number']:<2} "
    right = f" {took(row['duration']) if row['outcome'] else '-':>6}  {row['reply']}"
    return ((left, ""), (fit(outcome, 13), style), (fit(right, max(0, width - len(left) - 13)), ""))
