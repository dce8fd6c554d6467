"""How the health of engine and store reads: the same words on Overview and Performance. Pure."""

from __future__ import annotations

from storage.model import SECOND
from tui.actions import Row
from tui.format import ago, clock, count, data_size
from tui.link import STARTING, LinkState
from tui.widgets.lines import Line

STEADY = 5_000
"""Microseconds of loop lag below which the figure would only flicker."""
ABOUT = (20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
"""Milliseconds: how late is told by the next of these where the figure itself would never stand still."""
FULL = 95
"""Per cent of a disk from which it is shown as trouble."""


def lag_text(late: int | None) -> str:
    """`<5ms`, `12ms`, `1.4s`; `-` when nothing is measured."""
    if late is None:
        return "-"
    if late < STEADY:
        return "<5ms"
    return f"{late / 1_000:.0f}ms" if late < SECOND else f"{late / SECOND:.1f}s"


def lag_about(late: int | None) -> str:
    """`<20ms`, `<50ms`, `<2s`, from there on as it is: a screen at rest must not move with every look."""
    if late is None:
        return "-"
    limit = next((limit for limit in ABOUT if late < limit * 1_000), None)
    if limit is None:
        return lag_text(late)
    return f"<{limit}ms" if limit < 1_000 else f"<{limit // 1_000}s"


def log_size(size: int) -> str:
    """The write-ahead log's bytes. Each heartbeat adds some: below a megabyte that is no news."""
    return data_size(size) if size == 0 or size >= 1 << 20 else "<1M"


def disk_used(sizes: Row) -> int:
    """Per cent."""
    return int((sizes["disk_total"] - sizes["disk_free"]) * 100 // max(1, sizes["disk_total"]))


def disk_text(sizes: Row) -> tuple[str, str]:
    """How much of the disk is used, and the style of that."""
    used = disk_used(sizes)
    return f"{used}%", "bad" if used >= FULL else ""


def oldest_text(oldest: int | None, now: int) -> str:
    """What is due for less than a second is on its way."""
    return ago(oldest, now) if oldest is not None and now - oldest >= SECOND else "none"


def summary(oldest: int | None, sizes: Row, link: LinkState, now: int) -> Line:
    """One row: what waits longest, how late the engine's loop is, what the store takes."""
    used, style = disk_text(sizes)
    lag = lag_about(link.status.get("loop_lag", {}).get("p95"))
    return (
        (" HEALTH     ", "head"),
        (f"oldest due {oldest_text(oldest, now)}   loop lag p95 {lag}   ", ""),
        (f"db {data_size(sizes['database'])}   wal {log_size(sizes['wal'])}   ", ""),
        (f"disk {used}", style),
    )


def engine_lines(data: Row, link: LinkState, now: int) -> list[Line]:
    """Four rows: which engine, how late it is, what it works on, what the store takes."""
    engine, status, sizes = data["engine"], link.status, data["sizes"]
    where = f"pid {link.pid} on {link.host}" if link.host else f"pid {link.pid}"
    since = f", since {clock(engine['started_at'], now)}" if engine.get("started_at") else ""
    runs = f"{link.word.lower()}, {where}{since}" if link.usable else link.reason or "none runs on this database"
    versions = f"   Paceline {engine.get('version', '-')}, store {engine['schema']}"
    lag = status.get("loop_lag", {})
    if lag.get("n"):
        late = f"p50 {lag_text(lag['p50'])}   p95 {lag_text(lag['p95'])}   longest {lag_text(lag['longest'])}"
        late += "   in the last minute"
    else:
        late = "not measured yet" if link.usable else "no engine tells"
    flying = status.get("in_flight", data["counts"]["processing"])
    work = f"oldest due {oldest_text(data['oldest'], now)}   in flight {count(flying)}"
    if status.get("draining"):
        work += f"   DRAINING, {count(flying)} to go: {status.get('why') or 'asked to end'}"
    used, style = disk_text(sizes)
    trouble = status.get("store_trouble", "")
    return [
        ((" ENGINE   ", "head"), (runs, "" if link.usable or link.word == STARTING else "bad"), (versions, "")),
        ((" LOOP LAG ", "head"), (late, "")),
        ((" WORK     ", "head"), (work, "warn" if status.get("draining") else "")),
        (
            (" STORE    ", "head"),
            (f"db {data_size(sizes['database'])}   wal {data_size(sizes['wal'])}   disk ", ""),
            (f"{used} used", style),
            (f", {data_size(sizes['disk_free'])} free", ""),
            (f"   {trouble}" if trouble else "", "bad"),
        ),
    ]
