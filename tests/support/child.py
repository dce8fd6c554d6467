"""An engine in a process of its own that may be told where to die: the real `Engine.run`, a real store, real SMTP.

    python -m tests.support.child DATABASE CONFIG [--point NAME --at N] [--off GUARD] [--until-idle]

It ends with whoever started it (its standard input is a pipe that nobody writes to), so no test leaves one behind.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).parents[2]


def start_child(
    database: Path,
    config: Path,
    *,
    point: str = "",
    at: int = 1,
    off: str = "",
    lease: float = 0.0,
    until_idle: bool = True,
) -> subprocess.Popen[str]:
    """Start one. `lease` (seconds) replaces the runner's lease, and rescues come ten times as often."""
    more = ["--point", point, "--at", str(at)] if point else []
    more += ["--off", off] if off else []
    more += ["--lease", str(lease)] if lease else []
    more += ["--until-idle"] if until_idle else []
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.child", str(database), str(config), *more],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def end_child(child: subprocess.Popen[str], *, seconds: float = 30.0) -> tuple[int, str]:
    """Wait for its end, kill it when that does not come; returns its code (negative: the signal) and its stderr."""
    # Not `communicate`: it closes standard input at once, which is how a child learns that it is alone.
    try:
        code = child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        code = None
    assert child.stdin is not None and child.stderr is not None
    child.stdin.close()
    err = child.stderr.read()
    child.stderr.close()
    assert code is not None, f"the child engine did not end:\n{err}"
    return code, err


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


async def _run(database: Path, config: Path, until_idle: bool) -> None:
    from engine.config import load_config
    from engine.service import Engine

    engine = Engine(database, lambda: load_config(config))
    await engine.start()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, engine.drain, "SIGTERM")
    await engine.run(until_idle=until_idle)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.child")
    parser.add_argument("database", type=Path)
    parser.add_argument("config", type=Path)
    parser.add_argument("--point", default="")
    parser.add_argument("--at", type=int, default=1)
    parser.add_argument("--off", default="")
    parser.add_argument("--lease", type=float, default=0.0)
    parser.add_argument("--until-idle", action="store_true")
    given = parser.parse_args()
    threading.Thread(target=_end_with_parent, daemon=True).start()

    from storage.errors import PacelineError
    from tests.support import crashpoints, guards

    if given.point:
        crashpoints.install_point(given.point, given.at)
    if given.off:
        guards.switch_off(given.off)
    if given.lease:
        _shorten_leases(given.lease)
    try:
        asyncio.run(_run(given.database, given.config, given.until_idle))
    except PacelineError as error:
        with contextlib.suppress(BrokenPipeError):
            print(f"{error.code}: {error.message}", file=sys.stderr)
        return error.exit_code
    return 0


def _shorten_leases(seconds: float) -> None:
    from engine import runner, scheduler
    from storage.model import SECOND

    runner.LEASE = int(seconds * SECOND)
    scheduler.RESCUE = int(seconds * SECOND / 10)
    # The engine forgets what it has in flight, as one does whose claims were rescued by another: the fence must hold.
    runner.QueueRunner.held = property(lambda self: frozenset())  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    # The interpreter's end would wait for a thread that reads standard input.
    code = main()
    sys.stderr.flush()
    os._exit(code)
